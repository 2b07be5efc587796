"""Refresh tokens work once; one used again ends its whole sign-in."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.support import callers
from tests.support.callers import Caller


async def _refresh(api: httpx.AsyncClient, token: str | None, **fields: str) -> httpx.Response:
    return await api.post("/auth/refresh", json={"refreshToken": token, **fields})


async def test_each_refresh_gives_a_new_pair(api: httpx.AsyncClient, tenant: Caller) -> None:
    first = await _refresh(api, tenant.refresh_token)
    assert first.status_code == 200
    body = first.json()
    assert (body["tenantId"], body["role"], body["expiresIn"]) == ("acme", "owner", 900)
    assert body["refreshToken"] != tenant.refresh_token
    second = await _refresh(api, body["refreshToken"])
    assert second.status_code == 200


async def test_reuse_ends_the_family_and_not_other_sign_ins(api: httpx.AsyncClient, tenant: Caller) -> None:
    elsewhere = await callers.sign_in(api, tenant.email or "")
    newest = (await _refresh(api, tenant.refresh_token)).json()["refreshToken"]
    reused = await _refresh(api, tenant.refresh_token)
    assert (reused.status_code, reused.json()["code"]) == (401, "refresh_token_reused")
    family = await _refresh(api, newest)
    assert (family.status_code, family.json()["code"]) == (401, "refresh_token_reused")
    assert (await _refresh(api, elsewhere.refresh_token)).status_code == 200


async def test_of_many_refreshing_at_once_exactly_one_wins(
    api: httpx.AsyncClient, tenant: Caller, connect: Callable[..., Any]
) -> None:
    answers = await asyncio.gather(*(_refresh(api, tenant.refresh_token) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    admin = await connect("admin")
    assert await (await admin.execute("SELECT count(*) FROM refresh_tokens")).fetchone() == (2,)
    assert await (await admin.execute("SELECT revoked_because FROM sign_ins")).fetchone() == ("reused",)


async def test_logout_ends_the_sign_in(api: httpx.AsyncClient, tenant: Caller) -> None:
    newest = (await _refresh(api, tenant.refresh_token)).json()["refreshToken"]
    assert (await api.post("/auth/logout", json={"refreshToken": newest})).status_code == 204
    answer = await _refresh(api, newest)
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_invalid")
    assert (await api.post("/auth/logout", json={"refreshToken": newest})).status_code == 204
    assert (await api.post("/auth/logout", json={"refreshToken": "cbr_unknown"})).status_code == 204


async def test_an_unknown_and_an_expired_token_are_refused(
    api: httpx.AsyncClient, tenant: Caller, connect: Callable[..., Any]
) -> None:
    unknown = await _refresh(api, "cbr_unknown")
    assert (unknown.status_code, unknown.json()["code"]) == (401, "refresh_token_invalid")
    admin = await connect("admin")
    await admin.execute("UPDATE refresh_tokens SET expires_at = %s", [datetime.now(UTC) - timedelta(seconds=1)])
    await admin.commit()
    expired = await _refresh(api, tenant.refresh_token)
    assert (expired.status_code, expired.json()["code"]) == (401, "refresh_token_expired")


async def test_a_refresh_may_switch_to_another_tenant_of_the_user_only(api: httpx.AsyncClient, tenant: Caller) -> None:
    await callers.sign_up(api, "second", email=tenant.email)
    await callers.sign_up(api, "globex")
    switched = await _refresh(api, tenant.refresh_token, tenantId="second")
    assert (switched.status_code, switched.json()["tenantId"]) == (200, "second")
    stays = await _refresh(api, switched.json()["refreshToken"])
    assert stays.json()["tenantId"] == "second"
    refused = await _refresh(api, stays.json()["refreshToken"], tenantId="globex")
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_forbidden")
    unused = await _refresh(api, stays.json()["refreshToken"])
    assert unused.status_code == 200


async def test_a_removed_member_gets_no_new_token_for_the_tenant(api: httpx.AsyncClient, tenant: Caller) -> None:
    member = await callers.invite(tenant, "developer")
    assert (await tenant.delete(f"/auth/members/{member.user_id}")).status_code == 204
    answer = await _refresh(api, member.refresh_token)
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_invalid")


async def test_a_changed_role_holds_from_the_next_token_on(api: httpx.AsyncClient, tenant: Caller) -> None:
    member = await callers.invite(tenant, "developer")
    assert (await tenant.patch(f"/auth/members/{member.user_id}", {"role": "finance"})).status_code == 204
    assert (await _refresh(api, member.refresh_token)).json()["role"] == "finance"


async def test_only_hashes_are_kept(tenant: Caller, connect: Callable[..., Any]) -> None:
    admin = await connect("admin")
    row = await (
        await admin.execute("SELECT octet_length(token_hash), token_hash::text FROM refresh_tokens")
    ).fetchone()
    assert row is not None
    assert row[0] == 32
    assert (tenant.refresh_token or "").encode().hex() not in row[1]
