"""How an invoice was paid, as its page says it, and what may be done about it."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from console import collecting
from console.client import ApiRefused, Client, Connection
from tests.support.callers import Caller
from tests.support.furnished import made

NOW = datetime(2026, 1, 31, tzinfo=UTC)
NOBODY = "019b0000-0000-7000-8000-000000000000"
SELLER = {"legalName": "Acme", "address": {"line1": "Main St 1", "city": "Boston", "country": "US"}}


def refund(
    name: str,
    status: str,
    amount_minor: int = 500,
    note: str | None = "n1",
    settled_minor: int = 0,
    origin: str = "requested",
) -> dict[str, Any]:
    failure = "expired_or_canceled_card" if status == "failed" else None
    return {
        "refundId": name,
        "status": status,
        "origin": origin,
        "amountMinor": amount_minor,
        "settledMinor": settled_minor,
        "creditNoteId": note,
        "failureCode": failure,
    }


def payment(means: str, status: str, refunds: tuple[dict[str, Any], ...] = (), **fields: Any) -> dict[str, Any]:
    tries = [{"number": 1, "status": status, "failureCode": None, "concludedAt": None, "createdAt": NOW.isoformat()}]
    return {
        "paymentId": f"{means} {status}",
        "means": means,
        "status": status,
        "amountMinor": 2_000,
        "currency": "USD",
        "reference": None,
        "receivedAt": None,
        "attempts": tries if means == "intent" else [],
        "refunds": list(refunds),
        **fields,
    }


def test_only_a_record_by_hand_that_holds_is_taken_back() -> None:
    rows = collecting.paid(
        [
            payment("intent", "succeeded"),
            payment("by_hand", "succeeded", reference="DE-1"),
            payment("by_hand", "canceled", reference="DE-2"),
        ],
        now=NOW,
    )
    assert [(row.means, row.status, row.why, row.deed) for row in rows] == [
        ("By hand", "taken back", "DE-2", ""),
        ("By hand", "succeeded", "DE-1", "take-back"),
        ("Card, try 1", "succeeded", "", ""),
    ]
    assert rows[1].subject == "by_hand succeeded"


def test_a_refused_refund_is_tried_again_until_another_one_stands_for_it() -> None:
    refunds = (
        refund("a", "failed"),
        refund("b", "succeeded", 300),
        refund("c", "canceled", 700, None),
        refund("d", "failed", 700, "n2"),
        refund("e", "pending", 700, "n2"),
        refund("f", "failed", 700, "n3", 700),
        refund("g", "failed", 700, "n4", 300),
        refund("h", "failed", 700, None, origin="duplicate"),
        refund("i", "failed", 100, None, origin="reported"),
        refund("j", "succeeded", 100, None, origin="reported"),
    )
    rows = collecting.paid([payment("intent", "succeeded", refunds)], now=NOW)
    assert {row.subject: row.deed for row in rows if row.means == "Refund"} == {
        "a": "", "b": "", "c": "retry", "d": "", "e": "", "f": "", "g": "retry", "h": "retry", "i": "", "j": "",
    }  # fmt: skip
    assert (rows[-2].why, rows[-2].amount) == ("expired or canceled card", "−5.00 USD")
    assert rows[3].why == "expired or canceled card; 3.00 USD was given back otherwise"


async def test_a_payment_that_was_given_back_is_not_taken_back_and_that_is_said_kindly(
    api: httpx.AsyncClient, tenant: Caller
) -> None:
    await made(tenant.put("/billing/settings/invoices", SELLER))
    ada = {"name": "Ada", "email": "ada@customer.test"}
    customer = (await made(tenant.post("/billing/customers", ada)))["customerId"]
    wanted = {"customerId": customer, "lines": [{"description": "W", "amountMinor": 2_000}], "finalize": True}
    invoice = (await made(tenant.post("/billing/invoices", wanted)))["invoiceId"]
    path = f"/billing/invoices/{invoice}"
    console = Client(Connection(api), tenant.token, tenant_id="acme")

    await collecting.record(console, invoice, amount_minor=2_000, reference="DE-1")
    (row,) = await collecting.payments_of(console, invoice, now=NOW)
    await collecting.take_back(console, invoice, row.subject)
    assert (await made(tenant.get(path)))["status"] == "open"
    await collecting.record(console, invoice, amount_minor=2_000, reference="DE-1")
    row, former = await collecting.payments_of(console, invoice, now=NOW)
    assert (row.deed, former.status) == ("take-back", "taken back")
    await made(tenant.post(f"{path}/credit-notes", {"refundMinor": 500}))
    with pytest.raises(ApiRefused) as refused:
        await collecting.take_back(console, invoice, row.subject)
    assert (refused.value.code, refused.value.advice) == ("payment_given_back", collecting.GIVEN_BACK)
    with pytest.raises(ApiRefused) as refused:
        await collecting.retry(console, invoice, NOBODY)
    assert refused.value.code == "refund_not_found"
