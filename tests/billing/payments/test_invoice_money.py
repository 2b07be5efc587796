"""Money of invoices that came by hand, goes back, is disputed or was lost sight of: books and provider agree."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.billing.payments.reconciling.reconcile import reconcile
from core.foundation.ids import new_id
from tests.billing.payments.paid import Paid, answers_lost
from tests.support.furnished import made

SECOND = "2026-01-31T10:00:01Z"


async def charged(paid: Paid, amount_minor: int = 2_000) -> dict[str, str]:
    """A paid invoice."""
    await paid.bill(await paid.customer(), amount_minor)
    await paid.move(SECOND)
    invoice = await paid.invoice()
    assert invoice["status"] == "paid"
    return invoice


async def differences(paid: Paid) -> list[tuple[str, str]]:
    """What the provider and the books say otherwise, as (class, kind)."""
    wall = datetime.now(UTC) + timedelta(hours=1)
    done = await reconcile(paid.runtime.database, paid.runtime.settings, since=wall - timedelta(days=1), wall=wall)
    return [(finding.difference.value, finding.kind) for finding in done.findings]


async def test_a_transfer_pays_the_invoice_once_however_often_it_is_recorded(paid: Paid) -> None:
    invoice = await paid.bill(await paid.customer(card=None), 1_000)
    record = f"/billing/invoices/{invoice['invoiceId']}/payments"
    part = {"amountMinor": 400, "reference": "DE-17"}
    answers = await asyncio.gather(*(paid.tenant.post(record, part) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    other = await paid.tenant.post(record, {"amountMinor": 500, "reference": "DE-17"})
    assert (other.status_code, other.json()["code"]) == (409, "payment_reference_used")
    more = await paid.tenant.post(record, {"amountMinor": 601, "reference": "DE-18"})
    assert (more.status_code, more.json()["code"], more.json()["openMinor"]) == (409, "payment_too_large", 600)
    late = {"amountMinor": 600, "reference": "DE-18", "receivedAt": "2026-02-01T00:00:00Z"}
    refused = await paid.tenant.post(record, late)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "receivedAt")
    await made(paid.tenant.post(record, late | {"receivedAt": "2026-01-30T00:00:00Z"}))
    assert (await paid.invoice())["status"] == "paid"
    listed = await paid.payments(invoice)
    assert [(one["means"], one["amountMinor"], one["reference"]) for one in listed] == [
        ("by_hand", 400, "DE-17"),
        ("by_hand", 600, "DE-18"),
    ]
    assert len(await paid.told("invoice.paid")) == 1
    await paid.move(SECOND)
    assert (await made(paid.tenant.get("/billing/collections")))["data"] == []
    assert await differences(paid) == []


async def test_a_credit_note_gives_money_back_once_by_the_card_it_came_from(paid: Paid) -> None:
    invoice = await charged(paid)
    note = f"/billing/invoices/{invoice['invoiceId']}/credit-notes"
    line = (await made(paid.tenant.get(f"/billing/invoices/{invoice['invoiceId']}/lines")))["data"][0]["lineId"]
    await made(paid.tenant.post(note, {"lines": [{"lineId": line, "amountMinor": 700}], "refundMinor": 700}))
    await paid.work()
    await paid.work()
    (payment,) = await paid.payments(invoice)
    assert payment["refundedMinor"] == 700
    assert [(one["status"], one["amountMinor"]) for one in payment["refunds"]] == [("succeeded", 700)]
    await paid.deliver()
    assert [document["amountMinor"] for _, document in await paid.told("payment.refunded")] == [700]
    # What a note gives back is not owed again.
    assert (await paid.invoice())["status"] == "paid"
    assert await differences(paid) == []


async def test_what_came_by_hand_goes_back_by_hand_and_is_said(paid: Paid) -> None:
    invoice = await paid.bill(await paid.customer(card=None), 1_000)
    path = f"/billing/invoices/{invoice['invoiceId']}"
    await made(paid.tenant.post(f"{path}/payments", {"amountMinor": 1_000, "reference": "DE-17"}))
    await made(paid.tenant.post(f"{path}/credit-notes", {"refundMinor": 1_000}))
    await paid.work()
    assert (await made(paid.tenant.get(f"{path}/payments")))["giveBackByHandMinor"] == 1_000
    assert paid.client.v1.refunds.list().data == []


async def test_a_dispute_opens_the_invoice_again_and_winning_it_pays_it(paid: Paid) -> None:
    invoice = await charged(paid)
    (intent,) = paid.client.v1.payment_intents.list().data
    dispute = paid.stripe.control("disputes", payment_intent=intent.id)
    await paid.deliver("charge.dispute.created", "charge.dispute.funds_withdrawn")
    assert ((await paid.invoice())["status"], (await paid.invoice())["openMinor"]) == ("open", 2_000)
    await paid.move("2026-02-20T00:00:00Z")
    assert paid.intents() == [("succeeded", 2_000)]
    assert await differences(paid) == []
    paid.stripe.control(f"disputes/{dispute['id']}/close", status="won")
    await paid.deliver("charge.dispute.closed")
    await paid.deliver("charge.dispute.closed")
    assert (await paid.invoice())["status"] == "paid"
    assert len(await paid.told("payment.disputed")) == 1
    assert await differences(paid) == []
    assert invoice["invoiceId"] == (await paid.invoice())["invoiceId"]


async def test_a_refund_made_at_the_provider_is_owed_again(paid: Paid) -> None:
    await charged(paid)
    (intent,) = paid.client.v1.payment_intents.list().data
    paid.stripe.control("refunds", payment_intent=intent.id, amount=500)
    await paid.deliver()
    await paid.deliver()
    assert ((await paid.invoice())["status"], (await paid.invoice())["openMinor"]) == ("open", 500)
    assert await differences(paid) == []


async def test_money_for_an_invoice_that_is_void_by_then_goes_back(paid: Paid, monkeypatch: pytest.MonkeyPatch) -> None:
    invoice = await paid.bill(await paid.customer())
    with answers_lost(monkeypatch):
        assert (await paid.tenant.post("/billing/test-clock", {"now": SECOND})).status_code == 503
    assert (await paid.invoice())["status"] == "open"
    await made(paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/void"))
    await paid.deliver("payment_intent.succeeded")
    await paid.move("2026-01-31T10:00:02Z")
    await paid.work()
    assert (await paid.invoice())["status"] == "void"
    (refund,) = paid.client.v1.refunds.list().data
    assert (refund.amount, refund.status) == (2_000, "succeeded")
    assert await differences(paid) == []


async def test_a_charge_that_a_restore_has_lost_settles_its_invoice_by_the_providers_event(paid: Paid) -> None:
    invoice = await paid.bill(await paid.customer())
    path = f"/billing/invoices/{invoice['invoiceId']}"
    # The copy is from before the charge: of payment and try there is nothing.
    lost = new_id()
    customer = paid.client.v1.customers.list().data[0].id
    card = paid.client.v1.payment_methods.list({"customer": customer}).data[0].id
    paid.client.v1.payment_intents.create(
        {
            "amount": 2_000,
            "currency": "usd",
            "customer": customer,
            "payment_method": card,
            "confirm": True,
            "off_session": True,
            "allowed_payment_method_types": ["card"],
            "metadata": {
                "cloudbill_tenant_id": str(paid.tenant_id),
                "cloudbill_payment_id": str(lost),
                "cloudbill_invoice_id": invoice["invoiceId"],
            },
        }
    )
    await paid.deliver("payment_intent.succeeded")
    await paid.deliver("payment_intent.succeeded")
    assert (await paid.invoice())["status"] == "paid"
    await paid.move(SECOND)
    assert paid.intents() == [("succeeded", 2_000)]
    assert (await made(paid.tenant.get(f"{path}/payments")))["data"][0]["status"] == "succeeded"
    assert await differences(paid) == []


async def test_a_record_that_was_a_mistake_is_taken_back_once_and_its_reference_is_free(paid: Paid) -> None:
    invoice = await paid.bill(await paid.customer(card=None), 1_000)
    path = f"/billing/invoices/{invoice['invoiceId']}"
    first = await made(paid.tenant.post(f"{path}/payments", {"amountMinor": 1_000, "reference": "DE-17"}))
    assert (await paid.invoice())["status"] == "paid"
    back = f"{path}/payments/{first['paymentId']}/take-back"
    answers = await asyncio.gather(*(paid.tenant.post(back) for _ in range(3)))
    assert {(answer.status_code, answer.json()["status"]) for answer in answers} == {(200, "canceled")}
    after = await paid.invoice()
    assert (after["status"], after["openMinor"], after["paidMinor"]) == ("open", 1_000, 0)
    audit = (await made(paid.tenant.get("/billing/audit", action="invoice.payment_taken_back")))["data"]
    assert [row["subject"] for row in audit] == [invoice["invoiceId"]]
    # The same transfer, rightly this time.
    again = await made(paid.tenant.post(f"{path}/payments", {"amountMinor": 400, "reference": "DE-17"}))
    assert again["paymentId"] != first["paymentId"]
    assert [(one["status"], one["amountMinor"]) for one in await paid.payments(invoice)] == [
        ("canceled", 1_000),
        ("succeeded", 400),
    ]
    assert (await paid.invoice())["openMinor"] == 600
    assert await differences(paid) == []


async def test_what_came_by_card_or_was_given_back_is_not_taken_back(paid: Paid) -> None:
    invoice = await charged(paid)
    path = f"/billing/invoices/{invoice['invoiceId']}"
    (by_card,) = await paid.payments(invoice)
    refused = await paid.tenant.post(f"{path}/payments/{by_card['paymentId']}/take-back")
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_not_by_hand")
    other = await paid.bill(await paid.customer("bob", card=None), 1_000)
    path = f"/billing/invoices/{other['invoiceId']}"
    by_hand = await made(paid.tenant.post(f"{path}/payments", {"amountMinor": 1_000, "reference": "DE-1"}))
    unknown = await paid.tenant.post(f"{path}/payments/{by_card['paymentId']}/take-back")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "payment_not_found")
    await made(paid.tenant.post(f"{path}/credit-notes", {"refundMinor": 1_000}))
    gone = await paid.tenant.post(f"{path}/payments/{by_hand['paymentId']}/take-back")
    assert (gone.status_code, gone.json()["code"], gone.json()["leftMinor"]) == (409, "payment_given_back", 0)


async def test_a_refund_that_the_bank_refused_is_tried_again_once(paid: Paid) -> None:
    await paid.bill(await paid.customer(card="pm_card_refundFail"), 2_000)
    await paid.move(SECOND)
    invoice = await paid.invoice()
    path = f"/billing/invoices/{invoice['invoiceId']}"
    await made(paid.tenant.post(f"{path}/credit-notes", {"refundMinor": 2_000}))
    await paid.work()
    await paid.work()
    await paid.deliver("refund.failed")
    (payment,) = await paid.payments(invoice)
    (failed,) = payment["refunds"]
    assert (failed["status"], failed["amountMinor"]) == ("failed", 2_000)
    assert (await made(paid.tenant.get(f"{path}/payments")))["giveBackByHandMinor"] == 2_000
    (card,) = paid.client.v1.payment_methods.list({"limit": 1}).data
    paid.stripe.control(f"cards/{card.id}", card="pm_card_visa")
    retry = f"{path}/refunds/{failed['refundId']}/retry"
    answers = await asyncio.gather(*(paid.tenant.post(retry) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201]
    assert len({answer.json()["refundId"] for answer in answers}) == 1
    assert (await made(paid.tenant.get(f"{path}/payments")))["giveBackByHandMinor"] == 0
    await paid.work()
    await paid.deliver()
    (payment,) = await paid.payments(invoice)
    assert [one["status"] for one in payment["refunds"]] == ["failed", "succeeded"]
    assert payment["refundedMinor"] == 2_000
    # A third try of the same has nothing to give.
    done = await paid.tenant.post(f"{path}/refunds/{payment['refunds'][1]['refundId']}/retry")
    assert (done.status_code, done.json()["code"]) == (409, "refund_not_refused")
    missing = await paid.tenant.post(f"{path}/refunds/{payment['paymentId']}/retry")
    assert (missing.status_code, missing.json()["code"]) == (404, "refund_not_found")
    assert await differences(paid) == []


async def test_a_restored_copy_charges_nobody_until_it_is_released(
    paid: Paid, connect: Callable[..., Awaitable[Any]]
) -> None:
    invoice = await paid.bill(await paid.customer())
    admin = await connect("admin")
    await admin.execute(
        "INSERT INTO worker_holds (id, reason, state_of, nothing_lost, held_at) VALUES "
        "(gen_random_uuid(), 'restored', '2026-01-31 09:00:00+00', false, now())"
    )
    await admin.commit()
    refused = await paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/pay")
    assert (refused.status_code, refused.json()["code"]) == (409, "charges_held")
    assert paid.intents() == []
    assert (await paid.payments(invoice)) == []
