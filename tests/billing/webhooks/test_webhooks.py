"""Stripe's events: verified, stored once, applied once, in whatever order they come."""

import copy
import itertools
import json
import os
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from core.billing.payments.providers.stripe_signature import sign
from core.foundation import job_queue
from core.foundation.ids import new_id
from core.foundation.settings import Settings
from tests.billing.payments.shop import Shop
from tests.support.callers import Caller
from tests.support.environment import STRIPE_WEBHOOK_SECRET

STORY = ("payment_intent.created", "payment_intent.succeeded", "checkout.session.completed", "charge.refunded")
PERMUTATIONS = list(itertools.permutations(range(len(STORY))))
SEED = int(os.environ.get("CLOUDBILL_PROOF_SEED", "3"))
ORDERS = min(len(PERMUTATIONS), int(os.environ.get("CLOUDBILL_PROOF_ORDERS", "3")))
SAMPLE = random.Random(SEED).sample(PERMUTATIONS, ORDERS)


async def paid_and_refunded(shop: Shop, customer: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A purchase paid on the page and half refunded at the dashboard; its four events, none of them told yet."""
    before = {event["id"] for event in shop.events()}
    bought = await shop.buy(customerId=customer)
    session_id = shop.pay_on_page(bought)
    intent_id = shop.client.v1.checkout.sessions.retrieve(session_id).payment_intent
    shop.stripe.control("refunds", payment_intent=intent_id, amount=250)
    told = [event for event in shop.events() if event["id"] not in before]
    found = [
        next(e for e in told if e["type"] == kind and (kind != STORY[0] or e["data"]["object"]["id"] == intent_id))
        for kind in STORY
    ]
    return bought, found


async def statement(shop: Shop, bought: dict[str, Any]) -> list[tuple[str, str, str]]:
    rows = (await shop.tenant.get("/api/ledger", customerId=bought["customerId"])).json()["data"]
    return [(row["kind"], row["amount"], row["balanceAfter"]) for row in reversed(rows)]


@pytest.mark.parametrize("order", SAMPLE, ids=lambda order: "".join(map(str, order)))
async def test_in_every_order_with_duplicates_the_ledger_is_the_same(shop: Shop, order: tuple[int, ...]) -> None:
    bought, events = await paid_and_refunded(shop, "cus-1")
    luck = random.Random(f"{SEED}{order}")
    await shop.tell([event for index in order for event in [events[index]] * luck.choice((1, 2))])
    await shop.tell(luck.sample(events, 2))

    assert await statement(shop, bought) == [("purchase", "5", "5"), ("refund", "-2.5", "2.5")]
    seen = await shop.look(bought)
    assert (seen["status"], seen["paidBy"], seen["refundedMinor"]) == ("paid", "checkout", 250)


async def test_all_at_once_and_by_many_hands_the_ledger_is_the_same(shop: Shop) -> None:
    stories = [await paid_and_refunded(shop, f"cus-{number}") for number in range(3)]
    deliveries = [event for _, events in stories for event in events * 2]
    random.Random(SEED).shuffle(deliveries)
    for event in deliveries:
        assert (await shop.post(json.dumps(event).encode())).status_code == 200
    await shop.work(concurrency=6)

    for bought, _ in stories:
        assert sorted(await statement(shop, bought))[0][0] == "purchase"
        assert await statement(shop, bought) == [("purchase", "5", "5"), ("refund", "-2.5", "2.5")]
    assert await states(shop) == {"applied": 9, "ignored": 3}


async def states(shop: Shop) -> dict[str, int]:
    async with shop.runtime.database.reading() as session:
        from sqlalchemy import text

        rows = await session.execute(text("SELECT state, count(*) FROM provider_events GROUP BY state"))
        return {state: count for state, count in rows}


@pytest.fixture
async def told(shop: Shop) -> tuple[dict[str, Any], bytes]:
    """A purchase that is paid, and the body that says so."""
    bought = await shop.buy()
    shop.pay(bought)
    (event,) = shop.events("payment_intent.succeeded")
    return bought, json.dumps(event).encode()


async def test_what_stripe_did_not_sign_is_refused_and_not_stored(shop: Shop, told: tuple[Any, bytes]) -> None:
    _, body = told
    now = datetime.now(UTC)
    path, client = "/webhooks/stripe", shop.tenant.client

    async def refused(body: bytes, header: str | None) -> None:
        headers = {"Stripe-Signature": header} if header is not None else {}
        answer = await client.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature")

    await refused(body, None)
    await refused(body, "")
    await refused(body, "t=1,v1=00")
    await refused(body, "nonsense")
    await refused(body, sign(body, secret="whsec_other", at=now))
    await refused(body + b" ", sign(body, secret=STRIPE_WEBHOOK_SECRET, at=now))
    await refused(body, sign(body, secret=STRIPE_WEBHOOK_SECRET, at=now - timedelta(seconds=301)))
    old = sign(body, secret=STRIPE_WEBHOOK_SECRET, at=now - timedelta(seconds=301))
    await refused(body, old.replace(old.split(",")[0], f"t={int(now.timestamp())}"))
    assert await states(shop) == {}
    assert (await shop.post(body, at=now - timedelta(seconds=290))).status_code == 200


async def test_a_signed_body_that_is_no_event_is_refused(shop: Shop) -> None:
    for body in (
        b"",
        b"[]",
        b"nonsense",
        b'{"id": 1}',
        b'{"id": "evt_1", "type": "x"}',
        b'"text"',
        b"null",
        b"\xff\xfe",
    ):
        answer = await shop.post(body)
        assert (answer.status_code, answer.json()["code"]) == (422, "malformed_provider_event"), body
    assert await states(shop) == {}


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(shop: Shop) -> None:
    answer = await shop.post(b"{" + b" " * 10_000_000 + b"}")
    assert answer.status_code == 413


async def test_an_event_of_the_other_mode_is_refused(shop: Shop, told: tuple[Any, bytes]) -> None:
    event = json.loads(told[1])
    answer = await shop.post(json.dumps({**event, "livemode": True}).encode())
    assert (answer.status_code, answer.json()["code"]) == (400, "livemode_mismatch")
    assert await states(shop) == {}


async def test_an_event_is_stored_once_and_applied_once(shop: Shop, told: tuple[Any, bytes]) -> None:
    bought, body = told
    for _ in range(5):
        assert (await shop.post(body)).json() == {"received": True}
    async with shop.runtime.database.reading() as session:
        jobs, _ = await job_queue.list_jobs(session, state=None, before=None, limit=50)
    assert [job.task for job in jobs if job.task.startswith("webhooks:")] == ["webhooks:apply"]
    assert (await shop.look(bought))["status"] == "pending"

    before = REGISTRY.get_sample_value("cloudbill_webhook_events_total", {"state": "applied"}) or 0
    await shop.work()
    assert (await shop.look(bought))["status"] == "paid"
    assert REGISTRY.get_sample_value("cloudbill_webhook_events_total", {"state": "applied"}) == before + 1


async def test_a_job_that_runs_twice_applies_an_event_once(shop: Shop, told: tuple[Any, bytes]) -> None:
    from core.foundation.jobs import defer

    await shop.post(told[1])
    async with shop.runtime.database.reading() as session:
        jobs, _ = await job_queue.list_jobs(session, state=None, before=None, limit=50)
    (job,) = [job for job in jobs if job.task == "webhooks:apply"]
    async with shop.runtime.database.nobody() as session:
        for _ in range(4):
            await defer(session, "webhooks:apply", **job.arguments)
    await shop.work(concurrency=5)
    assert await shop.ledger() == [("purchase", "5", "5")]


async def test_strangers_and_unknown_events_are_stored_and_ignored(
    shop: Shop, told: tuple[Any, bytes], operator: Caller
) -> None:
    event = json.loads(told[1])
    unknown = {**event, "id": "evt_unknown", "type": "customer.tickled", "data": {"object": {"name": "a\0b \ud83d"}}}
    stranger = copy.deepcopy({**event, "id": "evt_stranger"})
    stranger["data"]["object"]["metadata"] = {}
    stranger["data"]["object"]["id"] = "pi_stranger"
    elsewhere = copy.deepcopy({**event, "id": "evt_elsewhere"})
    elsewhere["data"]["object"]["metadata"]["cloudbill_purchase_id"] = str(uuid4())
    nobody = copy.deepcopy({**event, "id": "evt_nobody"})
    nobody["data"]["object"]["metadata"]["cloudbill_tenant_id"] = str(uuid4())
    body = json.dumps(unknown, ensure_ascii=True).encode()
    assert (await shop.post(body.replace(b"\\ud83d", b""))).status_code == 200
    await shop.tell([stranger, elsewhere, nobody])

    rows = (await operator.get("/payment/webhook-events", state="ignored")).json()["data"]
    assert {row["providerEventId"]: row["reason"] for row in rows} == {
        "evt_unknown": "an event that changes nothing here",
        "evt_stranger": "not about a payment of ours",
        "evt_elsewhere": "not about a purchase of ours",
        "evt_nobody": "not about a purchase of ours",
    }
    assert await shop.ledger() == []


async def test_a_poisoned_event_is_parked_and_holds_up_nobody(
    shop: Shop, told: tuple[Any, bytes], operator: Caller
) -> None:
    bought, body = told
    poisoned = json.loads(body)
    poisoned["id"], poisoned["data"] = "evt_poisoned", {"object": {"id": 7}}
    wrong = json.loads(body)
    wrong["id"], wrong["data"]["object"]["amount_received"] = "evt_wrong", 1
    for event in (poisoned, wrong, json.loads(body)):
        assert (await shop.post(json.dumps(event).encode())).status_code == 200
    await shop.work()

    assert (await shop.look(bought))["status"] == "paid"
    parked = (await operator.get("/payment/webhook-events", state="parked")).json()["data"]
    assert [row["providerEventId"] for row in parked] == ["evt_wrong", "evt_poisoned"]
    assert "500 USD" in parked[0]["reason"]
    assert "malformed_provider_event" in parked[1]["reason"]
    assert (await operator.get("/operations/jobs", state="parked")).json()["data"] == []
    metrics = (await shop.tenant.client.get("/metrics")).text
    assert 'cloudbill_webhook_events_open{state="parked"} 2.0' in metrics

    # Replayed it is tried again; here it stays what it is.
    replayed = await operator.post(f"/payment/webhook-events/{parked[1]['eventId']}/replay")
    assert (replayed.status_code, replayed.json()["status"]) == (200, "received")
    await shop.work()
    assert await states(shop) == {"applied": 1, "parked": 2}


async def test_only_what_was_not_applied_can_be_replayed(
    shop: Shop, told: tuple[Any, bytes], operator: Caller, make_operator: Callable[..., Awaitable[Caller]]
) -> None:
    await shop.post(told[1])
    await shop.work()
    (row,) = (await operator.get("/payment/webhook-events")).json()["data"]
    assert (row["status"], row["tenantId"], row["type"]) == ("applied", "acme", "payment_intent.succeeded")
    path = f"/payment/webhook-events/{row['eventId']}/replay"
    refused = await operator.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_event_not_replayable")
    missing = await operator.post(f"/payment/webhook-events/{new_id()}/replay")
    assert (missing.status_code, missing.json()["code"]) == (404, "webhook_event_not_found")
    assert (await (await make_operator("finance")).post(path)).status_code == 403
    assert (await shop.tenant.get("/payment/webhook-events")).status_code == 403


async def test_the_database_closes_an_event_once(shop: Shop, told: tuple[Any, bytes], connect: Any) -> None:
    import psycopg

    await shop.post(told[1])
    await shop.work()
    app = await connect("app")
    row = await (await connect("admin")).execute("SELECT id FROM provider_events")
    (event_id,) = await row.fetchone()
    with pytest.raises(psycopg.errors.RestrictViolation):
        await app.execute("SELECT close_provider_event(%s, 'applied', NULL, NULL)", [event_id])
    await app.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await app.execute("UPDATE provider_events SET state = 'received'")
    await app.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await app.execute("SELECT * FROM provider_events")


class TestRotation:
    @pytest.fixture
    def settings(self, make_settings: Callable[..., Settings], own_stripe: Any) -> Settings:
        return make_settings(stripe_api_base=own_stripe.url, stripe_webhook_secret="whsec_new, whsec_old")

    async def test_while_the_secret_is_rolled_both_hold(self, shop: Shop) -> None:
        bought = await shop.buy()
        shop.pay(bought)
        events = [json.dumps(event).encode() for event in shop.events()]
        assert (await shop.post(events[0], secret="whsec_old")).status_code == 200
        assert (await shop.post(events[1], secret="whsec_new")).status_code == 200
        assert (await shop.post(events[2])).status_code == 400
