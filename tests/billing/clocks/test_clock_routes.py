"""The test clock over HTTP, and the chain's status."""

from collections.abc import Awaitable, Callable

from core.billing.ledger.heads import Heads
from core.billing.ledger.sealing import seal_all
from core.billing.ledger.signing import load_signing_keys
from core.foundation.runtime import Runtime
from tests.support.callers import Caller

Fund = Callable[..., Awaitable[None]]


async def test_a_hold_expires_when_the_clock_passes_it(sign_up: Callable[..., Awaitable[Caller]], fund: Fund) -> None:
    tenant = await sign_up("acme", testClock="2026-01-01T00:00:00Z")
    await fund(tenant, 5_000_000)
    assert (await tenant.get("/billing/test-clock")).json() == {"now": "2026-01-01T00:00:00Z", "isTest": True}
    held = await tenant.post("/api/usage/holds", {"amount": "2", "ttlSeconds": 60, "idempotencyKey": "h"})
    assert held.json()["available"] == "3"
    moved = await tenant.post("/billing/test-clock", {"now": "2026-01-01T01:00:00+01:00"})
    assert (moved.json()["now"], moved.json()["drained"]["holdsExpired"]) == ("2026-01-01T00:00:00Z", 0)
    moved = await tenant.post("/billing/test-clock", {"now": "2026-01-01T00:01:00Z"})
    assert (moved.json()["now"], moved.json()["drained"]["holdsExpired"]) == ("2026-01-01T00:01:00Z", 1)
    assert (await tenant.get("/billing/wallets/self")).json()["available"] == "5"


async def test_what_the_clock_refuses(tenant: Caller, sign_up: Callable[..., Awaitable[Caller]]) -> None:
    assert (await tenant.get("/billing/test-clock")).json()["isTest"] is False
    refused = await tenant.post("/billing/test-clock", {"now": "2030-01-01T00:00:00Z"})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_test_tenant")
    test = await sign_up("test", testClock="2026-01-01T00:00:00Z")
    refused = await test.post("/billing/test-clock", {"now": "2025-12-31T23:59:59Z"})
    assert (refused.status_code, refused.json()["code"]) == (409, "test_clock_backwards")
    for now in (
        "2028-01-03T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-10:00",
        "2026-02-30T00:00:00Z",
        "2026-01-02T00:00:00",
        "tomorrow",
        "0001-01-01T00:00:00+14:00",
        1,
        None,
    ):
        answer = await test.post("/billing/test-clock", {"now": now})
        assert (answer.status_code, now) == (422, now)
    assert (await test.get("/billing/test-clock")).json()["now"] == "2026-01-01T00:00:00Z"


async def test_the_chain_is_shown(tenant: Caller, fund: Fund, runtime: Runtime) -> None:
    empty = {"blocks": 0, "lastBlockHash": None, "sealedAt": None, "unsealed": 0}
    assert (await tenant.get("/api/ledger/verification")).json() == empty
    await fund(tenant, 5_000_000)
    assert (await tenant.get("/api/ledger/verification")).json() == {**empty, "unsealed": 1}
    heads = Heads(runtime.settings.heads_path, load_signing_keys(runtime.settings))
    await seal_all(runtime.database, heads)
    shown = (await tenant.get("/api/ledger/verification")).json()
    assert (shown["blocks"], shown["unsealed"], len(shown["lastBlockHash"])) == (1, 0, 64)
