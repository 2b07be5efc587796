"""An open invoice is charged once by the saved card, whoever looks, whatever breaks, in whatever order it is told."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from core.billing.clocks import service as clocks
from core.billing.payments.charges import charging, performing
from tests.billing.payments.paid import Paid, answers_lost
from tests.support.furnished import made

SECOND = "2026-01-31T10:00:01Z"


async def test_the_first_payment_makes_a_subscription_active_and_each_renewal_is_charged(paid: Paid) -> None:
    subscription = await paid.subscribe(await paid.customer())
    assert await paid.status(subscription) == "incomplete"
    await paid.move(SECOND)
    assert await paid.status(subscription) == "active"
    first = await paid.invoice()
    assert (first["status"], first["totalMinor"], first["openMinor"]) == ("paid", 2_000, 0)
    await paid.move("2026-03-01T00:00:00Z")
    assert [(one["status"], one["paidMinor"]) for one in await paid.invoices()] == [("paid", 2_000), ("paid", 2_000)]
    (payment,) = await paid.payments(first)
    assert (payment["status"], payment["amountMinor"], payment["refundedMinor"]) == ("succeeded", 2_000, 0)
    assert [(one["status"], one["origin"]) for one in payment["attempts"]] == [("succeeded", "collection")]
    # Hearing of it once more changes nothing.
    await paid.deliver()
    assert sorted(kind for kind, _ in await paid.told("invoice.paid", "payment.succeeded", "payment.failed")) == [
        "invoice.paid",
        "invoice.paid",
        "payment.succeeded",
        "payment.succeeded",
    ]
    assert paid.intents() == [("succeeded", 2_000), ("succeeded", 2_000)]


async def test_many_who_look_at_once_charge_once(paid: Paid) -> None:
    ada = await paid.customer()
    invoice = await paid.bill(ada)
    wall = datetime.now(UTC)
    pay = f"/billing/invoices/{invoice['invoiceId']}/pay"
    answers = await asyncio.gather(
        *(clocks.drain(paid.runtime.database, tenant_id=paid.tenant_id, wall_now=wall) for _ in range(4)),
        *(paid.tenant.post(pay) for _ in range(4)),
        paid.move(SECOND),
        paid.work(concurrency=4),
    )
    refused = {answer.json()["code"] for answer in answers[4:8] if answer.status_code != 200}
    assert refused <= {"payment_in_flight", "nothing_to_pay"}
    await paid.move("2026-01-31T10:00:02Z")
    await paid.work()
    assert (await paid.invoice())["status"] == "paid"
    assert paid.intents() == [("succeeded", 2_000)]
    assert len(await paid.told("invoice.paid")) == 1


async def test_an_answer_that_is_lost_after_the_charge_does_not_charge_again(
    paid: Paid, monkeypatch: pytest.MonkeyPatch
) -> None:
    await paid.bill(await paid.customer())
    with answers_lost(monkeypatch):
        assert (await paid.tenant.post("/billing/test-clock", {"now": SECOND})).status_code == 503
    assert (await paid.invoice())["status"] == "open"
    await paid.move("2026-01-31T10:00:02Z")
    await paid.work()
    assert (await paid.invoice())["status"] == "paid"
    assert [status for status, _ in paid.intents()].count("succeeded") == 1


@pytest.mark.parametrize("where", ["before", "after"])
async def test_a_process_that_dies_beside_the_provider_neither_loses_nor_doubles_a_charge(
    paid: Paid, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    class Killed(BaseException):
        pass

    async def die(*_: object, **__: object) -> None:
        raise Killed

    await paid.bill(await paid.customer())
    # Whoever comes after the dead one waits for as long as it might have been alive.
    monkeypatch.setattr(performing, "LEASE", timedelta(seconds=1))
    with monkeypatch.context() as patched:
        # Before: the try is stored, nobody was asked. After: the card is charged, and nothing of it is written.
        patched.setattr(*((performing, "_charge") if where == "before" else (charging, "succeed")), die)
        with pytest.raises(BaseException):  # noqa: B017, PT011  (the death itself, or what the stack makes of it)
            await clocks.move(
                paid.runtime.database,
                tenant_id=paid.tenant_id,
                to=datetime(2026, 1, 31, 10, 0, 1, tzinfo=UTC),
                settings=paid.runtime.settings,
            )
    assert (await paid.invoice())["status"] == "open"
    await paid.move("2026-01-31T10:00:02Z")
    await paid.work()
    assert (await paid.invoice())["status"] == "paid"
    assert paid.intents() == [("succeeded", 2_000)]


async def test_the_event_that_overtakes_the_answer_settles_the_invoice(
    paid: Paid, monkeypatch: pytest.MonkeyPatch
) -> None:
    await paid.bill(await paid.customer())
    with answers_lost(monkeypatch):
        assert (await paid.tenant.post("/billing/test-clock", {"now": SECOND})).status_code == 503
    assert (await paid.invoice())["status"] == "open"
    await paid.deliver("payment_intent.succeeded")
    assert (await paid.invoice())["status"] == "paid"
    await paid.move("2026-01-31T10:00:02Z")
    assert len(await paid.told("invoice.paid")) == 1


async def test_an_invoice_is_paid_in_parts_and_never_beyond_what_is_open(paid: Paid) -> None:
    ada = await paid.customer()
    await made(paid.tenant.put("/billing/settings/dunning", {"retryDays": [], "finalDays": 30, "finalAction": "leave"}))
    invoice = await paid.bill(ada, 1_000)
    pay = f"/billing/invoices/{invoice['invoiceId']}/pay"
    part = await made(paid.tenant.post(pay, {"amountMinor": 400}))
    assert part["status"] == "succeeded"
    assert (await paid.invoice())["openMinor"] == 600
    refused = await paid.tenant.post(pay, {"amountMinor": 601})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert (await made(paid.tenant.post(pay)))["status"] == "succeeded"
    again = await paid.tenant.post(pay)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_pay")
    assert paid.intents() == [("succeeded", 400), ("succeeded", 600)]
    assert (await paid.invoice())["status"] == "paid"


async def test_without_a_card_nothing_is_charged_and_the_caller_is_told_what_to_do(paid: Paid) -> None:
    invoice = await paid.bill(await paid.customer(card=None))
    answer = await paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/pay")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_payment_method")
    unknown = await paid.tenant.post("/billing/invoices/019b76da-a800-7000-8000-000000000001/pay")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "invoice_not_found")
    bob = await paid.customer("bob")
    theirs = (await made(paid.tenant.get("/billing/payment-methods", customerId=bob)))["data"][0]["paymentMethodId"]
    other = await paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/pay", {"paymentMethodId": theirs})
    assert (other.status_code, other.json()["code"]) == (404, "payment_method_not_found")
    assert paid.intents() == []


async def test_an_invoice_voided_before_the_charge_is_not_charged(paid: Paid) -> None:
    invoice = await paid.bill(await paid.customer())
    await clocks.drain(paid.runtime.database, tenant_id=paid.tenant_id, wall_now=datetime.now(UTC))
    await made(paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/void"))
    await paid.work()
    await paid.move(SECOND)
    assert paid.intents() == []
    collection = await paid.collection()
    assert (collection["status"], collection["outcome"]) == ("ended", "closed")
