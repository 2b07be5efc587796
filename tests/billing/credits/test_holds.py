"""Holds: reserved before a call, settled to the actual, released or expired otherwise; none is ever lost."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.support.callers import Caller

START = "2026-03-01T00:00:00Z"


def hold(amount: str | None = "1", **fields: Any) -> dict[str, Any]:
    return {**({"amount": amount} if amount else {}), "idempotencyKey": uuid4().hex, **fields}


def call(**fields: Any) -> dict[str, Any]:
    """A call to gpt-4o that costs 0.0075 times `thousands`."""
    thousands = fields.pop("thousands", 1)
    return {
        "model": "gpt-4o",
        "inputTokens": 1000 * thousands,
        "outputTokens": 500 * thousands,
        "idempotencyKey": uuid4().hex,
        **fields,
    }


async def money(caller: Caller) -> tuple[str, str, str, str]:
    """Balance, available, held and what is owed."""
    wallet = (await caller.get("/billing/wallets/self")).json()
    return wallet["balance"], wallet["available"], wallet["held"], wallet["receivable"]


@pytest.fixture
async def clocked(sign_up: Callable[..., Awaitable[Caller]], fund: Callable[..., Awaitable[None]]) -> Caller:
    """A test tenant with credits for 5.00 and a clock of its own."""
    tenant = await sign_up("clocked", testClock=START)
    await fund(tenant, 5_000_000)
    return tenant


async def test_a_hold_keeps_credits_back(funded_tenant: Caller) -> None:
    answer = await funded_tenant.post("/api/usage/holds", hold("0.05", userId="user-1"))

    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["amount"], body["status"], body["balance"], body["available"], body["replayed"]) == (
        "0.05",
        "open",
        "5",
        "4.95",
        False,
    )
    assert await money(funded_tenant) == ("5", "4.95", "0.05", "0")
    listed = (await funded_tenant.get("/api/usage/holds", status="open")).json()["data"]
    assert [entry["holdId"] for entry in listed] == [body["holdId"]]


async def test_a_hold_may_be_given_by_model_and_tokens(funded_tenant: Caller) -> None:
    by_model = {"model": "gpt-4o", "inputTokens": 1000, "maxOutputTokens": 4000}

    answer = await funded_tenant.post("/api/usage/holds", hold(None, **by_model))

    assert answer.json()["amount"] == "0.0425"


async def test_a_hold_beyond_what_is_available_is_refused(funded_tenant: Caller) -> None:
    await funded_tenant.post("/api/usage/holds", hold("4"))

    answer = await funded_tenant.post("/api/usage/holds", hold("1.5", userId="never-seen"))

    assert answer.status_code == 402
    problem = answer.json()
    assert (problem["code"], problem["balance"], problem["available"], problem["required"], problem["shortfall"]) == (
        "insufficient_credits",
        "5",
        "1",
        "1.5",
        "0.5",
    )
    assert await money(funded_tenant) == ("5", "1", "4", "0")


async def test_the_same_key_makes_one_hold(funded_tenant: Caller) -> None:
    body = hold("1")
    first = (await funded_tenant.post("/api/usage/holds", body)).json()
    await funded_tenant.post("/api/usage/holds", hold("1"))

    again = await funded_tenant.post("/api/usage/holds", body)
    other = await funded_tenant.post("/api/usage/holds", {**body, "amount": "2"})

    assert again.status_code == 201
    assert again.json() == {**first, "replayed": True}
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert await money(funded_tenant) == ("5", "3", "2", "0")


async def test_a_hold_is_settled_to_the_actual_and_the_rest_is_free(funded_tenant: Caller) -> None:
    hold_id = (await funded_tenant.post("/api/usage/holds", hold("1"))).json()["holdId"]

    settled = await funded_tenant.post("/api/usage/reconcile", call(holdId=hold_id))

    assert settled.status_code == 200, settled.text
    assert settled.json()["available"] == "4.9925"
    assert await money(funded_tenant) == ("4.9925", "4.9925", "0", "0")
    shown = (await funded_tenant.get(f"/api/usage/holds/{hold_id}")).json()
    assert (shown["status"], shown["transactionId"]) == ("settled", settled.json()["transactionId"])


async def test_a_hold_is_settled_once(funded_tenant: Caller) -> None:
    hold_id = (await funded_tenant.post("/api/usage/holds", hold("1"))).json()["holdId"]
    body = call(holdId=hold_id)
    first = (await funded_tenant.post("/api/usage/reconcile", body)).json()

    replay = await funded_tenant.post("/api/usage/reconcile", body)
    other = await funded_tenant.post("/api/usage/reconcile", call(holdId=hold_id))

    assert replay.json() == {**first, "replayed": True}
    assert (other.status_code, other.json()["code"]) == (409, "hold_not_open")
    assert (await funded_tenant.delete(f"/api/usage/holds/{hold_id}")).json()["code"] == "hold_not_open"


async def test_settling_above_the_hold_takes_the_rest_from_the_wallet(funded_tenant: Caller) -> None:
    hold_id = (await funded_tenant.post("/api/usage/holds", hold("0.005"))).json()["holdId"]

    answer = (await funded_tenant.post("/api/usage/reconcile", call(holdId=hold_id))).json()

    assert (answer["charged"], answer["receivable"]) == ("0.0075", "0")
    assert await money(funded_tenant) == ("4.9925", "4.9925", "0", "0")


async def test_what_neither_hold_nor_wallet_covers_is_owed(
    tenant: Caller, fund: Callable[..., Awaitable[None]]
) -> None:
    await fund(tenant, 10_000)
    hold_id = (await tenant.post("/api/usage/holds", hold("0.004"))).json()["holdId"]
    await tenant.post("/api/usage/holds", hold("0.004"))

    answer = (await tenant.post("/api/usage/reconcile", call(holdId=hold_id))).json()

    # 0.004 of the hold and 0.002 that was free; the other hold is untouched.
    assert (answer["charged"], answer["receivable"], answer["balance"]) == ("0.0075", "0.0015", "0.004")
    assert await money(tenant) == ("0.004", "0", "0.004", "0.0015")


async def test_a_released_hold_frees_its_credits_and_still_takes_what_was_delivered(
    tenant: Caller, fund: Callable[..., Awaitable[None]]
) -> None:
    await fund(tenant, 5_000)
    hold_id = (await tenant.post("/api/usage/holds", hold("0.005"))).json()["holdId"]

    released = await tenant.delete(f"/api/usage/holds/{hold_id}")

    assert (released.status_code, released.json()["status"]) == (200, "released")
    assert (await tenant.delete(f"/api/usage/holds/{hold_id}")).json()["status"] == "released"
    assert await money(tenant) == ("0.005", "0.005", "0", "0")
    late = (await tenant.post("/api/usage/reconcile", call(holdId=hold_id))).json()
    assert (late["charged"], late["receivable"]) == ("0.0075", "0.0025")


async def test_an_expired_hold_counts_as_released_at_once(clocked: Caller) -> None:
    hold_id = (await clocked.post("/api/usage/holds", hold("5", ttlSeconds=60))).json()["holdId"]
    refused = await clocked.post("/api/usage/reconcile", call())
    assert refused.status_code == 402

    moved = await clocked.post("/billing/test-clock", {"now": "2026-03-01T00:01:00Z"})

    assert moved.json()["drained"]["holdsExpired"] == 1
    assert await money(clocked) == ("5", "5", "0", "0")
    assert (await clocked.get(f"/api/usage/holds/{hold_id}")).json()["status"] == "expired"
    late = (await clocked.post("/api/usage/reconcile", call(holdId=hold_id))).json()
    assert (late["charged"], late["receivable"], late["balance"]) == ("0.0075", "0", "4.9925")


async def test_holds_whose_time_is_over_are_freed_before_the_worker_comes(
    clocked: Caller, move_clock_only: Callable[..., Awaitable[None]]
) -> None:
    await clocked.post("/api/usage/holds", hold("2", ttlSeconds=60))
    await clocked.post("/api/usage/holds", hold("3", ttlSeconds=60))
    await move_clock_only(clocked, "2026-03-01T00:01:00Z")

    assert await money(clocked) == ("5", "5", "0", "0")
    assert {entry["status"] for entry in (await clocked.get("/api/usage/holds")).json()["data"]} == {"expired"}
    assert (await clocked.get("/api/usage/holds", status="open")).json()["data"] == []
    charged = await clocked.post("/api/usage/reconcile", call())
    assert charged.json()["available"] == "4.9925"
    assert (await clocked.post("/api/usage/holds", hold("4.9925"))).status_code == 201


async def test_a_hold_of_another_customer_is_refused(funded_tenant: Caller) -> None:
    hold_id = (await funded_tenant.post("/api/usage/holds", hold("1", userId="ann"))).json()["holdId"]

    answer = await funded_tenant.post("/api/usage/reconcile", call(holdId=hold_id, userId="bob"))

    assert (answer.status_code, answer.json()["code"]) == (422, "hold_of_another_customer")
    settled = await funded_tenant.post("/api/usage/reconcile", call(holdId=hold_id, userId="ann"))
    assert settled.status_code == 200
    # Left out, the customer is the hold's.
    second = (await funded_tenant.post("/api/usage/holds", hold("1", userId="ann"))).json()["holdId"]
    event_id = (await funded_tenant.post("/api/usage/reconcile", call(holdId=second))).json()["usageEventId"]
    events = (await funded_tenant.get("/api/usage/events")).json()["data"]
    assert events[0]["usageEventId"] == event_id
    assert events[0]["customerId"] == events[1]["customerId"]


async def test_bad_holds_change_nothing(funded_tenant: Caller) -> None:
    by_model = {"model": "gpt-4o", "inputTokens": 1, "maxOutputTokens": 1}
    bad: list[tuple[dict[str, Any], int, str]] = [
        (hold("0"), 422, "amount_invalid"),
        (hold("-1"), 422, "amount_invalid"),
        (hold("0.0000001"), 422, "amount_invalid"),
        (hold("1e3"), 422, "amount_invalid"),
        (hold("NaN"), 422, "amount_invalid"),
        (hold("1000000001"), 422, "amount_invalid"),
        (hold(None), 422, "invalid_input"),
        (hold("1", **by_model), 422, "invalid_input"),
        (hold(None, model="gpt-4o"), 422, "invalid_input"),
        (hold(None, **{**by_model, "model": "gpt-99"}), 422, "unknown_model"),
        (hold("1", ttlSeconds=0), 422, "invalid_input"),
        (hold("1", ttlSeconds=86_401), 422, "invalid_input"),
        (hold("1", ttlSeconds=1.5), 422, "invalid_input"),
        (hold("1", customerId=str(uuid4())), 404, "customer_not_found"),
    ]
    for body, status, code in bad:
        answer = await funded_tenant.post("/api/usage/holds", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    assert await money(funded_tenant) == ("5", "5", "0", "0")
    assert (await funded_tenant.get(f"/api/usage/holds/{uuid4()}")).status_code == 404
    assert (await funded_tenant.delete(f"/api/usage/holds/{uuid4()}")).status_code == 404


async def test_an_operator_who_reserves_and_releases_is_audited(
    funded_tenant: Caller, operator: Caller, connect: Callable[..., Awaitable[Any]]
) -> None:
    assert funded_tenant.tenant
    entering = operator.entering(funded_tenant.tenant, reason="Ticket 4711")

    reserved = await entering.post("/api/usage/holds", hold("1"))
    released = await entering.delete(f"/api/usage/holds/{reserved.json()['holdId']}")

    assert (reserved.status_code, released.status_code, released.json()["status"]) == (201, 200, "released")
    admin = await connect("admin")
    rows = await admin.execute("SELECT action, reason FROM audit_log WHERE action = 'tenant.entered'")
    assert await rows.fetchall() == [("tenant.entered", "Ticket 4711")] * 2
