"""Invoices and credit notes: asked of the API and spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console import bills, customers
from console.amounts import in_minor
from console.bills import Bill, Sum
from console.client import PAGE_ROWS, Client
from console.figures import Moment, minor_money, moment

Json = Mapping[str, Any]

ADDRESS = "/billing/invoices"
COLUMNS = {
    "Number": "number",
    "Invoice": "invoiceId",
    "Customer": "customerId",
    "State": "status",
    "Currency": "currency",
    "Total": "totalMinor",
    "Tax": "taxMinor",
    "Open": "openMinor",
    "Finalized": "finalizedAt",
    "Due": "dueAt",
}
LINES = 200
CAUSES = {
    "line": "a line was altered",
    "event": "a usage event was altered",
    "price": "a price was altered",
    "tax": "a tax rate was altered",
}


@dataclass
class InvoiceRow:
    """An invoice in a list."""

    invoice_id: str = ""
    number: str = ""
    customer: str = ""
    customer_id: str = ""
    status: str = ""
    total: str = ""
    open: str = ""
    is_open: bool = False
    is_overdue: bool = False
    at: Moment = field(default_factory=Moment)
    due: Moment = field(default_factory=Moment)


@dataclass
class InvoicePage:
    """One page of invoices."""

    rows: list[InvoiceRow] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class CreditNote:
    """A credit note of the invoice."""

    credit_note_id: str = ""
    number: str = ""
    total: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class Invoice:
    """One invoice, whole."""

    row: InvoiceRow = field(default_factory=InvoiceRow)
    bill: Bill = field(default_factory=Bill)
    settled: list[Sum] = field(default_factory=list)
    open: str = ""
    currency: str = ""
    finalizes: Moment = field(default_factory=Moment)
    paid: Moment = field(default_factory=Moment)
    subscription_id: str = ""
    memo: str = ""
    more_lines: int = 0
    has_document: bool = False
    """A draft has none yet, and one that was discarded never gets any."""
    notes: list[CreditNote] = field(default_factory=list)


@dataclass
class Skipped:
    """Numbers one after the other that no document has."""

    first: str = ""
    last: str = ""
    count: str = ""
    reason: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class Drift:
    """A difference that the recomputation found."""

    line: str = ""
    cause: str = ""
    detail: str = ""


@dataclass
class Recomputed:
    """What the recomputation of one invoice said."""

    number: str = ""
    drifted: bool = False
    drifts: list[Drift] = field(default_factory=list)


async def invoices(
    api: Client,
    *,
    status: str = "",
    customer_id: str = "",
    number: str = "",
    sort: str = "",
    cursor: str = "",
    now: datetime,
) -> InvoicePage:
    """One page."""
    asked = {"status": status, "customerId": customer_id, "number": number, "sort": sort}
    body = await api.get_own(ADDRESS, **asked, cursor=cursor, limit=PAGE_ROWS)
    known = await customers.names(api, body["data"])
    return InvoicePage(rows=[_row(one, known, now) for one in body["data"]], next_cursor=body["nextCursor"] or "")


async def skipped(api: Client, *, now: datetime) -> list[Skipped]:
    """The numbers that nobody has; what a restore skips is one row of each series."""
    body = await api.get_own("/billing/skipped-numbers", limit=PAGE_ROWS)
    return [
        Skipped(one["first"], one["last"], f"{one['count']:,}", one["reason"], moment(one["occurredAt"], now))
        for one in body["data"]
    ]


async def invoice(api: Client, invoice_id: str, *, now: datetime) -> Invoice:
    """One of them, with its lines and what was taken back of it."""
    body = await api.get_own(f"{ADDRESS}/{invoice_id}")
    lines = await api.get_own(f"{ADDRESS}/{invoice_id}/lines", limit=LINES)
    notes = await api.every_own("/billing/credit-notes", invoiceId=invoice_id)
    return _invoice(body, lines, notes, await customers.names(api, [body]), now)


async def act(api: Client, invoice_id: str, what: str, *, key: str) -> None:
    """`finalize`, `void` or `uncollectible`."""
    await api.change("POST", f"{ADDRESS}/{invoice_id}/{what}", headers={"idempotency-key": key})


async def credit(api: Client, invoice: Invoice, form: Mapping[str, str], *, key: str) -> str:
    """Take lines back as the form says; the number of the credit note."""
    given = {name: str(value or "").strip() for name, value in form.items()}
    lines = [
        {"lineId": line.line_id, "amountMinor": in_minor(amount, invoice.currency)}
        for line in invoice.bill.lines
        if (amount := given.get(f"line-{line.line_id}", ""))
    ]
    wanted: dict[str, Any] = {"lines": lines} if lines else {}
    for name in ("refund", "wallet"):
        if amount := given.get(name, ""):
            wanted[f"{name}Minor"] = in_minor(amount, invoice.currency)
    if memo := given.get("memo", ""):
        wanted["memo"] = memo
    address = f"{ADDRESS}/{invoice.row.invoice_id}/credit-notes"
    return str((await api.change("POST", address, json=wanted, headers={"idempotency-key": key}))["number"])


async def add_line(api: Client, invoice: Invoice, form: Mapping[str, str], *, key: str) -> None:
    """Write a line on a draft."""
    address = f"{ADDRESS}/{invoice.row.invoice_id}/lines"
    await api.change("POST", address, json={"lines": [line_of(form)]}, headers={"idempotency-key": key})


async def write(api: Client, form: Mapping[str, str], *, key: str) -> str:
    """A draft by hand, with its first line; its id."""
    wanted = {"customerId": form.get("customer", ""), "lines": [line_of(form)]}
    wanted |= {name: value for name in ("collection", "memo") if (value := str(form.get(name) or "").strip())}
    return str((await api.change("POST", ADDRESS, json=wanted, headers={"idempotency-key": key}))["invoiceId"])


def line_of(form: Mapping[str, str]) -> dict[str, str]:
    """A line as somebody writes it; what is missing is the API's to name."""
    names = ("description", "quantity", "unitPrice", "taxCode")
    return {name: value for name in names if (value := str(form.get(name) or "").strip())}


async def recompute(api: Client, invoice_id: str) -> Recomputed:
    """Work it out anew from raw events and price versions."""
    body = await api.get_own(f"{ADDRESS}/{invoice_id}/recomputation")
    drifts = [
        Drift(one["line"] or "", CAUSES.get(one["cause"], str(one["cause"]).replace("_", " ")), one["detail"])
        for one in body["drifts"]
    ]
    return Recomputed(body["number"], body["drifted"], drifts)


def _row(body: Json, known: Mapping[str, str], now: datetime) -> InvoiceRow:
    due = moment(body["dueAt"], now)
    return InvoiceRow(
        invoice_id=body["invoiceId"],
        number=body["number"] or ("No number" if body["status"] == "void" else "Draft"),
        customer=known.get(body["customerId"], body["customerId"]),
        customer_id=body["customerId"],
        status=body["status"],
        total=minor_money(body["totalMinor"], body["currency"]),
        open=minor_money(body["openMinor"], body["currency"]),
        is_open=body["status"] == "open" and body["openMinor"] > 0,
        is_overdue=body["status"] == "open" and due.relative.endswith("ago"),
        at=moment(body["finalizedAt"] or body["draftedAt"], now),
        due=due,
    )


def _invoice(body: Json, lines: Json, notes: list[dict[str, Any]], known: Mapping[str, str], now: datetime) -> Invoice:
    currency, discarded = body["currency"], body["status"] == "void" and body["number"] is None
    settled = (("Credits used", "appliedMinor"), ("Paid", "paidMinor"), ("Taken back by credit notes", "creditedMinor"))
    return Invoice(
        row=_row(body, known, now),
        currency=currency,
        bill=bills.invoice(body, lines["data"]),
        settled=[Sum(name, minor_money(-body[key], currency)) for name, key in settled if body[key]],
        open=minor_money(body["openMinor"], currency),
        finalizes=moment(body["finalizeAt"], now) if body["status"] == "draft" else Moment(),
        paid=moment(body["paidAt"], now),
        subscription_id=body["subscriptionId"] or "",
        memo=body["memo"] or "",
        more_lines=0 if discarded else max(0, body["lineCount"] - len(lines["data"])),
        has_document=body["number"] is not None,
        notes=[
            CreditNote(
                one["creditNoteId"],
                one["number"],
                minor_money(one["totalMinor"], one["currency"]),
                moment(one["issuedAt"], now),
            )
            for one in notes
        ],
    )
