"""What is not paid is tried again by the tenant's schedule and its customers' banks' words, and given up in the end."""

import pytest

from core.billing.dunning.declines import NextStep, next_step, shown
from tests.billing.payments.paid import Paid
from tests.support.furnished import made

TELLING = ("dunning.started", "dunning.notice", "dunning.recovered", "dunning.exhausted", "invoice.payment_failed")


async def renewed_badly(paid: Paid, decline_code: str) -> str:
    """A subscription whose first payment was good and whose card is refused on 28 February; its id."""
    subscription = await paid.subscribe(await paid.customer())
    await paid.move("2026-01-31T10:00:01Z")
    paid.turn_card("4242", decline_code=decline_code)
    await paid.move("2026-02-28T10:00:00Z")
    return subscription


async def test_a_refused_renewal_is_tried_on_days_3_7_and_14_and_canceled_on_day_21(paid: Paid) -> None:
    subscription = await renewed_badly(paid, "insufficient_funds")
    assert await paid.status(subscription) == "past_due"
    collection = await paid.collection()
    assert (collection["status"], collection["nextStep"]) == ("waiting", "retry")
    assert (collection["tries"], collection["nextAt"]) == (1, "2026-03-03T10:00:00Z")
    await paid.move("2026-03-21T09:59:59Z")
    assert (await paid.collection())["tries"] == 4
    assert await paid.status(subscription) == "past_due"
    await paid.move("2026-03-21T10:00:00Z")
    assert await paid.status(subscription) == "canceled"
    assert (await paid.collection())["outcome"] == "cancel"
    assert (await paid.invoice())["status"] == "open"
    told = await paid.told(*TELLING)
    assert [(kind, one["attempt"], one["nextAttemptAt"]) for kind, one in told] == [
        ("dunning.started", 1, "2026-03-03T10:00:00+00:00"),
        ("invoice.payment_failed", 1, "2026-03-03T10:00:00+00:00"),
        ("dunning.notice", 1, "2026-03-03T10:00:00+00:00"),
        ("invoice.payment_failed", 2, "2026-03-07T10:00:00+00:00"),
        ("dunning.notice", 2, "2026-03-07T10:00:00+00:00"),
        ("invoice.payment_failed", 3, "2026-03-14T10:00:00+00:00"),
        ("dunning.notice", 3, "2026-03-14T10:00:00+00:00"),
        ("invoice.payment_failed", 4, None),
        ("dunning.notice", 4, None),
        ("dunning.exhausted", 4, None),
    ]


async def test_a_stolen_card_is_never_tried_again_and_nobody_is_told_why(paid: Paid) -> None:
    await renewed_badly(paid, "stolen_card")
    await paid.move("2026-03-20T00:00:00Z")
    collection = await paid.collection()
    assert (collection["tries"], collection["nextStep"], collection["lastCode"]) == (1, "never", "stolen_card")
    notices = await paid.told("dunning.notice")
    # On the days of the schedule the customer is reminded to save another card.
    assert [(one["declineCode"], one["nextStep"], one["nextAttemptAt"]) for _, one in notices] == [
        ("generic_decline", "new_card", None)
    ] * 4


async def test_a_stolen_card_is_not_tried_on_the_next_invoices_either_until_there_is_another(paid: Paid) -> None:
    await made(
        paid.tenant.put("/billing/settings/dunning", {"retryDays": [3], "finalDays": 60, "finalAction": "leave"})
    )
    subscription = await renewed_badly(paid, "stolen_card")
    customer = (await paid.invoice())["customerId"]
    await paid.move("2026-03-31T10:00:00Z")
    by_hand = await paid.bill(customer, 500)
    await paid.move("2026-04-01T00:00:00Z")
    assert [one["openMinor"] for one in await paid.invoices()] == [0, 2_000, 2_000, 500]
    assert paid.intents() == [("succeeded", 2_000), ("requires_payment_method", 2_000)]
    assert await paid.payments(by_hand) == []
    collections = (await made(paid.tenant.get("/billing/collections")))["data"]
    assert [(one["tries"], one["lastCode"], one["nextStep"]) for one in collections[:3]] == [
        (0, "stolen_card", "never"), (0, "stolen_card", "never"), (1, "stolen_card", "never")
    ]  # fmt: skip
    assert {one["declineCode"] for _, one in await paid.told("dunning.notice")} == {"generic_decline"}
    # Another card pays all of it at once.
    await paid.save_card("pm_card_mastercard", customerId=customer)
    await paid.move("2026-04-01T00:00:01Z")
    assert [one["openMinor"] for one in await paid.invoices()] == [0, 0, 0, 0]
    assert await paid.status(subscription) == "active"


async def test_another_card_is_charged_at_once_and_the_subscription_goes_on(paid: Paid) -> None:
    subscription = await renewed_badly(paid, "expired_card")
    await paid.move("2026-03-02T00:00:00Z")
    customer = (await paid.invoice())["customerId"]
    await paid.save_card("pm_card_mastercard", customerId=customer)
    await paid.move("2026-03-02T00:00:01Z")
    assert await paid.status(subscription) == "active"
    assert (await paid.invoice())["status"] == "paid"
    collection = await paid.collection()
    assert (collection["status"], collection["outcome"], collection["nextAt"]) == ("ended", "paid", None)
    await paid.move("2026-03-27T00:00:00Z")
    assert [kind for kind, _ in await paid.told(*TELLING)] == [
        "dunning.started",
        "invoice.payment_failed",
        "dunning.notice",
        "dunning.recovered",
    ]
    assert paid.intents() == [("succeeded", 2_000), ("succeeded", 2_000)]


async def test_the_same_renewal_failing_and_then_succeeding_is_told_as_that(paid: Paid) -> None:
    subscription = await renewed_badly(paid, "do_not_honor")
    await paid.work()
    paid.turn_card("4242", card="pm_card_visa")
    await paid.move("2026-03-03T10:00:00Z")
    assert await paid.status(subscription) == "active"
    await paid.work()
    mails = (await made(paid.tenant.get("/notification/messages", limit=200)))["data"]
    about = {(await paid.invoice())["invoiceId"]}
    told = [mail["template"] for mail in reversed(mails) if mail["subjectId"] in about]
    assert told == ["payment_failed", "payment_recovered"]
    # A failure that is reported late, after the money came, is nobody's news.
    await paid.deliver("payment_intent.payment_failed")
    assert len(await paid.told("invoice.payment_failed")) == 1
    assert await paid.status(subscription) == "active"


async def test_a_fault_of_the_network_is_tried_again_after_six_hours_once(paid: Paid) -> None:
    await renewed_badly(paid, "processing_error")
    assert (await paid.collection())["nextAt"] == "2026-02-28T16:00:00Z"
    await paid.move("2026-02-28T16:00:00Z")
    collection = await paid.collection()
    assert (collection["tries"], collection["nextAt"]) == (2, "2026-03-03T10:00:00Z")


async def test_money_that_comes_after_the_cancellation_pays_the_invoice_and_brings_nothing_back(paid: Paid) -> None:
    subscription = await renewed_badly(paid, "insufficient_funds")
    await paid.move("2026-03-22T00:00:00Z")
    assert await paid.status(subscription) == "canceled"
    paid.turn_card("4242", card="pm_card_visa")
    invoice = await paid.invoice()
    assert (await made(paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/pay")))["status"] == "succeeded"
    await paid.move("2026-05-01T00:00:00Z")
    assert (await paid.invoice())["status"] == "paid"
    assert await paid.status(subscription) == "canceled"
    assert len(await paid.invoices()) == 2


async def test_a_subscription_paused_in_the_end_goes_on_when_its_invoice_is_paid(paid: Paid) -> None:
    await made(paid.tenant.put("/billing/settings/dunning", {"retryDays": [2], "finalDays": 5, "finalAction": "pause"}))
    subscription = await renewed_badly(paid, "insufficient_funds")
    await paid.move("2026-03-06T00:00:00Z")
    assert await paid.status(subscription) == "paused"
    paid.turn_card("4242", card="pm_card_visa")
    invoice = await paid.invoice()
    await made(paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/pay"))
    await paid.move("2026-03-06T00:00:01Z")
    assert await paid.status(subscription) == "active"
    assert (await made(paid.tenant.get("/billing/collections")))["data"][-1] is not None


async def test_uncollectible_gives_the_invoice_up_and_takes_money_that_still_comes(paid: Paid) -> None:
    wanted = {"retryDays": [], "finalDays": 1, "finalAction": "uncollectible"}
    await made(paid.tenant.put("/billing/settings/dunning", wanted))
    subscription = await renewed_badly(paid, "insufficient_funds")
    await paid.move("2026-03-02T00:00:00Z")
    assert ((await paid.invoice())["status"], await paid.status(subscription)) == ("uncollectible", "canceled")
    paid.turn_card("4242", card="pm_card_visa")
    invoice = await paid.invoice()
    await made(paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/pay"))
    assert (await paid.invoice())["status"] == "paid"


async def test_an_invoice_that_is_sent_is_reminded_of_when_overdue_and_nothing_is_charged(paid: Paid) -> None:
    subscription = await paid.subscribe(await paid.customer(), collection="send_invoice")
    await paid.move("2026-02-14T09:59:59Z")
    assert await paid.told(*TELLING) == []
    await paid.move("2026-02-14T10:00:00Z")
    await paid.move("2026-02-27T00:00:00Z")
    assert [kind for kind, _ in await paid.told(*TELLING)] == ["dunning.started"] + ["dunning.notice"] * 3
    await paid.move("2026-03-08T00:00:00Z")
    collection = await paid.collection()
    # Left as it is, unless the tenant wants more of it.
    assert (collection["outcome"], await paid.status(subscription)) == ("leave", "active")
    assert paid.intents() == []


async def test_a_tenant_may_cancel_what_is_overdue(paid: Paid) -> None:
    wanted = {"retryDays": [], "finalDays": 2, "overdueAction": "cancel"}
    await made(paid.tenant.put("/billing/settings/dunning", wanted))
    subscription = await paid.subscribe(await paid.customer(card=None), collection="send_invoice")
    await paid.move("2026-02-14T10:00:00Z")
    assert await paid.status(subscription) == "past_due"
    await paid.move("2026-02-16T10:00:00Z")
    assert await paid.status(subscription) == "canceled"


async def test_the_invoice_of_a_subscription_that_was_never_paid_is_voided(paid: Paid) -> None:
    subscription = await paid.subscribe(await paid.customer(card="pm_card_chargeCustomerFail"))
    await paid.move("2026-02-08T00:00:00Z")
    assert await paid.status(subscription) == "canceled"
    assert (await paid.invoice())["status"] == "void"
    collection = await paid.collection()
    assert (collection["status"], collection["outcome"]) == ("ended", "closed")
    await paid.work()
    assert [status for status, _ in paid.intents()] == ["canceled"]


async def test_a_bad_schedule_is_refused_by_name(paid: Paid) -> None:
    for wanted, field in (
        ({"retryDays": [3, 3]}, "retryDays"),
        ({"retryDays": [21], "finalDays": 21}, "retryDays"),
        ({"finalDays": 181}, "finalDays"),
        ({"finalAction": "sue"}, "finalAction"),
        ({"retryDays": list(range(1, 14))}, "retryDays"),
    ):
        answer = await paid.tenant.put("/billing/settings/dunning", wanted)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text
    assert (await made(paid.tenant.get("/billing/settings/dunning")))["retryDays"] == [3, 7, 14]


@pytest.mark.parametrize(
    ("code", "advice", "step"),
    [
        ("insufficient_funds", None, NextStep.RETRY),
        ("a_code_of_tomorrow", None, NextStep.RETRY),
        ("insufficient_funds", "do_not_try_again", NextStep.NEVER),
        ("lost_card", "try_again_later", NextStep.NEVER),
        ("authentication_required", None, NextStep.CUSTOMER),
        ("expired_card", None, NextStep.NEW_CARD),
        ("processing_error", None, NextStep.RETRY_SOON),
    ],
)
def test_what_a_refusal_means(code: str, advice: str | None, step: NextStep) -> None:
    assert next_step(code, advice=advice) is step


def test_of_a_lost_card_nobody_is_told() -> None:
    assert [shown(code) for code in ("lost_card", "insufficient_funds", None)] == [
        "generic_decline",
        "insufficient_funds",
        None,
    ]
