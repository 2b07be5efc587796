"""Invoices that end in an odd order: credited beyond what is left, voided in part, given up and paid, disputed."""

from typing import Any

import pytest

from tests.billing.payments.paid import Paid
from tests.billing.payments.test_invoice_money import charged, differences
from tests.support.furnished import made


async def owed(paid: Paid, amount_minor: int = 10_000) -> tuple[dict[str, Any], str]:
    """An open invoice of somebody without a card, and its path."""
    invoice = await paid.bill(await paid.customer(card=None), amount_minor)
    return invoice, f"/billing/invoices/{invoice['invoiceId']}"


async def refused(paid: Paid, path: str, body: Any = None) -> tuple[int, str]:
    answer = await paid.tenant.post(path, body)
    return answer.status_code, answer.json()["code"]


async def stands(paid: Paid) -> tuple[str, int, int, int]:
    """Status, open, paid, credited of the newest."""
    found = await paid.invoice()
    return found["status"], found["openMinor"], found["paidMinor"], found["creditedMinor"]


async def balance(paid: Paid, invoice: dict[str, Any]) -> str:
    return (await made(paid.tenant.get(f"/billing/wallets/{invoice['customerId']}")))["balance"]


async def test_of_what_is_credited_the_open_part_goes_first_and_nothing_is_credited_twice(paid: Paid) -> None:
    invoice, path = await owed(paid)
    (row,) = (await made(paid.tenant.get(f"{path}/lines")))["data"]
    notes = f"{path}/credit-notes"
    by_hand = await made(paid.tenant.post(f"{path}/payments", {"amountMinor": 4_000, "reference": "A"}))
    eighty = {"lines": [{"lineId": row["lineId"], "amountMinor": 8_000}]}
    # 60.00 are open: more cannot go off that, and only 40.00 can be given back.
    for more in ({"refundMinor": 4_001}, {"walletMinor": 1_999}, {"refundMinor": 4_000, "walletMinor": 4_001}):
        assert await refused(paid, notes, {**eighty, **more}) == (422, "credit_destination_invalid")
    too_much = {"lines": [{"lineId": row["lineId"], "amountMinor": 10_001}]}
    assert await refused(paid, notes, too_much) == (409, "credit_too_large")
    assert await stands(paid) == ("open", 6_000, 4_000, 0)
    note = await made(paid.tenant.post(notes, eighty))
    assert (note["toOpenMinor"], note["toWalletMinor"], note["toRefundMinor"]) == (6_000, 2_000, 0)
    assert await stands(paid) == ("paid", 0, 4_000, 6_000)
    assert await refused(paid, notes, eighty) == (409, "credit_too_large")
    rest = await made(paid.tenant.post(notes, {}))
    assert (rest["toOpenMinor"], rest["toWalletMinor"], rest["toRefundMinor"]) == (0, 2_000, 0)
    assert await refused(paid, notes, {}) == (422, "credit_empty")
    # 40.00 were paid, and 40.00 are in the wallet.
    assert (await balance(paid, invoice), await stands(paid)) == ("40", ("paid", 0, 4_000, 6_000))
    assert await refused(paid, f"{path}/void") == (409, "invoice_state_refused")
    assert await refused(paid, f"{path}/uncollectible") == (409, "invoice_state_refused")
    assert (await paid.payments(invoice))[0]["paymentId"] == by_hand["paymentId"]


async def test_what_was_paid_in_part_is_not_voided_until_that_was_taken_back(paid: Paid) -> None:
    invoice, path = await owed(paid)
    part = await made(paid.tenant.post(f"{path}/payments", {"amountMinor": 1, "reference": "A"}))
    assert await refused(paid, f"{path}/void") == (409, "invoice_state_refused")
    assert await stands(paid) == ("open", 9_999, 1, 0)
    await made(paid.tenant.post(f"{path}/payments/{part['paymentId']}/take-back"))
    await made(paid.tenant.post(f"{path}/void"))
    assert (await stands(paid))[0] == "void"
    for verb, body in (("payments", {"amountMinor": 1, "reference": "B"}), ("pay", None)):
        assert await refused(paid, f"{path}/{verb}", body) == (409, "nothing_to_pay")
    assert await refused(paid, f"{path}/credit-notes", {}) == (409, "invoice_state_refused")
    assert await refused(paid, f"{path}/uncollectible") == (409, "invoice_state_refused")
    assert await balance(paid, invoice) == "0"


async def test_what_was_given_up_is_paid_or_credited_all_the_same(paid: Paid) -> None:
    _, path = await owed(paid)
    await made(paid.tenant.post(f"{path}/payments", {"amountMinor": 2_500, "reference": "A"}))
    await made(paid.tenant.post(f"{path}/uncollectible"))
    assert await stands(paid) == ("uncollectible", 7_500, 2_500, 0)
    assert await refused(paid, f"{path}/void") == (409, "invoice_state_refused")
    assert await refused(paid, f"{path}/payments", {"amountMinor": 7_501, "reference": "B"}) == (
        409,
        "payment_too_large",
    )
    await made(paid.tenant.post(f"{path}/payments", {"amountMinor": 5_000, "reference": "B"}))
    assert await stands(paid) == ("uncollectible", 2_500, 7_500, 0)
    await made(paid.tenant.post(f"{path}/credit-notes", {"walletMinor": 7_500}))
    assert await stands(paid) == ("paid", 0, 7_500, 2_500)
    assert await refused(paid, f"{path}/payments", {"amountMinor": 1, "reference": "C"}) == (409, "nothing_to_pay")
    assert [kind for kind, _ in await paid.told("invoice.paid", "invoice.uncollectible")] == [
        "invoice.uncollectible",
        "invoice.paid",
    ]


@pytest.mark.parametrize(
    ("verb", "body", "after"),
    [
        ("void", None, ("void", 0, 0, 0)),
        ("credit-notes", {}, ("paid", 0, 0, 2_000)),
        ("payments", {"amountMinor": 2_000, "reference": "A"}, ("paid", 0, 2_000, 0)),
    ],
)
async def test_a_dispute_that_is_won_when_nothing_is_owed_any_more_leaves_its_money_in_the_wallet(
    paid: Paid, verb: str, body: Any, after: tuple[str, int, int, int]
) -> None:
    invoice = await charged(paid)
    (intent,) = paid.client.v1.payment_intents.list().data
    dispute = paid.stripe.control("disputes", payment_intent=intent.id)
    await paid.deliver("charge.dispute.created")
    assert await stands(paid) == ("open", 2_000, 0, 0)
    await made(paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/{verb}", body))
    paid.stripe.control(f"disputes/{dispute['id']}/close", status="won")
    await paid.deliver("charge.dispute.closed")
    await paid.deliver("charge.dispute.closed", "charge.dispute.funds_reinstated")
    assert (await balance(paid, invoice), await stands(paid)) == ("20", after)
    assert await differences(paid) == []


async def test_a_dispute_that_is_won_after_a_part_was_credited_pays_what_is_still_owed(paid: Paid) -> None:
    invoice = await charged(paid)
    path = f"/billing/invoices/{invoice['invoiceId']}"
    (intent,) = paid.client.v1.payment_intents.list().data
    dispute = paid.stripe.control("disputes", payment_intent=intent.id)
    await paid.deliver("charge.dispute.created")
    (row,) = (await made(paid.tenant.get(f"{path}/lines")))["data"]
    await made(paid.tenant.post(f"{path}/credit-notes", {"lines": [{"lineId": row["lineId"], "amountMinor": 500}]}))
    assert await stands(paid) == ("open", 1_500, 0, 500)
    paid.stripe.control(f"disputes/{dispute['id']}/close", status="won")
    await paid.deliver("charge.dispute.closed")
    # 20.00 came back: 15.00 were owed, 5.00 were credited meanwhile.
    assert (await balance(paid, invoice), await stands(paid)) == ("5", ("paid", 0, 1_500, 500))
    assert await differences(paid) == []


async def test_what_the_bank_takes_back_whole_after_a_part_was_refunded_is_owed_whole_and_refunded_no_more(
    paid: Paid,
) -> None:
    invoice = await charged(paid)
    path = f"/billing/invoices/{invoice['invoiceId']}"
    (row,) = (await made(paid.tenant.get(f"{path}/lines")))["data"]
    five = {"lines": [{"lineId": row["lineId"], "amountMinor": 500}], "refundMinor": 500}
    await made(paid.tenant.post(f"{path}/credit-notes", five))
    await paid.work()
    (intent,) = paid.client.v1.payment_intents.list().data
    dispute = paid.stripe.control("disputes", payment_intent=intent.id)
    await paid.deliver("charge.dispute.created")
    # Of 20.00 that came, 25.00 are gone; 15.00 are still owed for the goods and 5.00 for what was given back.
    assert (dispute["amount"], await stands(paid)) == (2_000, ("open", 2_000, 0, 0))
    answer = await paid.tenant.post(f"{path}/credit-notes", five)
    assert (answer.status_code, answer.json()["code"]) == (422, "credit_destination_invalid")
    assert answer.json()["errors"][0]["message"] == "is more than the 0 that was paid and is left"
    paid.stripe.control(f"disputes/{dispute['id']}/close", status="won")
    await paid.deliver("charge.dispute.closed")
    assert (await balance(paid, invoice), await stands(paid)) == ("0", ("paid", 0, 2_000, 0))
    assert await differences(paid) == []
