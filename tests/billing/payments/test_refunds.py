"""Money that goes back: asked for by the tenant, seen at the provider, or taken by the bank."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.foundation import job_queue
from core.foundation.jobs import defer
from tests.billing.payments.shop import Shop


@pytest.fixture
async def paid(shop: Shop) -> dict[str, Any]:
    """A purchase of 5.00 that is paid."""
    bought = await shop.buy()
    shop.pay(bought)
    await shop.tell(shop.events("payment_intent.succeeded"))
    return bought


async def ask_refund(shop: Shop, bought: dict[str, Any], *, key: str | None = None, **body: Any) -> Any:
    return await shop.tenant.post(f"/api/purchases/{bought['purchaseId']}/refunds", body, key=key)


async def test_a_refund_takes_the_credits_at_once_and_counts_once(shop: Shop, paid: dict[str, Any]) -> None:
    asked = await ask_refund(shop, paid, amountMinor=200, reason="too many", key="r1")
    assert asked.status_code == 201, asked.text
    body = asked.json()
    assert (body["status"], body["amountMinor"], body["credits"], body["replayed"]) == ("pending", 200, "2", False)
    assert await shop.wallet() == ("3", "3", "0")

    await shop.work()
    await shop.tell(shop.events())
    await shop.tell(shop.events())

    seen = await shop.look(paid)
    assert (seen["status"], seen["refundedMinor"]) == ("paid", 200)
    assert [(refund["status"], refund["origin"]) for refund in seen["refunds"]] == [("succeeded", "requested")]
    assert await shop.ledger() == [("purchase", "5", "5"), ("refund", "-2", "3")]
    again = await ask_refund(shop, paid, amountMinor=200, reason="too many", key="r1")
    assert again.json() == {**body, "replayed": True}
    other = await ask_refund(shop, paid, amountMinor=100, key="r1")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_what_was_paid_and_went_back_is_told_once(shop: Shop, paid: dict[str, Any]) -> None:
    await ask_refund(shop, paid, amountMinor=200)
    await shop.work()
    for _ in range(2):
        await shop.tell(shop.events())

    facts = await shop.stored(
        "SELECT kind, document->>'purchaseId', document->>'amountMinor', document->>'currency' FROM outbox_events "
        "WHERE kind LIKE 'payment.%' ORDER BY recorded_at, id",
    )
    assert facts == [
        ("payment.succeeded", paid["purchaseId"], "500", "USD"),
        ("payment.refunded", paid["purchaseId"], "200", "USD"),
    ]


async def test_all_that_is_left_goes_back_without_an_amount(shop: Shop, paid: dict[str, Any]) -> None:
    await ask_refund(shop, paid, amountMinor=1)
    rest = (await ask_refund(shop, paid)).json()
    assert rest["amountMinor"] == 499
    await shop.work()

    assert (await shop.look(paid))["status"] == "refunded"
    assert await shop.wallet() == ("0", "0", "0")
    nothing = await ask_refund(shop, paid)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "refund_exceeds_payment")
    assert nothing.json()["refundableMinor"] == 0


async def test_only_what_was_paid_and_is_unspent_goes_back(shop: Shop, paid: dict[str, Any]) -> None:
    too_much = await ask_refund(shop, paid, amountMinor=501)
    assert (too_much.status_code, too_much.json()["code"]) == (409, "refund_exceeds_payment")
    await shop.spend(3_000_000)
    refused = await ask_refund(shop, paid, amountMinor=300)
    assert (refused.status_code, refused.json()["code"]) == (409, "refund_exceeds_unspent")
    assert (refused.json()["available"], refused.json()["required"]) == ("2", "3")
    assert (await ask_refund(shop, paid, amountMinor=200)).status_code == 201
    unpaid = await ask_refund(shop, await shop.buy())
    assert (unpaid.status_code, unpaid.json()["code"]) == (409, "purchase_not_paid")
    missing = await shop.tenant.post("/api/purchases/01890000-0000-7000-8000-000000000000/refunds", {})
    assert (missing.status_code, missing.json()["code"]) == (404, "purchase_not_found")


async def test_refunds_that_race_never_give_back_more_than_was_paid(shop: Shop, paid: dict[str, Any]) -> None:
    answers = await asyncio.gather(*(ask_refund(shop, paid, amountMinor=200) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
    await shop.work()
    assert shop.client.v1.payment_intents.retrieve(paid["paymentIntentId"]).amount == 500
    assert sum(refund.amount for refund in shop.client.v1.refunds.list().data) == 400
    assert await shop.wallet() == ("1", "1", "0")


async def test_a_refund_that_the_provider_refuses_gives_the_credits_back(shop: Shop, paid: dict[str, Any]) -> None:
    # Somebody refunded at the dashboard, and we have not heard of it yet.
    shop.stripe.control("refunds", payment_intent=paid["paymentIntentId"], amount=400)
    await ask_refund(shop, paid, amountMinor=300)
    await shop.work()
    failed = (await shop.look(paid))["refunds"][0]
    assert failed["status"] == "failed"
    assert failed["failureCode"]
    assert await shop.wallet() == ("5", "5", "0")

    await shop.tell(shop.events())
    assert await shop.wallet() == ("1", "1", "0")
    assert await shop.ledger() == [
        ("purchase", "5", "5"),
        ("refund", "-3", "2"),
        ("refund_reversal", "3", "5"),
        ("refund", "-4", "1"),
    ]


async def test_a_refund_waits_for_a_provider_that_is_down(shop: Shop, paid: dict[str, Any]) -> None:
    shop.stripe.control("faults", count=20, status=500, executed=False)
    await ask_refund(shop, paid)
    await shop.work()
    async with shop.runtime.database.reading() as session:
        jobs, _ = await job_queue.list_jobs(session, state=None, before=None, limit=50)
    (waiting,) = [job for job in jobs if job.task == "payments:refund"]
    assert (waiting.state, waiting.attempts) == ("queued", 1)
    assert waiting.last_error is not None
    assert waiting.last_error.startswith("provider_unavailable")
    assert (await shop.look(paid))["refunds"][0]["status"] == "pending"


async def test_a_refund_of_the_dashboard_takes_what_is_there_and_the_rest_is_owed(
    shop: Shop, paid: dict[str, Any]
) -> None:
    await shop.spend(3_500_000)
    shop.stripe.control("refunds", payment_intent=paid["paymentIntentId"], amount=400)
    await shop.tell(shop.events())
    await shop.tell(reversed(shop.events()))

    assert await shop.wallet() == ("0", "0", "2.5")
    seen = await shop.look(paid)
    assert [(refund["origin"], refund["credits"]) for refund in seen["refunds"]] == [("reported", "4")]

    # What is owed is paid first by the next credits.
    again = await shop.buy()
    shop.pay(again)
    await shop.tell(shop.events("payment_intent.succeeded"))
    assert await shop.wallet() == ("2.5", "2.5", "0")


async def test_a_dispute_takes_the_credits_and_won_brings_them_back(shop: Shop, paid: dict[str, Any]) -> None:
    await shop.spend(1_000_000)
    dispute = shop.stripe.control("disputes", payment_intent=paid["paymentIntentId"])
    await shop.tell(shop.events("charge.dispute.created"))
    assert await shop.wallet() == ("0", "0", "1")
    assert (await shop.look(paid))["disputes"][0]["status"] == "open"

    shop.stripe.control(f"disputes/{dispute['id']}/close", status="won")
    await shop.tell(shop.events())
    await shop.tell(shop.events())
    assert await shop.wallet() == ("4", "4", "0")
    assert (await shop.look(paid))["disputes"][0]["status"] == "won"
    assert [kind for kind, _, _ in await shop.ledger()].count("dispute_reversal") == 1


async def test_a_lost_dispute_stays_lost_and_its_end_may_be_heard_of_first(shop: Shop, paid: dict[str, Any]) -> None:
    dispute = shop.stripe.control("disputes", payment_intent=paid["paymentIntentId"])
    shop.stripe.control(f"disputes/{dispute['id']}/close", status="lost")
    await shop.tell(shop.events("charge.dispute.closed"))
    await shop.tell(shop.events("charge.dispute.created"))
    assert await shop.ledger() == [("purchase", "5", "5"), ("dispute", "-5", "0")]
    assert (await shop.look(paid))["disputes"][0]["status"] == "lost"


async def test_an_inquiry_of_the_bank_moves_nothing(shop: Shop, paid: dict[str, Any]) -> None:
    shop.stripe.control("disputes", payment_intent=paid["paymentIntentId"], inquiry=True)
    await shop.tell(shop.events())
    assert await shop.ledger() == [("purchase", "5", "5")]


async def test_a_disputed_page_payment_is_found_before_its_page_is_heard_of(shop: Shop) -> None:
    bought = await shop.buy()
    session_id = shop.pay_on_page(bought)
    intent_id = shop.client.v1.checkout.sessions.retrieve(session_id).payment_intent
    shop.stripe.control("disputes", payment_intent=intent_id)
    await shop.tell(shop.events("charge.dispute.created"))
    assert await shop.ledger() == [("purchase", "5", "5"), ("dispute", "-5", "0")]
    await shop.tell(shop.events())
    assert await shop.ledger() == [("purchase", "5", "5"), ("dispute", "-5", "0")]


async def test_a_refund_whose_sender_died_before_it_was_noted_is_sent_once(
    shop: Shop, paid: dict[str, Any], connect: Callable[[str], Awaitable[Any]]
) -> None:
    refund_id = (await ask_refund(shop, paid, amountMinor=200)).json()["refundId"]
    await shop.work()
    owner = await connect("admin")
    await owner.execute("UPDATE refunds SET state = 'pending', provider_id = NULL")
    await owner.commit()
    async with shop.runtime.database.nobody() as session:
        tenant_id = await (await owner.execute("SELECT tenant_id FROM refunds")).fetchone()
        await defer(session, "payments:refund", tenant_id=str(tenant_id[0]), refund_id=refund_id)
    await shop.work()

    assert [refund.amount for refund in shop.client.v1.refunds.list().data] == [200]
    assert (await shop.look(paid))["refunds"][0]["status"] == "succeeded"
    assert await shop.wallet() == ("3", "3", "0")
