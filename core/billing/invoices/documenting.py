"""Invoices and credit notes as documents, filled from what was written when they became final."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from cryptography.fernet import InvalidToken
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.crediting import list_credit_lines
from core.billing.invoices.documents.document import (
    Bank,
    Branding,
    Discount,
    InvoiceDocument,
    Line,
    Party,
    Tax,
    Totals,
)
from core.billing.invoices.documents.wording import language_of, reason_in
from core.billing.invoices.errors import InvoiceNotFinal
from core.billing.invoices.models import CreditNote, Invoice
from core.billing.sellers.service import settings_of
from core.foundation.zones import find_zone
from core.identity.tenants.subject_keys import find_seals

_ERASED: Mapping[str, Any] = {"seller": {}, "buyer": {"name": "(erased)"}, "taxNames": {}}
_PARTY = (
    "name", "line1", "line2", "city", "postal_code", "region", "country", "email", "phone", "website", "tax_id",
    "tax_number", "registration", "reference",
)  # fmt: skip


async def invoice_document(session: AsyncSession, invoice: Invoice) -> InvoiceDocument:
    """The invoice as it is sent. Raises InvoiceNotFinal for a draft."""
    if invoice.number is None or invoice.finalized_at is None:
        raise InvoiceNotFinal
    kept = await _kept(session, invoice)
    zone = kept["zone"]
    lines = (await session.execute(_LINES, {"tenant": invoice.tenant_id, "invoice": invoice.id})).all()
    taxes = (await session.execute(_TAXES, {"tenant": invoice.tenant_id, "invoice": invoice.id})).all()
    seller, language = kept["seller"], _language(kept)
    return InvoiceDocument(
        kind="invoice",
        state=invoice.state,  # pyright: ignore[reportArgumentType]  # the database holds it to these words
        number=invoice.number,
        issued_on=_day(invoice.finalized_at, zone),
        due_on=_day(invoice.due_at, zone) if invoice.due_at is not None else None,
        currency=invoice.currency,
        language=language,
        seller=_party(seller),
        buyer=_party(kept["buyer"]),
        lines=tuple(_line(row, zone) for row in lines),
        taxes=tuple(
            _tax(row.category, row.rate, row.taxable_minor, row.tax_minor, row.reason, kept["taxNames"], language)
            for row in taxes
        ),
        totals=Totals(
            net_minor=invoice.subtotal_minor - invoice.discount_minor,
            tax_minor=invoice.tax_minor,
            total_minor=invoice.total_minor,
            credits_minor=invoice.applied_minor,
            paid_minor=0,
            due_minor=invoice.total_minor - invoice.applied_minor,
        ),
        period_start=_day(invoice.period_start, zone) if invoice.period_start else None,
        period_end=_day(invoice.period_end, zone) if invoice.period_end else None,
        is_charged=invoice.collection == "automatic",
        bank=Bank(**seller["bank"]) if seller.get("bank") else None,
        notes=(invoice.memo,) if invoice.memo else (),
        branding=await _branding(session, invoice.tenant_id, seller),
    )


async def credit_note_document(session: AsyncSession, note: CreditNote, invoice: Invoice) -> InvoiceDocument:
    """The credit note as it is sent; it has the parties of its invoice."""
    kept = await _kept(session, invoice)
    zone, language = kept["zone"], _language(kept)
    rows = await list_credit_lines(session, note.tenant_id, note.id)
    sums: dict[tuple[str, Decimal], tuple[int, int]] = {}
    reasons: dict[tuple[str, Decimal], str | None] = {}
    for row in rows:
        reasons[row.tax_category, row.tax_rate] = row.tax_reason
        net, tax = sums.get((row.tax_category, row.tax_rate), (0, 0))
        sums[row.tax_category, row.tax_rate] = net + row.net_minor, tax + row.tax_minor
    assert invoice.finalized_at is not None
    return InvoiceDocument(
        kind="credit_note",
        state="open",
        number=note.number,
        issued_on=_day(note.issued_at, zone),
        currency=note.currency,
        language=language,
        seller=_party(kept["seller"]),
        buyer=_party(kept["buyer"]),
        lines=tuple(
            Line(
                description=row.description,
                quantity=Decimal(1),
                amount_minor=row.net_minor,
                tax_category=row.tax_category,
                tax_percent=row.tax_rate,
                tax_minor=row.tax_minor,
                period_start=_day(row.period_start, zone) if row.period_start else None,
                period_end=_day(row.period_end, zone) if row.period_end else None,
            )
            for row in rows
        ),
        taxes=tuple(
            _tax(category, percent, basis, tax, reasons[category, percent], kept["taxNames"], language)
            for (category, percent), (basis, tax) in sums.items()
        ),
        totals=Totals(
            net_minor=note.net_minor,
            tax_minor=note.tax_minor,
            total_minor=note.total_minor,
            due_minor=note.total_minor,
        ),
        corrects_number=invoice.number,
        corrects_issued_on=_day(invoice.finalized_at, zone),
        notes=(note.memo,) if note.memo else (),
        branding=await _branding(session, note.tenant_id, kept["seller"]),
    )


async def _kept(session: AsyncSession, invoice: Invoice) -> dict[str, Any]:
    where = {"tenant": invoice.tenant_id, "invoice": invoice.id}
    row = (await session.execute(_PARTIES, where)).one()
    seal = (await find_seals(session, invoice.tenant_id, [invoice.customer_id])).get(invoice.customer_id)
    parties: Mapping[str, Any] = _ERASED
    if seal is not None and row.parties:
        try:
            parties = orjson.loads(seal.open(bytes(row.parties)))
        except InvalidToken:
            parties = _ERASED
    if not parties["seller"]:
        settings = await settings_of(session, invoice.tenant_id)
        parties = {**parties, "seller": {"name": settings.legal_name or row.name}}
    return {**parties, "zone": row.zone}


async def _branding(session: AsyncSession, tenant_id: UUID, seller: Mapping[str, Any]) -> Branding:
    settings = await settings_of(session, tenant_id)
    return Branding(
        accent_color=seller.get("accent_color") or settings.accent_color,
        logo=settings.logo,
        logo_type=settings.logo_type,
        footer=seller.get("footer"),
    )


def _language(kept: Mapping[str, Any]) -> str:
    return kept["buyer"].get("language") or kept["seller"].get("language") or "en"


def _party(kept: Mapping[str, Any]) -> Party:
    return Party(**{name: kept.get(name) for name in _PARTY if name != "name"}, name=kept.get("name") or "")


def _line(row: Row[Any], zone: str) -> Line:
    arithmetic: Mapping[str, Any] = row.arithmetic or {}
    steps: Sequence[Mapping[str, Any]] = arithmetic.get("rows", [])
    is_plain = len(steps) == 1 and arithmetic.get("part") == "1"
    unit_price = Decimal(row.unit_price) if row.unit_price is not None else None
    if unit_price is None and is_plain and row.quantity is not None and Decimal(steps[0]["quantity"]) == row.quantity:
        unit_price = Decimal(steps[0]["unitPrice"])
    return Line(
        description=row.description,
        quantity=row.quantity if row.quantity is not None else Decimal(1),
        amount_minor=row.net_minor,
        tax_category=row.tax_category,
        tax_percent=row.tax_rate,
        tax_minor=row.tax_minor,
        unit_price=unit_price,
        details=()
        if is_plain
        else tuple(f"{step['quantity']} x {step['unitPrice']} = {step['amount']}" for step in steps[:10]),
        period_start=_day(row.period_start, zone) if row.period_start else None,
        period_end=_day(row.period_end, zone) if row.period_end else None,
        discounts=tuple(Discount(name=code, amount_minor=minor) for code, minor in row.discounts.items()),
    )


def _tax(
    category: str,
    rate: Decimal,
    basis: int,
    amount: int,
    reason: str | None,
    names: Mapping[str, Mapping[str, Any]],
    language: str,
) -> Tax:
    nothing: Mapping[str, Any] = {}
    named = next((names[key] for key in names if _same_rate(key, category, rate)), nothing)
    return Tax(
        name=named.get("name") or language_of(language).words["tax"],
        category=category,  # pyright: ignore[reportArgumentType]  # as tax_of said it
        percent=rate,
        basis_minor=basis,
        amount_minor=amount,
        reason=reason_in(language, reason, named.get("reasonText")) if reason else None,
        reason_code=named.get("reasonCode"),
    )


def _same_rate(key: str, category: str, rate: Decimal) -> bool:
    known, _, percent = key.partition(" ")
    return known == category and Decimal(percent) == rate


def _day(at: datetime, zone: str) -> date:
    return at.astimezone(find_zone(zone)).date()


# A line that somebody wrote is a quantity at a price; its arithmetic knows the amount alone.
_LINES = text("""
SELECT l.*, i.basis ->> 'unitPrice' AS unit_price
FROM invoice_lines l LEFT JOIN invoice_items i
  ON i.tenant_id = l.tenant_id AND i.id = l.item_id AND i.kind = 'one_off'
WHERE l.tenant_id = :tenant AND l.invoice_id = :invoice ORDER BY l.position
""")

_TAXES = text("""
SELECT category, rate, taxable_minor, tax_minor, reason FROM invoice_taxes
WHERE tenant_id = :tenant AND invoice_id = :invoice ORDER BY category, rate DESC
""")

_PARTIES = text("""
SELECT p.parties, p.inputs ->> 'zone' AS zone, t.name FROM invoice_inputs p JOIN tenants t ON t.id = p.tenant_id
WHERE p.tenant_id = :tenant AND p.invoice_id = :invoice
""")
