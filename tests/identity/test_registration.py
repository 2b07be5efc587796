"""Registering makes a whole tenant or nothing, and a taken name needs an invitation."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from core.api.app import create_app
from tests.support import callers, lifespan
from tests.support.callers import Caller

BODY = {"email": "test@example.com", "password": "Test123!", "tenantId": "test-tenant"}


async def test_the_documented_call_makes_a_tenant_an_owner_and_its_self_customer(
    api: httpx.AsyncClient, connect: Callable[..., Any]
) -> None:
    answer = await api.post("/auth/register", json=BODY)
    assert answer.status_code == 201
    body = answer.json()
    assert body["tenantId"] == "test-tenant"
    assert body["role"] == "owner"
    assert body["installationRole"] is None
    assert body["expiresIn"] == 900
    assert body["tokenType"] == "Bearer"
    assert body["refreshToken"].startswith("cbr_")
    operator = await connect("operator")
    row = await (
        await operator.execute(
            "SELECT t.name, t.currency, t.is_test, t.charge_policy, c.external_id, c.is_self "
            "FROM tenants t JOIN customers c ON c.tenant_id = t.id WHERE t.slug = 'test-tenant'"
        )
    ).fetchall()
    assert row == [("test-tenant", "USD", False, "refuse", "self", True)]


async def test_a_taken_name_is_refused_and_says_that_an_invitation_is_needed(api: httpx.AsyncClient) -> None:
    await api.post("/auth/register", json=BODY)
    again = await api.post("/auth/register", json={**BODY, "email": "someone@example.com"})
    assert again.status_code == 409
    assert again.json()["code"] == "tenant_exists"
    assert "invitation" in again.json()["detail"]
    assert (await api.post("/auth/register", json={**BODY, "tenantId": "installation"})).json()[
        "code"
    ] == "tenant_exists"


async def test_of_many_registering_one_name_at_once_exactly_one_wins(api: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(api.post("/auth/register", json={**BODY, "email": f"person{number}@example.com"}) for number in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]


async def test_one_e_mail_registering_two_tenants_at_once_is_one_user(api: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(api.post("/auth/register", json={**BODY, "tenantId": f"tenant-{number}"}) for number in range(4))
    )
    assert [answer.status_code for answer in answers] == [201, 201, 201, 201]
    assert len({answer.json()["userId"] for answer in answers}) == 1


async def test_a_known_user_registers_another_tenant_with_the_right_password_only(api: httpx.AsyncClient) -> None:
    first = await api.post("/auth/register", json=BODY)
    wrong = await api.post("/auth/register", json={**BODY, "tenantId": "second", "password": "Not-mine-7"})
    assert wrong.status_code == 401
    assert wrong.json()["code"] == "invalid_credentials"
    right = await api.post("/auth/register", json={**BODY, "tenantId": "second", "email": " TEST@Example.com "})
    assert right.status_code == 201
    assert right.json()["userId"] == first.json()["userId"]
    assert right.json()["tenantId"] == "second"


async def test_a_test_tenant_has_a_clock_that_starts_where_it_is_told(
    api: httpx.AsyncClient, connect: Callable[..., Any]
) -> None:
    answer = await api.post(
        "/auth/register", json={**BODY, "testClock": "2026-01-31T12:00:00+01:00", "currency": "EUR"}
    )
    assert answer.status_code == 201
    operator = await connect("operator")
    row = await (
        await operator.execute(
            "SELECT t.is_test, t.currency, t.created_at, k.now_at FROM tenants t "
            "JOIN tenant_clocks k ON k.tenant_id = t.id WHERE t.slug = 'test-tenant'"
        )
    ).fetchone()
    start = datetime(2026, 1, 31, 11, tzinfo=UTC)
    assert row == (True, "EUR", start, start)


async def test_a_probe_is_marked(api: httpx.AsyncClient, connect: Callable[..., Any]) -> None:
    assert (await api.post("/auth/register", json={**BODY, "probe": True})).status_code == 201
    operator = await connect("operator")
    row = await (await operator.execute("SELECT is_probe, is_test FROM tenants WHERE slug = 'test-tenant'")).fetchone()
    assert row == (True, False)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"email": "a" * 300 + "@example.com"}, "email"),
        ({"email": "a\x00b@example.com"}, "email"),
        ({"password": ""}, "password"),
        ({"password": "short1!"}, "password"),
        ({"password": "password1"}, "password"),
        ({"password": "x" * 1025}, "password"),
        ({"password": None}, "password"),
        ({"tenantId": "Upper"}, "tenantId"),
        ({"tenantId": "-a"}, "tenantId"),
        ({"tenantId": "a"}, "tenantId"),
        ({"tenantId": "a b"}, "tenantId"),
        ({"tenantId": "a\n"}, "tenantId"),
        ({"tenantId": "x" * 64}, "tenantId"),
        ({"tenantId": 7}, "tenantId"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": ""}, "name"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": "usd"}, "currency"),
        ({"testClock": "2026-01-01T00:00:00"}, "testClock"),
        ({"testClock": "9999-01-01T00:00:00Z"}, "testClock"),
        ({"testClock": 1700000000}, "testClock"),
        ({"testTenant": "maybe"}, "testTenant"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_bad_input_is_refused_with_the_field_and_changes_nothing(
    api: httpx.AsyncClient, connect: Callable[..., Any], change: dict[str, Any], field: str
) -> None:
    answer = await api.post("/auth/register", json={**BODY, **change})
    assert answer.status_code == 422
    body = answer.json()
    assert body["code"] in ("invalid_input", "password_refused", "currency_unknown")
    assert body["errors"][0]["field"] == field
    operator = await connect("operator")
    assert await (await operator.execute("SELECT count(*) FROM tenants")).fetchone() == (1,)


@pytest.mark.parametrize("text", ["'; DROP TABLE users; --", "<script>alert(1)</script>", "名前", "a" * 200])
async def test_sql_and_script_are_only_text(api: httpx.AsyncClient, text: str) -> None:
    answer = await api.post("/auth/register", json={**BODY, "name": text, "tenantName": text})
    assert answer.status_code == 201
    me = await api.get("/auth/me", headers={"Authorization": f"Bearer {answer.json()['accessToken']}"})
    assert me.json()["name"] == text
    assert me.json()["tenants"][0]["name"] == text


class TestInvited:
    @pytest.fixture
    async def owner(self, tenant: Caller) -> Caller:
        return tenant

    async def test_an_invitation_makes_a_member_with_its_role_once(self, owner: Caller) -> None:
        invited = await owner.post("/auth/invitations", {"email": "Ada@Example.com", "role": "finance"})
        token = invited.json()["token"]
        body = {"email": "ada@example.com", "password": "Test123!", "tenantId": "acme", "invitationToken": token}
        joined = await owner.client.post("/auth/register", json=body)
        assert joined.status_code == 201
        assert (joined.json()["tenantId"], joined.json()["role"]) == ("acme", "finance")
        again = await owner.client.post("/auth/register", json=body)
        assert (again.status_code, again.json()["code"]) == (403, "invitation_invalid")
        assert (await owner.get("/auth/invitations")).json()["data"] == []

    async def test_of_two_using_one_invitation_at_once_one_wins(self, owner: Caller) -> None:
        token = (await owner.post("/auth/invitations", {"email": "ada@example.com", "role": "owner"})).json()["token"]
        body = {"email": "ada@example.com", "password": "Test123!", "tenantId": "acme", "invitationToken": token}
        answers = await asyncio.gather(*(owner.client.post("/auth/register", json=body) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [201, 403, 403]

    @pytest.mark.parametrize(
        "change",
        [
            {"invitationToken": "cbi_guess"},
            {"email": "eve@example.com"},
            {"tenantId": "globex"},
        ],
    )
    async def test_an_invitation_holds_for_its_e_mail_and_tenant_only(
        self, owner: Caller, other: Caller, change: dict[str, str]
    ) -> None:
        token = (await owner.post("/auth/invitations", {"email": "ada@example.com", "role": "owner"})).json()["token"]
        body = {"email": "ada@example.com", "password": "Test123!", "tenantId": "acme", "invitationToken": token}
        answer = await owner.client.post("/auth/register", json={**body, **change})
        assert (answer.status_code, answer.json()["code"]) == (403, "invitation_invalid")

    async def test_a_withdrawn_invitation_does_not_hold(self, owner: Caller) -> None:
        made = (await owner.post("/auth/invitations", {"email": "ada@example.com", "role": "owner"})).json()
        assert (await owner.delete(f"/auth/invitations/{made['invitationId']}")).status_code == 204
        body = {
            "email": "ada@example.com",
            "password": "Test123!",
            "tenantId": "acme",
            "invitationToken": made["token"],
        }
        answer = await owner.client.post("/auth/register", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "invitation_invalid")

    async def test_an_expired_invitation_does_not_hold(self, owner: Caller, connect: Callable[..., Any]) -> None:
        token = (await owner.post("/auth/invitations", {"email": "ada@example.com", "role": "owner"})).json()["token"]
        admin = await connect("admin")
        await admin.execute("UPDATE invitations SET expires_at = %s", [datetime.now(UTC) - timedelta(seconds=1)])
        await admin.commit()
        body = {"email": "ada@example.com", "password": "Test123!", "tenantId": "acme", "invitationToken": token}
        answer = await owner.client.post("/auth/register", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "invitation_invalid")

    async def test_a_member_is_not_made_twice(self, owner: Caller) -> None:
        token = (await owner.post("/auth/invitations", {"email": owner.email, "role": "finance"})).json()["token"]
        body = {"email": owner.email, "password": "Test123!", "tenantId": "acme", "invitationToken": token}
        answer = await owner.client.post("/auth/register", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_member")


async def test_an_installation_may_take_invited_people_only(make_settings: Callable[..., Any], tenant: Caller) -> None:
    application = create_app(make_settings(registration="invited"))
    async with lifespan.started(application), lifespan.client_of(application) as closed:
        answer = await closed.post("/auth/register", json=BODY)
        assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")
        token = (await tenant.post("/auth/invitations", {"email": "ada@example.com", "role": "developer"})).json()[
            "token"
        ]
        joined = await callers.sign_up(closed, "acme", email="ada@example.com", invitationToken=token)
        assert joined.tenant == "acme"
