"""API keys: shown once, kept as a hash, limited to their scopes, and gone within seconds of their revocation."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core.foundation.clock import wall_now
from core.identity import authenticator
from tests.support import callers
from tests.support.callers import Caller


async def test_a_key_is_shown_once_and_kept_as_a_hash(tenant: Caller, connect: Callable[..., Any]) -> None:
    made = await tenant.post("/auth/api-keys", {"name": "backend", "scopes": ["usage:write", "usage:read"]})
    assert made.status_code == 201
    body = made.json()
    prefix, key = body["prefix"], body["key"]
    assert key.startswith(f"cbk_{prefix}_")
    assert len(key) == 4 + 12 + 1 + 43
    assert body["scopes"] == ["usage:read", "usage:write"]
    listed = (await tenant.get("/auth/api-keys")).json()
    assert [(row["apiKeyId"], row["prefix"], row["rateLimit"]) for row in listed["data"]] == [
        (body["apiKeyId"], prefix, None)
    ]
    assert "key" not in listed["data"][0]
    admin = await connect("admin")
    row = await (await admin.execute("SELECT octet_length(key_hash), api_keys::text FROM api_keys")).fetchone()
    assert row[0] == 32
    assert key not in row[1]


async def test_a_key_is_its_tenant_with_its_scopes(tenant: Caller) -> None:
    key = await callers.issue_key(tenant, "ledger:read")
    me = (await key.get("/auth/me")).json()
    assert (me["tenantId"], me["role"], me["scopes"], me["userId"]) == ("acme", None, ["ledger:read"], None)
    answer = await key.get("/auth/api-keys")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_required")
    assert answer.json()["requiredScope"] == "keys:write"
    answer = await key.get("/auth/members")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_required")
    answer = await key.get("/auth/me", tenantId="globex")
    assert answer.status_code == 200  # /auth/me names no tenant


async def test_a_revoked_key_is_refused_once_the_process_asks_again(
    tenant: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = (await tenant.post("/auth/api-keys", {"name": "backend", "scopes": ["usage:read"]})).json()
    key = Caller(client=tenant.client, token=made["key"])
    assert (await key.get("/auth/me")).status_code == 200
    assert (await tenant.delete(f"/auth/api-keys/{made['apiKeyId']}")).status_code == 204
    assert (await tenant.delete(f"/auth/api-keys/{made['apiKeyId']}")).status_code == 204
    assert authenticator.API_KEY_REMEMBERED_SECONDS == 3.0
    now = authenticator.time.time()
    monkeypatch.setattr("core.identity.authenticator.time.time", lambda: now + 3)
    answer = await key.get("/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_invalid")
    assert (await tenant.get("/auth/api-keys")).json()["data"] == []


async def test_an_expired_key_is_refused(tenant: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = wall_now() + timedelta(seconds=30)
    key = await callers.issue_key(tenant, "usage:read", expiresAt=soon.isoformat())
    assert (await key.get("/auth/me")).status_code == 200
    monkeypatch.setattr(authenticator, "wall_now", lambda: soon)
    now = authenticator.time.time()
    monkeypatch.setattr("core.identity.authenticator.time.time", lambda: now + 31)
    answer = await key.get("/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_invalid")


@pytest.mark.parametrize("change", ["cbk_", "cbk_x", "cbk_{prefix}_wrong", "cbk_ffffffffffff_{secret}", "cbk_'--_x"])
async def test_a_wrong_key_is_refused(tenant: Caller, change: str) -> None:
    made = (await tenant.post("/auth/api-keys", {"name": "k", "scopes": ["usage:read"]})).json()
    wrong = change.format(prefix=made["prefix"], secret=made["key"].split("_", 2)[2])
    answer = await Caller(client=tenant.client, token=wrong).get("/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_invalid")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"scopes": "usage:read"}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "a\u0000"}, "name"),
        ({"rateLimit": 0}, "rateLimit"),
        ({"rateLimit": 1.5}, "rateLimit"),
        ({"rateLimit": 10**30}, "rateLimit"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "2030-01-01T00:00:00"}, "expiresAt"),
    ],
)
async def test_bad_input_is_refused(tenant: Caller, change: dict[str, Any], field: str) -> None:
    answer = await tenant.post("/auth/api-keys", {"name": "k", "scopes": ["usage:read"], **change})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["field"] == field


async def test_nobody_gives_a_key_more_than_they_may_do(tenant: Caller) -> None:
    developer = await callers.invite(tenant, "developer")
    assert (await developer.post("/auth/api-keys", {"name": "k", "scopes": ["usage:write"]})).status_code == 201
    for scope in ("purchases:write", "billing:write"):
        answer = await developer.post("/auth/api-keys", {"name": "k", "scopes": [scope]})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    key = await callers.issue_key(tenant, "keys:write", "usage:read", rateLimit=50)
    answer = await key.post("/auth/api-keys", {"name": "k", "scopes": ["usage:write"], "rateLimit": 50})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    answer = await key.post("/auth/api-keys", {"name": "k", "scopes": ["usage:read"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (
        await key.post("/auth/api-keys", {"name": "k", "scopes": ["usage:read"], "rateLimit": 50})
    ).status_code == 201


async def test_another_tenants_key_is_not_there(tenant: Caller, other: Caller) -> None:
    made = (await other.post("/auth/api-keys", {"name": "k", "scopes": ["usage:read"]})).json()
    answer = await tenant.delete(f"/auth/api-keys/{made['apiKeyId']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await tenant.get("/auth/api-keys")).json()["data"] == []


async def test_keys_are_listed_in_pages_newest_first(tenant: Caller) -> None:
    for number in range(5):
        await tenant.post("/auth/api-keys", {"name": f"key {number}", "scopes": ["usage:read"]})
    first = (await tenant.get("/auth/api-keys", limit="2")).json()
    second = (await tenant.get("/auth/api-keys", limit="2", cursor=first["nextCursor"])).json()
    third = (await tenant.get("/auth/api-keys", limit="2", cursor=second["nextCursor"])).json()
    names = [row["name"] for page in (first, second, third) for row in page["data"]]
    assert names == ["key 4", "key 3", "key 2", "key 1", "key 0"]
    assert third["nextCursor"] is None
    for wrong in ({"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"cursor": "x"}):
        answer = await tenant.get("/auth/api-keys", **wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_a_key_says_when_it_was_last_used_to_the_hour(tenant: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (await tenant.post("/auth/api-keys", {"name": "backend", "scopes": ["usage:read"]})).json()
    assert made["lastUsedAt"] is None
    key = Caller(client=tenant.client, token=made["key"])

    async def last_used_after(later: timedelta) -> str | None:
        monkeypatch.setattr(authenticator, "wall_now", lambda: start + later)
        monkeypatch.setattr("core.identity.authenticator.time.time", lambda: (start + later).timestamp())
        assert (await key.get("/auth/me")).status_code == 200
        return (await tenant.get("/auth/api-keys")).json()["data"][0]["lastUsedAt"]

    start = wall_now().replace(microsecond=0)
    assert (await tenant.get("/auth/api-keys")).json()["data"][0]["lastUsedAt"] is None
    first = await last_used_after(timedelta(0))
    assert first == start.isoformat().replace("+00:00", "Z")
    assert await last_used_after(timedelta(minutes=59)) == first
    assert await last_used_after(timedelta(minutes=60)) == (start + timedelta(hours=1)).isoformat().replace(
        "+00:00", "Z"
    )


async def test_a_refused_key_was_not_used(tenant: Caller) -> None:
    made = (await tenant.post("/auth/api-keys", {"name": "backend", "scopes": ["usage:read"]})).json()
    wrong = Caller(client=tenant.client, token=made["key"][:-1] + ("a" if made["key"][-1] != "a" else "b"))
    assert (await wrong.get("/auth/me")).status_code == 401
    assert (await tenant.get("/auth/api-keys")).json()["data"][0]["lastUsedAt"] is None
