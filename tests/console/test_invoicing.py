"""An invoice as its page says it."""

from datetime import UTC, datetime

import httpx

from console import invoicing, withdrawing
from console.client import Client, Connection
from tests.support.callers import Caller
from tests.support.furnished import made

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SELLER = {"legalName": "Acme", "address": {"line1": "Main St 1", "city": "Boston", "country": "US"}}


async def test_a_draft_that_was_discarded_has_no_document_and_no_line_on_one(
    api: httpx.AsyncClient, tenant: Caller
) -> None:
    await made(tenant.put("/billing/settings/invoices", SELLER))
    customer = (await made(tenant.post("/billing/customers", {"name": "Ada"})))["customerId"]
    wanted = {"customerId": customer, "lines": [{"description": "Wrong", "amountMinor": 2_000}]}
    invoice = (await made(tenant.post("/billing/invoices", wanted)))["invoiceId"]
    console = Client(Connection(api), tenant.token, tenant_id="acme")

    draft = await invoicing.invoice(console, invoice, now=NOW)
    assert (draft.row.number, draft.has_document, len(draft.bill.lines)) == ("Draft", False, 1)
    await invoicing.act(console, invoice, "void", key="discard")
    gone = await invoicing.invoice(console, invoice, now=NOW)
    assert (gone.row.number, gone.row.status) == ("No number", "void")
    assert (gone.has_document, gone.more_lines) == (False, 0)
    kept = await made(tenant.post("/billing/invoices", {**wanted, "finalize": True}))
    assert (await invoicing.invoice(console, kept["invoiceId"], now=NOW)).has_document


async def test_what_somebody_wrote_is_withdrawn_while_it_waits_and_from_a_draft(
    api: httpx.AsyncClient, tenant: Caller
) -> None:
    await made(tenant.put("/billing/settings/invoices", SELLER))
    customer = (await made(tenant.post("/billing/customers", {"name": "Ada"})))["customerId"]
    lines = [{"description": text, "amountMinor": amount} for text, amount in (("Right", 2_000), ("Wrong", 700))]
    await made(tenant.post("/billing/invoices/items", {"customerId": customer, "currency": "USD", "lines": lines}))
    console = Client(Connection(api), tenant.token, tenant_id="acme")

    waiting = await withdrawing.waiting(console, customer, now=NOW)
    assert [(one.what, one.amount, one.by_hand) for one in waiting] == [
        ("Right", "20.00 USD", True),
        ("Wrong", "7.00 USD", True),
    ]
    await withdrawing.withdraw(console, waiting[1].item_id)
    assert [one.what for one in await withdrawing.waiting(console, customer, now=NOW)] == ["Right"]

    wanted = {"customerId": customer, "currency": "USD", "lines": lines}
    draft = (await made(tenant.post("/billing/invoices", wanted)))["invoiceId"]
    written = await withdrawing.on_draft(console, draft, "USD", now=NOW)
    assert [one.what for one in written] == ["Right", "Wrong"]
    await withdrawing.withdraw(console, written[1].item_id, invoice_id=draft)
    assert [one.what for one in await withdrawing.on_draft(console, draft, "USD", now=NOW)] == ["Right"]
    assert (await invoicing.invoice(console, draft, now=NOW)).bill.total.amount == "20.00 USD"
