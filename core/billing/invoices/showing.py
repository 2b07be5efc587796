"""Invoices, lines and credit notes as they are shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from core.billing.invoices.bills import Bill
from core.billing.invoices.models import CreditNote, Invoice
from core.billing.invoices.schemas import (
    CreditNoteAnswer,
    InvoiceAnswer,
    InvoiceDetail,
    ItemAnswer,
    LineAnswer,
    PreviewedInvoice,
    TaxAnswer,
)
from core.billing.subscriptions.models import InvoiceItem

_SAME = (
    "number", "customer_id", "subscription_id", "currency", "collection", "origin", "bill_at", "drafted_at",
    "finalize_at", "finalized_at", "due_at", "period_start", "period_end", "subtotal_minor", "discount_minor",
    "tax_minor", "total_minor", "applied_minor", "paid_minor", "credited_minor", "open_minor", "memo", "paid_at",
    "voided_at", "uncollectible_at",
)  # fmt: skip


def shown(invoice: Invoice | Row[Any]) -> InvoiceAnswer:
    """An invoice as a list shows it."""
    return InvoiceAnswer(**_fields(invoice))


def detailed(invoice: Invoice, taxes: Sequence[Row[Any]], bill: Bill | None = None) -> InvoiceDetail:
    """One invoice; with `bill`, a draft as it comes to now."""
    fields = _fields(invoice)
    if bill is None:
        return InvoiceDetail(**fields, taxes=[_tax(row) for row in taxes])
    period_start, period_end = bill.period
    fields.update(
        line_count=len(bill.lines),
        subtotal_minor=bill.subtotal_minor,
        discount_minor=bill.discount_minor,
        tax_minor=bill.tax_minor,
        total_minor=bill.total_minor,
        open_minor=bill.total_minor,
        period_start=period_start,
        period_end=period_end,
    )
    return InvoiceDetail(**fields, taxes=[_tax(tax) for tax in bill.taxes])


def lines_of(bill: Bill) -> list[LineAnswer]:
    """The lines of what is not written yet."""
    return [_line(line, None, line.discounts) for line in bill.lines]


def line_of(row: Row[Any]) -> LineAnswer:
    """A line of a final invoice."""
    return _line(row, row.id, row.discounts)


def item_answer(item: InvoiceItem | Row[Any]) -> ItemAnswer:
    """What waits to be billed, or waited."""
    return ItemAnswer(
        item_id=item.id,
        customer_id=item.customer_id,
        subscription_id=item.subscription_id,
        kind=item.kind,
        code=item.code,
        description=item.description,
        currency=item.currency,
        amount_minor=item.amount_minor,
        bill_at=item.bill_at,
    )


def previewed(bill: Bill, applied_minor: int) -> PreviewedInvoice:
    """What an invoice would say."""
    return PreviewedInvoice(
        bill_at=bill.bill_at,
        customer_id=bill.customer_id,
        subscription_id=bill.subscription_id,
        currency=bill.currency,
        lines=lines_of(bill),
        taxes=[_tax(tax) for tax in bill.taxes],
        subtotal_minor=bill.subtotal_minor,
        discount_minor=bill.discount_minor,
        tax_minor=bill.tax_minor,
        total_minor=bill.total_minor,
        applied_minor=applied_minor,
        open_minor=bill.total_minor - applied_minor,
    )


def credit_note(note: CreditNote | Row[Any], invoice_number: str | None) -> CreditNoteAnswer:
    """A credit note."""
    return CreditNoteAnswer(
        credit_note_id=note.id,
        number=note.number,
        invoice_id=note.invoice_id,
        invoice_number=invoice_number,
        customer_id=note.customer_id,
        currency=note.currency,
        reason=note.reason,
        memo=note.memo,
        net_minor=note.net_minor,
        tax_minor=note.tax_minor,
        total_minor=note.total_minor,
        to_open_minor=note.to_open_minor,
        to_wallet_minor=note.to_wallet_minor,
        to_refund_minor=note.to_refund_minor,
        issued_at=note.issued_at,
    )


def _fields(invoice: Invoice | Row[Any]) -> dict[str, Any]:
    fields = {name: getattr(invoice, name) for name in _SAME}
    if invoice.state == "void":
        # The row keeps its sum; nobody owes it any more.
        fields["open_minor"] = 0
    return {"invoice_id": invoice.id, "status": invoice.state, "line_count": invoice.lines, **fields}


def _line(line: Any, line_id: Any, discounts: Mapping[str, int]) -> LineAnswer:
    return LineAnswer(
        line_id=line_id,
        item_id=line.item_id,
        subscription_id=line.subscription_id,
        kind=line.kind,
        code=line.code,
        description=line.description,
        period_start=line.period_start,
        period_end=line.period_end,
        quantity=line.quantity,
        amount_minor=line.amount_minor,
        discounts=dict(discounts),
        discount_minor=line.discount_minor,
        net_minor=line.net_minor,
        tax_category=line.tax_category,
        tax_rate=line.tax_rate,
        tax_reason=line.tax_reason,
        tax_minor=line.tax_minor,
        arithmetic=dict(line.arithmetic) if line.arithmetic is not None else None,
    )


def _tax(row: Any) -> TaxAnswer:
    return TaxAnswer(
        category=row.category,
        rate=row.rate,
        taxable_minor=row.taxable_minor,
        tax_minor=row.tax_minor,
        reason=row.reason,
    )
