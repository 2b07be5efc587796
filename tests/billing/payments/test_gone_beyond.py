"""More went back than was paid, or what was to go back had gone already: the books stand as the provider's do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.billing.ledger.heads import Heads
from core.billing.ledger.signing import load_signing_keys
from core.billing.ledger.verification.verify import verify
from core.billing.payments.reconciling.reconcile import reconcile
from tests.billing.payments.paid import Paid, answers_lost
from tests.billing.payments.shop import Shop
from tests.billing.payments.test_invoice_money import SECOND, charged
from tests.billing.payments.test_odd_endings import refused, stands
from tests.support.furnished import made

MINOR = 10_000
"""Micro-units in a cent."""


async def books_stand(shop: Shop, *, theirs_minor: int) -> None:
    """The provider holds this much of ours before its fees, no difference is found, the ledger verifies."""
    runtime, wall = shop.runtime, datetime.now(UTC) + timedelta(hours=1)
    done = await reconcile(runtime.database, runtime.settings, since=wall - timedelta(days=1), wall=wall)
    assert done.findings == []
    sums = done.sums["USD"]
    assert sums.charged_minor + sums.refunded_minor + sums.disputed_minor == theirs_minor
    assert (sums.ours_minor, sums.unexplained_minor) == (theirs_minor, 0)
    # What invoices count, less what credit notes gave back of it, and what stands against credits.
    ((paid_minor, given_minor, credits_micro),) = await shop.stored("""
        SELECT (SELECT coalesce(sum(paid_minor), 0) FROM invoices),
               (SELECT coalesce(sum(CASE WHEN state = 'succeeded' THEN amount_minor ELSE settled_minor END), 0)
                FROM refunds WHERE credit_note_id IS NOT NULL),
               (SELECT coalesce(-sum(balance_micro), 0) FROM accounts WHERE kind = 'clearing')""")
    assert paid_minor - given_minor + credits_micro / MINOR == theirs_minor
    heads = Heads(runtime.settings.heads_path, load_signing_keys(runtime.settings))
    assert [str(one) async for one in verify(runtime.database, heads) if one.check != "unsealed"] == []


async def purse(paid: Paid, invoice: dict[str, Any]) -> tuple[str, str]:
    """Balance and what is owed, of an invoice's customer."""
    found = await made(paid.tenant.get(f"/billing/wallets/{invoice['customerId']}"))
    return found["balance"], found["receivable"]


def intent_of(paid: Paid) -> str:
    """The only payment's id at the provider."""
    (intent,) = paid.client.v1.payment_intents.list().data
    return intent.id


async def refund_there(paid: Paid, amount_minor: int) -> None:
    """Money goes back by the provider's dashboard, and we hear of it."""
    paid.stripe.control("refunds", payment_intent=intent_of(paid), amount=amount_minor)
    await paid.deliver()


@pytest.mark.parametrize(("granted", "after"), [("0", ("0", "5")), ("3", ("0", "2")), ("8", ("3", "0"))])
async def test_what_a_bank_takes_beyond_a_payment_is_taken_from_the_wallet_or_owed_until_it_is_won(
    paid: Paid, granted: str, after: tuple[str, str]
) -> None:
    invoice = await charged(paid)
    if granted != "0":
        body = {"customerId": invoice["customerId"], "amount": granted}
        await made(paid.tenant.post("/billing/credits/grants", body, key="a gift"))
    await refund_there(paid, 500)
    assert await stands(paid) == ("open", 500, 1_500, 0)
    await books_stand(paid, theirs_minor=1_500)
    dispute = paid.stripe.control("disputes", payment_intent=intent_of(paid))
    for _ in range(2):
        await paid.deliver()
        # Of 20.00 that came 25.00 are gone: 20.00 are owed of the invoice, 5.00 beside it.
        assert (await stands(paid), await purse(paid, invoice)) == (("open", 2_000, 0, 0), after)
        await books_stand(paid, theirs_minor=-500)
    paid.stripe.control(f"disputes/{dispute['id']}/close", status="won")
    for _ in range(2):
        await paid.deliver()
        assert (await stands(paid), await purse(paid, invoice)) == (("open", 500, 1_500, 0), (granted, "0"))
        await books_stand(paid, theirs_minor=1_500)


async def test_a_lost_dispute_of_what_was_partly_refunded_stays_booked_whole(paid: Paid) -> None:
    invoice = await charged(paid)
    await refund_there(paid, 1_999)
    dispute = paid.stripe.control("disputes", payment_intent=intent_of(paid))
    paid.stripe.control(f"disputes/{dispute['id']}/close", status="lost")
    await paid.deliver()
    assert (await stands(paid), await purse(paid, invoice)) == (("open", 2_000, 0, 0), ("0", "19.99"))
    await books_stand(paid, theirs_minor=-1_999)
    # The debt is paid by the next credits, the invoice by its own money.
    body = {"customerId": invoice["customerId"], "amount": "25"}
    await made(paid.tenant.post("/billing/credits/grants", body, key="a gift"))
    assert await purse(paid, invoice) == ("5.01", "0")
    await books_stand(paid, theirs_minor=-1_999)


async def test_a_refund_of_the_dashboard_that_failed_is_no_part_of_what_a_dispute_takes_beyond(paid: Paid) -> None:
    await paid.bill(await paid.customer(card="pm_card_refundFail"), 2_000)
    await paid.move(SECOND)
    invoice = await paid.invoice()
    await refund_there(paid, 1_000)
    assert (await stands(paid), await purse(paid, invoice)) == (("paid", 0, 2_000, 0), ("0", "0"))
    dispute = paid.stripe.control("disputes", payment_intent=intent_of(paid))
    await paid.deliver()
    assert (await stands(paid), await purse(paid, invoice)) == (("open", 2_000, 0, 0), ("0", "0"))
    await books_stand(paid, theirs_minor=0)
    paid.stripe.control(f"disputes/{dispute['id']}/close", status="won")
    await paid.deliver()
    assert (await stands(paid), await purse(paid, invoice)) == (("paid", 0, 2_000, 0), ("0", "0"))
    await books_stand(paid, theirs_minor=2_000)


async def test_money_that_came_for_nothing_and_went_back_by_the_dashboard_first_is_owed_by_nobody(
    paid: Paid, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = await paid.bill(await paid.customer())
    with answers_lost(monkeypatch):
        assert (await paid.tenant.post("/billing/test-clock", {"now": SECOND})).status_code == 503
    await made(paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/void"))
    paid.stripe.control("refunds", payment_intent=intent_of(paid), amount=2_000)
    await paid.deliver()
    (payment,) = await paid.payments(invoice)
    assert sorted((one["status"], one["amountMinor"]) for one in payment["refunds"]) == [
        ("failed", 2_000),
        ("succeeded", 2_000),
    ]
    assert ((await stands(paid))[0], await purse(paid, invoice)) == ("void", ("0", "0"))
    await books_stand(paid, theirs_minor=0)


async def test_a_purchase_that_was_partly_refunded_and_is_disputed_whole_owes_the_difference(shop: Shop) -> None:
    bought = await shop.buy()
    shop.pay(bought)
    await shop.tell(shop.events())
    shop.stripe.control("refunds", payment_intent=bought["paymentIntentId"], amount=200)
    await shop.tell(shop.events())
    await books_stand(shop, theirs_minor=300)
    dispute = shop.stripe.control("disputes", payment_intent=bought["paymentIntentId"])
    await shop.tell(shop.events())
    assert await shop.wallet() == ("0", "0", "2")
    await books_stand(shop, theirs_minor=-200)
    answer = await shop.tenant.post(f"/api/purchases/{bought['purchaseId']}/refunds", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "refund_exceeds_payment")
    shop.stripe.control(f"disputes/{dispute['id']}/close", status="won")
    await shop.tell(shop.events())
    assert await shop.wallet() == ("3", "3", "0")
    await books_stand(shop, theirs_minor=300)


async def test_a_purchase_that_the_dashboard_refunds_while_ours_waits_is_refunded_once(shop: Shop) -> None:
    bought = await shop.buy()
    shop.pay(bought)
    await shop.tell(shop.events())
    await made(shop.tenant.post(f"/api/purchases/{bought['purchaseId']}/refunds", {}))
    shop.stripe.control("refunds", payment_intent=bought["paymentIntentId"], amount=500)
    for event in shop.events("charge.refunded", "refund.created"):
        await shop.tell([event])
    await shop.tell(shop.events())
    assert await shop.wallet() == ("0", "0", "0")
    assert (await shop.look(bought))["status"] == "refunded"
    await books_stand(shop, theirs_minor=0)


async def noted(paid: Paid, refund_minor: int, *, there_minor: int) -> tuple[str, str]:
    """A credit note whose refund comes second to one of the dashboard; the invoice's path and the refused refund."""
    invoice = await charged(paid)
    path = f"/billing/invoices/{invoice['invoiceId']}"
    (row,) = (await made(paid.tenant.get(f"{path}/lines")))["data"]
    body = {"lines": [{"lineId": row["lineId"], "amountMinor": refund_minor}], "refundMinor": refund_minor}
    await made(paid.tenant.post(f"{path}/credit-notes", body))
    await refund_there(paid, there_minor)
    (payment,) = await paid.payments(invoice)
    (failed,) = [one for one in payment["refunds"] if one["status"] == "failed"]
    assert (failed["amountMinor"], failed["settledMinor"]) == (refund_minor, 0)
    return path, f"{path}/refunds/{failed['refundId']}/retry"


async def test_a_notes_refund_that_the_dashboard_made_first_is_settled_by_it_once(paid: Paid) -> None:
    path, retry = await noted(paid, 2_000, there_minor=2_000)
    assert await stands(paid) == ("open", 2_000, 0, 0)
    answer = await paid.tenant.post(retry)
    assert (answer.status_code, answer.json()["status"], answer.json()["settledMinor"]) == (201, "failed", 2_000)
    assert await stands(paid) == ("paid", 0, 2_000, 0)
    assert (await made(paid.tenant.get(f"{path}/payments")))["giveBackByHandMinor"] == 0
    assert await refused(paid, retry) == (409, "refund_not_refused")
    await paid.deliver()
    assert len(paid.client.v1.refunds.list().data) == 1
    await books_stand(paid, theirs_minor=0)


async def test_of_a_notes_refund_only_what_the_dashboard_left_is_asked_for(paid: Paid) -> None:
    path, retry = await noted(paid, 2_000, there_minor=600)
    assert await stands(paid) == ("open", 600, 1_400, 0)
    first, again = await paid.tenant.post(retry), await paid.tenant.post(retry)
    assert [(one.status_code, one.json()["amountMinor"]) for one in (first, again)] == [(201, 1_400), (200, 1_400)]
    await paid.deliver()
    assert await stands(paid) == ("paid", 0, 2_000, 0)
    assert (await made(paid.tenant.get(f"{path}/payments")))["giveBackByHandMinor"] == 0
    assert sorted(one.amount for one in paid.client.v1.refunds.list().data) == [600, 1_400]
    await books_stand(paid, theirs_minor=0)


async def test_what_the_dashboard_gave_beyond_a_note_stays_owed(paid: Paid) -> None:
    path, retry = await noted(paid, 500, there_minor=1_800)
    assert await stands(paid) == ("open", 1_800, 200, 0)
    await made(paid.tenant.post(retry))
    # 20.00 came and 18.00 went; 5.00 of them were promised.
    assert await stands(paid) == ("open", 1_300, 700, 0)
    assert (await made(paid.tenant.get(f"{path}/payments")))["giveBackByHandMinor"] == 0
    assert await refused(paid, retry) == (409, "refund_not_refused")
    await books_stand(paid, theirs_minor=200)


async def test_what_was_paid_again_before_the_note_was_settled_is_in_the_wallet(paid: Paid) -> None:
    path, retry = await noted(paid, 2_000, there_minor=2_000)
    await made(paid.tenant.post(f"{path}/payments", {"amountMinor": 2_000, "reference": "DE-1"}))
    await made(paid.tenant.post(retry))
    invoice = await paid.invoice()
    assert (await stands(paid), await purse(paid, invoice)) == (("paid", 0, 2_000, 0), ("20", "0"))


async def test_what_came_for_nothing_and_was_tried_to_be_given_back_again_counts_once(
    paid: Paid, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = await paid.bill(await paid.customer(card="pm_card_refundFail"))
    with answers_lost(monkeypatch):
        assert (await paid.tenant.post("/billing/test-clock", {"now": SECOND})).status_code == 503
    path = f"/billing/invoices/{invoice['invoiceId']}"
    await made(paid.tenant.post(f"{path}/void"))
    await paid.deliver()
    await paid.work()
    await paid.deliver()
    (payment,) = await paid.payments(invoice)
    (failed,) = payment["refunds"]
    assert (failed["status"], failed["amountMinor"]) == ("failed", 2_000)
    await made(paid.tenant.post(f"{path}/refunds/{failed['refundId']}/retry"))
    await paid.work()
    await paid.deliver()
    (payment,) = await paid.payments(invoice)
    assert [one["status"] for one in payment["refunds"]] == ["failed", "failed"]
    runtime, wall = paid.runtime, datetime.now(UTC) + timedelta(hours=1)
    done = await reconcile(runtime.database, runtime.settings, since=wall - timedelta(days=1), wall=wall)
    assert done.findings == []
