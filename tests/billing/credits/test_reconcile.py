"""POST /api/usage/reconcile: what a call costs, once per key, and what happens when there is not enough."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from tests.support.callers import Caller


def call(key: str | None = None, **fields: Any) -> dict[str, Any]:
    """A call to gpt-4o that costs 0.0075."""
    return {
        "model": "gpt-4o",
        "inputTokens": 1000,
        "outputTokens": 500,
        "idempotencyKey": key or uuid4().hex,
        **fields,
    }


async def wallet(caller: Caller, customer: str = "self") -> dict[str, Any]:
    return (await caller.get(f"/billing/wallets/{customer}")).json()


async def test_a_call_is_charged_by_the_price_book(funded_tenant: Caller) -> None:
    answer = await funded_tenant.post("/api/usage/reconcile", call("call-1", userId="user-1"))

    assert answer.status_code == 200, answer.text
    body = answer.json()
    transaction_id, event_id = body.pop("transactionId"), body.pop("usageEventId")
    assert body == {
        "charged": "0.0075",
        "balance": "4.9925",
        "available": "4.9925",
        "currency": "USD",
        "priceBookVersion": 1,
        "receivable": "0",
        "replayed": False,
    }

    posting = (await funded_tenant.get("/api/ledger")).json()["data"][0]
    assert posting["transactionId"] == transaction_id
    assert posting["usageEventId"] == event_id
    assert (posting["kind"], posting["amount"], posting["balanceAfter"]) == ("usage", "-0.0075", "4.9925")

    event = (await funded_tenant.get(f"/api/usage/events/{event_id}")).json()
    assert event["transactionId"] == transaction_id
    assert event["arithmetic"]["lines"] == [
        {"tokens": "input", "count": 1000, "perMillion": "2.50"},
        {"tokens": "output", "count": 500, "perMillion": "10.00"},
    ]
    assert event["arithmetic"]["sum"] == "0.0075"


async def test_the_same_key_charges_nothing_and_gives_the_first_answer(funded_tenant: Caller) -> None:
    first = (await funded_tenant.post("/api/usage/reconcile", call("once"))).json()
    await funded_tenant.post("/api/usage/reconcile", call("another"))

    again = await funded_tenant.post("/api/usage/reconcile", call("once"))

    assert again.status_code == 200
    assert again.json() == {**first, "replayed": True}
    assert (await wallet(funded_tenant))["balance"] == "4.985"


async def test_the_same_key_with_other_input_is_a_conflict(funded_tenant: Caller) -> None:
    await funded_tenant.post("/api/usage/reconcile", call("once"))

    answer = await funded_tenant.post("/api/usage/reconcile", call("once", outputTokens=501, userId="new-one"))

    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_key_reused"
    assert (await wallet(funded_tenant))["balance"] == "4.9925"


async def test_cached_tokens_are_a_part_of_the_input(funded_tenant: Caller) -> None:
    answer = await funded_tenant.post("/api/usage/reconcile", call(cachedTokens=400))

    assert answer.json()["charged"] == "0.007"


async def test_a_charge_of_zero_is_a_transaction_too(tenant: Caller) -> None:
    answer = await tenant.post("/api/usage/reconcile", call(inputTokens=0, outputTokens=0))

    assert answer.status_code == 200, answer.text
    assert answer.json()["charged"] == "0"
    postings = (await tenant.get("/api/ledger")).json()["data"]
    assert [posting["amount"] for posting in postings] == ["0"]


async def test_beyond_the_floor_nothing_is_charged_and_the_call_is_kept(
    tenant: Caller, fund: Callable[..., Awaitable[None]]
) -> None:
    await fund(tenant, 10_000)

    answer = await tenant.post("/api/usage/reconcile", call("big", inputTokens=8000))

    assert answer.status_code == 402
    problem = answer.json()
    assert problem["code"] == "insufficient_credits"
    assert {name: problem[name] for name in ("balance", "available", "required", "shortfall", "currency")} == {
        "balance": "0.01",
        "available": "0.01",
        "required": "0.025",
        "shortfall": "0.015",
        "currency": "USD",
    }
    again = await tenant.post("/api/usage/reconcile", call("big", inputTokens=8000))
    assert again.status_code == 402
    refused = (await tenant.get("/api/usage/events", outcome="refused")).json()["data"]
    assert [(event["idempotencyKey"], event["charged"]) for event in refused] == [("big", "0.025")]
    # A smaller one still fits.
    assert (await tenant.post("/api/usage/reconcile", call("small"))).status_code == 200


async def test_a_refused_call_is_settled_by_sending_it_again(
    tenant: Caller, fund: Callable[..., Awaitable[None]]
) -> None:
    refused = await tenant.post("/api/usage/reconcile", call("later"))
    assert refused.status_code == 402
    await fund(tenant, 1_000_000)

    answer = await tenant.post("/api/usage/reconcile", call("later"))

    assert answer.status_code == 200
    assert answer.json()["balance"] == "0.9925"
    assert answer.json()["replayed"] is False
    events = (await tenant.get("/api/usage/events")).json()["data"]
    settled, kept = events
    assert (settled["outcome"], kept["outcome"]) == ("settled", "refused")
    assert kept["supersededBy"] == settled["usageEventId"] == answer.json()["usageEventId"]
    assert settled["occurredAt"] == kept["occurredAt"]
    assert (await tenant.get("/api/usage/events", outcome="refused")).json()["data"] == []


async def test_a_tenant_may_choose_to_owe(tenant: Caller, fund: Callable[..., Awaitable[None]]) -> None:
    await fund(tenant, 5_000)
    assert (await tenant.patch("/billing/settings", {"chargePolicy": "receivable"})).status_code == 200

    answer = (await tenant.post("/api/usage/reconcile", call())).json()

    assert (answer["charged"], answer["balance"], answer["receivable"]) == ("0.0075", "0", "0.0025")
    assert (await wallet(tenant))["receivable"] == "0.0025"
    await fund(tenant, 10_000)
    after = await wallet(tenant)
    assert (after["balance"], after["receivable"]) == ("0.0075", "0")
    postings = (await tenant.get("/api/ledger")).json()["data"]
    assert [(posting["kind"], posting["amount"], posting["balanceAfter"]) for posting in postings] == [
        ("receivable_payment", "-0.0025", "0.0075"),
        ("grant", "0.01", "0.01"),
        ("usage", "-0.005", "0"),
        ("grant", "0.005", "0.005"),
    ]


async def test_a_customer_with_a_wallet_of_its_own_pays_from_it(
    funded_tenant: Caller, fund_customer: Callable[..., Awaitable[str]]
) -> None:
    shared = (await funded_tenant.post("/api/usage/reconcile", call(userId="rich"))).json()
    assert shared["balance"] == "4.9925"
    customer_id = await fund_customer(funded_tenant, "rich", 1_000_000)

    own = (await funded_tenant.post("/api/usage/reconcile", call(userId="rich"))).json()

    assert own["balance"] == "0.9925"
    by_id = (await funded_tenant.post("/api/usage/reconcile", call(customerId=customer_id))).json()
    assert by_id["balance"] == "0.985"
    assert (await wallet(funded_tenant))["balance"] == "4.9925"
    listed = (await funded_tenant.get("/api/ledger", customerId=customer_id)).json()["data"]
    assert [posting["amount"] for posting in listed] == ["-0.0075", "-0.0075", "1"]


async def test_bad_calls_change_nothing(funded_tenant: Caller) -> None:
    bad: list[tuple[dict[str, Any], int, str]] = [
        (call(model="gpt-99", userId="nobody"), 422, "unknown_model"),
        (call(inputTokens=-1), 422, "invalid_input"),
        (call(inputTokens=1_000_000_001), 422, "invalid_input"),
        (call(inputTokens=1.0), 422, "invalid_input"),
        (call(inputTokens=True), 422, "invalid_input"),
        (call(inputTokens="1000"), 422, "invalid_input"),
        (call(inputTokens=None), 422, "invalid_input"),
        (call(cachedTokens=1001), 422, "invalid_input"),
        (call("a\x00b"), 422, "invalid_input"),
        (call("k" * 201), 422, "invalid_input"),
        (call(""), 200, ""),
        (call(userId="a", customerId=str(uuid4())), 422, "invalid_input"),
        (call(customerId=str(uuid4())), 404, "customer_not_found"),
        (call(holdId=str(uuid4())), 404, "hold_not_found"),
        (call(holdId="hold"), 422, "invalid_input"),
        (call(occurredAt="2020-01-01T00:00:00Z", userId="nobody"), 422, "invalid_input"),
        (call(occurredAt="2999-01-01T00:00:00Z"), 422, "invalid_input"),
        (call(occurredAt="2026-01-01T00:00:00"), 422, "invalid_input"),
        (call(occurredAt=1_790_000_000), 422, "invalid_input"),
        (call(occurredAt="1790000000"), 422, "invalid_input"),
        (call(occurredAt="0001-01-01T00:00:00+14:00"), 422, "invalid_input"),
        (call(surprise=1), 422, "invalid_input"),
        (call(partial="yes"), 422, "invalid_input"),
    ]
    for body, status, code in bad:
        if not code:
            continue
        answer = await funded_tenant.post("/api/usage/reconcile", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    answer = await funded_tenant.post("/api/usage/reconcile", call(model="gpt-99"))
    assert answer.json()["priceBookVersion"] == 1
    assert "price book" in answer.json()["detail"]

    assert (await wallet(funded_tenant))["balance"] == "5"
    assert (await funded_tenant.get("/api/usage/events")).json()["data"] == []
    assert len((await funded_tenant.get("/billing/wallets")).json()["data"]) == 1


async def test_a_call_may_be_reported_late_and_is_booked_now(funded_tenant: Caller) -> None:
    from datetime import UTC, datetime, timedelta

    yesterday = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0)

    answer = await funded_tenant.post("/api/usage/reconcile", call(occurredAt=yesterday.isoformat(), partial=True))

    assert answer.status_code == 200, answer.text
    event = (await funded_tenant.get(f"/api/usage/events/{answer.json()['usageEventId']}")).json()
    assert event["occurredAt"] == yesterday.isoformat().replace("+00:00", "Z")
    assert event["arithmetic"]["partial"] is True
    posting = (await funded_tenant.get("/api/ledger")).json()["data"][0]
    assert posting["occurredAt"] > event["occurredAt"]
