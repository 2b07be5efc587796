"""Credits with terms: granted, used in order, expired to the ledger on the tenant's clock, rolled over."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from core.foundation.runtime import Runtime
from tests.support.callers import Caller

CALL = {"model": "gpt-4o", "inputTokens": 0, "outputTokens": 100_000}  # costs 1.00


@pytest.fixture
async def test_tenant(sign_up: Callable[..., Awaitable[Caller]]) -> Caller:
    """A tenant with a clock of its own."""
    return await sign_up("lots", testClock="2026-05-01T00:00:00Z")


async def grant(caller: Caller, amount: str, *, key: str | None = None, **terms: Any) -> dict[str, Any]:
    answer = await caller.post("/billing/credits/grants", {"amount": amount, **terms}, key=key)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def spend(caller: Caller, key: str, dollars: int = 1) -> None:
    body = {**CALL, "outputTokens": 100_000 * dollars, "idempotencyKey": key}
    answer = await caller.post("/api/usage/reconcile", body)
    assert answer.status_code == 200, answer.text


async def book(caller: Caller) -> dict[str, Any]:
    wallet = (await caller.get("/billing/wallets/self")).json()
    found = (await caller.get(f"/billing/credits/{wallet['customerId']}")).json()
    assert found["balance"] == wallet["balance"]
    return found


def left(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(lot["label"], lot["remaining"]) for lot in found["data"]]


async def move(caller: Caller, now: str) -> dict[str, Any]:
    answer = await caller.post("/billing/test-clock", {"now": now})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_charge_uses_what_ends_first_and_the_rest_ends_at_its_instant(test_tenant: Caller) -> None:
    await grant(test_tenant, "10", label="forever")
    await grant(test_tenant, "5", label="june", expiresAt="2026-07-01T00:00:00Z")
    await grant(test_tenant, "3", label="may", expiresAt="2026-06-01T00:00:00Z", priority=60)
    await spend(test_tenant, "a", 2)
    assert left(await book(test_tenant)) == [("june", "3"), ("forever", "10"), ("may", "3")]
    moved = await move(test_tenant, "2026-06-01T00:00:00Z")
    assert moved["drained"]["creditsExpired"] == 1
    assert left(await book(test_tenant)) == [("june", "3"), ("forever", "10")]
    await move(test_tenant, "2026-07-02T00:00:00Z")
    found = await book(test_tenant)
    assert (left(found), found["balance"], found["granted"], found["paid"]) == ([("forever", "10")], "10", "10", "0")
    ledger = (await test_tenant.get("/api/ledger")).json()["data"]
    assert [(row["kind"], row["amount"]) for row in ledger][:3] == [("expiry", "-3"), ("expiry", "-3"), ("usage", "-2")]
    assert {(lot["label"], lot["status"]) for lot in found["closed"]} == {("june", "expired"), ("may", "expired")}


async def test_what_a_hold_keeps_ends_with_the_hold(test_tenant: Caller) -> None:
    await grant(test_tenant, "5", label="june", expiresAt="2026-07-01T00:00:00Z")
    now = (await test_tenant.get("/billing/test-clock")).json()["now"]
    await move(test_tenant, "2026-06-30T23:30:00Z")
    assert now < "2026-06-30T23:30:00Z"
    hold = await test_tenant.post("/api/usage/holds", {"amount": "2", "idempotencyKey": "hold", "ttlSeconds": 3600})
    assert hold.status_code in (200, 201), hold.text
    await move(test_tenant, "2026-07-01T00:00:00Z")
    assert left(await book(test_tenant)) == [("june", "2")]
    await move(test_tenant, "2026-07-01T00:31:00Z")
    assert (await book(test_tenant))["balance"] == "0"


async def test_what_rolls_over_goes_on_once_and_the_balance_does_not_move_by_it(test_tenant: Caller) -> None:
    await grant(test_tenant, "10", label="plan", expiresAt="2026-06-01T00:00:00Z", rollover="4", rolloverDays=30)
    await move(test_tenant, "2026-06-01T00:00:00Z")
    found = await book(test_tenant)
    assert (left(found), found["balance"]) == ([("plan", "4")], "4")
    assert found["data"][0]["expiresAt"] == "2026-07-01T00:00:00Z"
    await move(test_tenant, "2026-07-01T00:00:00Z")
    assert (await book(test_tenant))["balance"] == "0"


async def test_what_a_hold_kept_at_the_end_rolls_over_as_far_as_the_rest_did_not(test_tenant: Caller) -> None:
    await grant(test_tenant, "10", label="plan", expiresAt="2026-07-01T00:00:00Z", rollover="4", rolloverDays=30)
    await move(test_tenant, "2026-06-30T23:30:00Z")
    hold = await test_tenant.post("/api/usage/holds", {"amount": "8", "idempotencyKey": "hold", "ttlSeconds": 3600})
    assert hold.status_code in (200, 201), hold.text
    await move(test_tenant, "2026-07-01T00:00:00Z")
    assert sorted(left(await book(test_tenant))) == [("plan", "2"), ("plan", "8")]
    await move(test_tenant, "2026-07-01T00:31:00Z")
    found = await book(test_tenant)
    assert (sorted(left(found)), found["balance"]) == ([("plan", "2"), ("plan", "2")], "4")
    await move(test_tenant, "2026-08-01T00:00:00Z")
    assert (await book(test_tenant))["balance"] == "0"


async def test_the_same_key_grants_once_for_ever_also_when_asked_at_once(test_tenant: Caller) -> None:
    made = await asyncio.gather(*(grant(test_tenant, "5", key="once", label="gift") for _ in range(5)))
    assert len({lot["creditLotId"] for lot in made}) == 1
    assert (await book(test_tenant))["balance"] == "5"
    other = await test_tenant.post("/billing/credits/grants", {"amount": "6", "label": "gift"}, key="once")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_bad_grants_are_named_and_nothing_is_written(test_tenant: Caller) -> None:
    for body, field in (
        ({"amount": "0"}, "amount"),
        ({"amount": "5", "expiresAt": "2000-01-01T00:00:00Z"}, "expiresAt"),
        ({"amount": "5", "rollover": "1"}, "rollover"),
        ({"amount": "5", "priority": 101}, "priority"),
        ({"amount": "-5"}, "amount"),
    ):
        answer = await test_tenant.post("/billing/credits/grants", body)
        assert answer.status_code == 422, answer.text
        assert field in answer.text
    wallet = (await test_tenant.get("/billing/wallets/self")).json()
    assert wallet["balance"] == "0"


async def test_concurrent_charges_and_expiry_leave_the_lots_equal_to_the_ledger(
    test_tenant: Caller, runtime: Runtime
) -> None:
    for number in range(5):
        await grant(test_tenant, "10", label=f"lot-{number}", expiresAt=f"2026-07-0{number + 1}T00:00:00Z")
    spending = [spend(test_tenant, f"charge-{number}") for number in range(20)]
    await asyncio.gather(*spending, move(test_tenant, "2026-07-02T12:00:00Z"))
    found = await book(test_tenant)
    await move(test_tenant, "2026-08-01T00:00:00Z")
    assert (await book(test_tenant))["balance"] == "0"
    async with runtime.database.reading() as session:
        taken, uses = (
            await session.execute(
                text(
                    "SELECT (SELECT -sum(amount_micro) FROM ledger_entries e JOIN accounts a ON a.tenant_id = "
                    "e.tenant_id AND a.id = e.account_id AND a.kind = 'wallet' WHERE amount_micro < 0), "
                    "(SELECT sum(amount_micro) FROM credit_uses)"
                )
            )
        ).one()
    assert taken == uses == 50_000_000
    assert found["owed"] == "0"
