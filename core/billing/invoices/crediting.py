"""Credit notes: lines of a final invoice taken back, wholly or in part, with their tax.

The part of a line's tax follows the part of the line, by the running sum: what several notes take of a line comes to
its tax exactly once all of it is taken. The total goes off what is open first; the rest into the wallet, or back by
the payment provider where that is asked for and was paid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits.invoicing import credit_from_invoice
from core.billing.invoices.errors import (
    CreditDestinationInvalid,
    CreditEmpty,
    CreditNoteNotFound,
    CreditTooLarge,
    InvoiceNotFinal,
    InvoiceStateRefused,
)
from core.billing.invoices.models import CreditNote, CreditNoteLine, Invoice
from core.billing.invoices.numbering import format_number, take_numbers
from core.billing.invoices.service import credit_off, get_invoice
from core.billing.invoices.telling import tell_credit_note
from core.billing.sellers.service import settings_of
from core.foundation.errors import InvalidInput
from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.foundation.money import round_to_whole


@dataclass(frozen=True, slots=True)
class Taken:
    """Of a line: before tax, and the tax."""

    line_id: UUID
    net_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where the total goes; None: off what is open as far as it goes, the rest into the wallet."""

    refund_minor: int = 0
    wallet_minor: int | None = None


async def issue(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    invoice_id: UUID,
    lines: Mapping[UUID, int | None] | None,
    to: Destinations,
    reason: str,
    memo: str | None,
    by: UUID | None,
    now: datetime,
) -> CreditNote:
    """Takes lines back: of each the amount before tax, None for all that is left; without `lines` all that is left.

    Raises InvoiceNotFinal, InvoiceStateRefused, CreditTooLarge, CreditEmpty, CreditDestinationInvalid.
    """
    invoice = await get_invoice(session, tenant_id, invoice_id, lock=True)
    if invoice.state == "draft":
        raise InvoiceNotFinal
    if invoice.state == "void":
        raise InvoiceStateRefused("void", "credited", "nothing is owed of it any more")
    taken = await _take(session, invoice, lines)
    net_minor, tax_minor = sum(one.net_minor for one in taken), sum(one.tax_minor for one in taken)
    total_minor = net_minor + tax_minor
    if total_minor <= 0:
        raise CreditEmpty
    refunded = await session.scalar(_REFUNDED, {"tenant": tenant_id, "invoice": invoice_id}) or 0
    to_open, to_wallet, to_refund = _destinations(invoice, total_minor, to, refunded_minor=refunded)
    settings = await settings_of(session, tenant_id)
    series, note_id = settings.credit_note_prefix, new_id()
    (sequence,) = await take_numbers(
        session, tenant_id=tenant_id, series=series, kind="credit_note", documents=[note_id], now=now
    )
    note = CreditNote(
        tenant_id=tenant_id,
        id=note_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        series=series,
        sequence=sequence,
        number=format_number(series, sequence, digits=settings.number_digits),
        reason=reason,
        memo=memo,
        net_minor=net_minor,
        tax_minor=tax_minor,
        total_minor=total_minor,
        to_open_minor=to_open,
        to_wallet_minor=to_wallet,
        to_refund_minor=to_refund,
        issued_at=now,
        created_by=by,
    )
    session.add(note)
    await session.flush()
    await session.execute(
        insert(CreditNoteLine),
        [
            {
                "tenant_id": tenant_id,
                "id": new_id(),
                "credit_note_id": note.id,
                "invoice_line_id": one.line_id,
                "net_minor": one.net_minor,
                "tax_minor": one.tax_minor,
            }
            for one in taken
        ],
    )
    if to_wallet:
        await credit_from_invoice(
            session,
            tenant_id=tenant_id,
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            amount_minor=to_wallet,
            cause_id=note.id,
            now=now,
            paid_of=invoice.id,
            earlier=list(await session.scalars(_NOTES, {"tenant": tenant_id, "invoice": invoice_id})),
        )
    await credit_off(session, invoice, to_open, now=now)
    await tell_credit_note(session, note, invoice, now=now)
    if to_refund:
        await defer(session, "payments:refund_note", tenant_id=str(tenant_id), credit_note_id=str(note.id))
    return note


async def get_credit_note(session: AsyncSession, tenant_id: UUID, credit_note_id: UUID) -> CreditNote:
    """A credit note of the tenant's. Raises CreditNoteNotFound."""
    found = await session.get(CreditNote, (tenant_id, credit_note_id))
    if found is None:
        raise CreditNoteNotFound
    return found


async def list_credit_notes(
    session: AsyncSession, tenant_id: UUID, *, invoice_id: UUID | None, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Credit notes, newest first."""
    where = {"tenant": tenant_id, "invoice": invoice_id, "before": before, "limit": limit}
    return (await session.execute(_LIST, where)).all()


async def list_credit_lines(session: AsyncSession, tenant_id: UUID, credit_note_id: UUID) -> Sequence[Row[Any]]:
    """The lines of a note with those they take back."""
    return (await session.execute(_LINES, {"tenant": tenant_id, "note": credit_note_id})).all()


async def _take(session: AsyncSession, invoice: Invoice, lines: Mapping[UUID, int | None] | None) -> list[Taken]:
    rows = (await session.execute(_LEFT, {"tenant": invoice.tenant_id, "invoice": invoice.id})).all()
    known = {row.id: row for row in rows}
    for line_id in lines or {}:
        if line_id not in known:
            raise InvalidInput("lines", f"name {line_id}, which is no line of this invoice")
    taken: list[Taken] = []
    for row in rows:
        if lines is not None and row.id not in lines:
            continue
        left_minor = row.net_minor - row.taken_net
        wanted = lines.get(row.id) if lines is not None else None
        net_minor = left_minor if wanted is None else wanted
        if abs(net_minor) > abs(left_minor) or net_minor * left_minor < 0:
            raise CreditTooLarge(f"the line {row.description!r}", left_minor)
        tax_minor = _tax(row, row.taken_net + net_minor) - row.taken_tax
        if net_minor or tax_minor:
            taken.append(Taken(row.id, net_minor, tax_minor))
    return taken


def _tax(row: Row[Any], net_minor: int) -> int:
    if not row.net_minor:
        return row.tax_minor
    return round_to_whole(row.tax_minor * Fraction(net_minor, row.net_minor))


def _destinations(invoice: Invoice, total_minor: int, to: Destinations, *, refunded_minor: int) -> tuple[int, int, int]:
    owed_minor = invoice.open_minor if invoice.state in ("open", "uncollectible") else 0
    refundable_minor = max(0, invoice.paid_minor - refunded_minor)  # a bank may take back what was refunded before
    if to.refund_minor > refundable_minor:
        raise CreditDestinationInvalid("refundMinor", f"is more than the {refundable_minor} that was paid and is left")
    rest_minor = total_minor - to.refund_minor
    wallet_minor = max(0, rest_minor - owed_minor) if to.wallet_minor is None else to.wallet_minor
    open_minor = rest_minor - wallet_minor
    if rest_minor < 0 or not 0 <= open_minor <= owed_minor:
        raise CreditDestinationInvalid(
            "walletMinor", f"and refundMinor must leave from 0 to {owed_minor}, which is open, of {total_minor}"
        )
    return open_minor, wallet_minor, to.refund_minor


_LEFT = text("""
SELECT l.id, l.description, l.net_minor, l.tax_minor, coalesce(t.net, 0)::bigint AS taken_net,
       coalesce(t.tax, 0)::bigint AS taken_tax
FROM invoice_lines l
LEFT JOIN LATERAL (
    SELECT sum(c.net_minor) AS net, sum(c.tax_minor) AS tax FROM credit_note_lines c
    WHERE c.tenant_id = l.tenant_id AND c.invoice_line_id = l.id) t ON true
WHERE l.tenant_id = :tenant AND l.invoice_id = :invoice ORDER BY l.position
""")

_REFUNDED = text("""
SELECT sum(to_refund_minor)::bigint FROM credit_notes WHERE tenant_id = :tenant AND invoice_id = :invoice
""")

_NOTES = text("SELECT id FROM credit_notes WHERE tenant_id = :tenant AND invoice_id = :invoice")

_LIST = text("""
SELECT c.*, i.number AS invoice_number FROM credit_notes c
JOIN invoices i ON i.tenant_id = c.tenant_id AND i.id = c.invoice_id
WHERE c.tenant_id = :tenant AND (CAST(:invoice AS uuid) IS NULL OR c.invoice_id = :invoice)
  AND (CAST(:before AS uuid) IS NULL OR c.id < :before)
ORDER BY c.id DESC LIMIT :limit
""")

_LINES = text("""
SELECT c.invoice_line_id, c.net_minor, c.tax_minor, l.position, l.code, l.description, l.quantity, l.tax_category,
       l.tax_rate, l.tax_reason, l.period_start, l.period_end
FROM credit_note_lines c
JOIN invoice_lines l ON l.tenant_id = c.tenant_id AND l.id = c.invoice_line_id
WHERE c.tenant_id = :tenant AND c.credit_note_id = :note ORDER BY l.position
""")
