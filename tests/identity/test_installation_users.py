"""Installation users read every tenant as the operator's role; to write they enter it with a reason, and it is kept."""

from collections.abc import Callable
from typing import Any

import pytest

from core.foundation.settings import Settings
from core.identity.users.operators import UserExists, create_installation_user
from tests.support.callers import Caller


async def test_they_belong_to_no_tenant(operator: Caller) -> None:
    me = (await operator.get("/auth/me")).json()
    assert (me["tenantId"], me["role"], me["installationRole"], me["tenants"]) == (None, None, "operator", [])
    answer = await operator.client.post("/auth/refresh", json={"refreshToken": operator.refresh_token})
    assert answer.json()["installationRole"] == "operator"
    body = {"email": operator.email, "password": "Test123!", "tenantId": "mine"}
    answer = await operator.client.post("/auth/register", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    answer = await operator.client.post("/auth/login", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "tenant_forbidden")


async def test_they_say_which_tenant_they_read(operator: Caller, tenant: Caller) -> None:
    answer = await operator.get("/auth/members")
    assert (answer.status_code, answer.json()["code"]) == (400, "tenant_required")
    answer = await operator.get("/auth/members", tenantId="nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "tenant_not_found")
    answer = await operator.get("/auth/members", tenantId="acme")
    assert [row["email"] for row in answer.json()["data"]] == ["owner@acme.test"]


@pytest.mark.parametrize("reason", [None, "", "  ", "ab"])
async def test_to_write_they_give_a_reason(operator: Caller, tenant: Caller, reason: str | None) -> None:
    headers = {} if reason is None else {"X-Tenant-Reason": reason}
    body = {"email": "new@acme.test", "role": "owner"}
    answer = await operator.request(
        "POST", "/auth/invitations", params={"tenantId": "acme"}, headers=headers, json=body
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "reason_required")


async def test_the_audit_log_names_user_tenant_and_reason(
    operator: Caller, tenant: Caller, connect: Callable[..., Any]
) -> None:
    entered = operator.entering("acme", reason="Ticket 4711: lost owner")
    answer = await entered.post("/auth/invitations", {"email": "new@acme.test", "role": "owner"})
    assert answer.status_code == 201
    reader = await connect("operator")
    rows = await (
        await reader.execute(
            "SELECT t.slug, a.actor_id::text, a.actor_kind, a.action, a.reason FROM audit_log a "
            "JOIN tenants t ON t.id = a.tenant_id WHERE a.actor_kind <> 'user' ORDER BY a.id"
        )
    ).fetchall()
    assert rows == [
        ("acme", operator.user_id, "installation_operator", "tenant.entered", "Ticket 4711: lost owner"),
        ("acme", operator.user_id, "installation_operator", "invitation.created", None),
    ]


async def test_finance_of_the_installation_reads_and_changes_nothing(
    make_operator: Callable[..., Any], tenant: Caller
) -> None:
    finance = await make_operator("finance")
    assert (await finance.get("/auth/members", tenantId="acme")).status_code == 200
    entered = finance.entering("acme", reason="I would like to")
    answer = await entered.post("/auth/invitations", {"email": "new@acme.test", "role": "owner"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_the_command_makes_each_once(settings: Settings, tenant: Caller) -> None:
    url = settings.owner_url
    given = {"email": "Op@Installation.test", "role": "operator", "password": "Test123!"}
    assert create_installation_user(url, **given, if_missing=False) == "created"
    assert create_installation_user(url, **given, if_missing=True) == "exists"
    with pytest.raises(UserExists, match="with the role operator"):
        create_installation_user(url, **given, if_missing=False)
    with pytest.raises(UserExists, match="with the role operator"):
        create_installation_user(url, **{**given, "role": "finance"}, if_missing=True)
    with pytest.raises(UserExists, match="of a tenant"):
        create_installation_user(url, **{**given, "email": "owner@acme.test"}, if_missing=True)
