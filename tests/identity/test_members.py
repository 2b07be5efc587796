"""Members and invitations are the owners' affair, and a tenant keeps an owner."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import callers
from tests.support.callers import Caller


async def test_members_are_listed_with_their_roles(tenant: Caller, other: Caller) -> None:
    member = await callers.invite(tenant, "developer", email="dev@acme.test")
    listed = (await tenant.get("/auth/members")).json()
    assert listed["nextCursor"] is None
    assert [(row["userId"], row["email"], row["role"]) for row in listed["data"]] == [
        (tenant.user_id, "owner@acme.test", "owner"),
        (member.user_id, "dev@acme.test", "developer"),
    ]


@pytest.mark.parametrize("role", ["finance", "developer", "read_only"])
async def test_only_owners_change_members_and_invite(tenant: Caller, role: str) -> None:
    member = await callers.invite(tenant, role)
    for answer in (
        await member.post("/auth/invitations", {"email": "x@acme.test", "role": "owner"}),
        await member.get("/auth/invitations"),
        await member.patch(f"/auth/members/{member.user_id}", {"role": "owner"}),
        await member.delete(f"/auth/members/{tenant.user_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await member.get("/auth/members")).status_code == 200


async def test_the_last_owner_stays(tenant: Caller) -> None:
    answer = await tenant.patch(f"/auth/members/{tenant.user_id}", {"role": "developer"})
    assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    answer = await tenant.delete(f"/auth/members/{tenant.user_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")


async def test_two_owners_leaving_at_once_leave_one(tenant: Caller, connect: Callable[..., Any]) -> None:
    second = await callers.invite(tenant, "owner")
    await asyncio.gather(
        tenant.delete(f"/auth/members/{tenant.user_id}"), second.delete(f"/auth/members/{second.user_id}")
    )
    admin = await connect("admin")
    assert await (await admin.execute("SELECT count(*) FROM memberships WHERE role = 'owner'")).fetchone() == (1,)


async def test_a_former_owner_changes_nothing_with_a_token_that_still_holds(tenant: Caller) -> None:
    second = await callers.invite(tenant, "owner")
    assert (await tenant.patch(f"/auth/members/{second.user_id}", {"role": "read_only"})).status_code == 204
    for answer in (
        await second.post("/auth/invitations", {"email": "x@acme.test", "role": "owner"}),
        await second.post("/auth/api-keys", {"name": "k", "scopes": ["usage:write"]}),
        await second.delete(f"/auth/members/{tenant.user_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_another_tenants_members_and_invitations_are_not_there(tenant: Caller, other: Caller) -> None:
    made = (await other.post("/auth/invitations", {"email": "x@globex.test", "role": "owner"})).json()
    for answer in (
        await tenant.patch(f"/auth/members/{other.user_id}", {"role": "read_only"}),
        await tenant.delete(f"/auth/members/{other.user_id}"),
        await tenant.delete(f"/auth/invitations/{made['invitationId']}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert len((await other.get("/auth/invitations")).json()["data"]) == 1


@pytest.mark.parametrize("body", [{"role": "boss"}, {}, {"role": "owner", "more": 1}, {"role": None}])
async def test_a_role_is_one_of_four(tenant: Caller, body: dict[str, Any]) -> None:
    answer = await tenant.patch(f"/auth/members/{tenant.user_id}", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_an_id_that_is_none_is_refused(tenant: Caller) -> None:
    answer = await tenant.patch("/auth/members/me", {"role": "owner"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "user_id")


async def test_what_was_done_is_in_the_audit_log_without_names(tenant: Caller, connect: Callable[..., Any]) -> None:
    member = await callers.invite(tenant, "developer", email="dev@acme.test")
    await tenant.patch(f"/auth/members/{member.user_id}", {"role": "finance"})
    await tenant.delete(f"/auth/members/{member.user_id}")
    operator = await connect("operator")
    rows = await (
        await operator.execute("SELECT action, actor_kind, actor_id::text, audit_log::text FROM audit_log ORDER BY id")
    ).fetchall()
    assert [row[0] for row in rows] == [
        "tenant.created",
        "invitation.created",
        "member.joined",
        "member.role_changed",
        "member.removed",
    ]
    assert {row[1] for row in rows} == {"user"}
    assert rows[-1][2] == tenant.user_id
    assert not any("@" in row[3] for row in rows)
