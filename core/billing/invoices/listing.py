"""Invoices as lists and pages read them; drafts worked out as of now."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import repository
from core.billing.invoices.bills import Bill
from core.billing.invoices.models import Invoice
from core.billing.invoices.sale import open_sale
from core.billing.invoices.working import Group, work_out_one
from core.foundation.sorting import Sort, Sorts, by_instant, by_text

SORTS: Sorts = {
    "createdAt": None,
    "number": by_text(Invoice.number),
    "finalizedAt": by_instant(Invoice.finalized_at),
    "dueAt": by_instant(Invoice.due_at),
    "open": Invoice.open_minor,
    "total": Invoice.total_minor,
}
"""What invoices may be sorted by; amounts in their own currency's minor units, whatever the currency."""


async def list_invoices(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    state: str | None,
    customer_id: UUID | None,
    subscription_id: UUID | None,
    sort: Sort,
    cursor: str | None,
    limit: int,
    number: str | None = None,
) -> Sequence[Row[Any]]:
    """Invoices with their `sort_key`, from after `cursor` on; `number`: a part of it, in whatever case."""
    statement = select(*Invoice.__table__.c).where(Invoice.tenant_id == tenant_id)
    for column, value in (
        (Invoice.state, state),
        (Invoice.customer_id, customer_id),
        (Invoice.subscription_id, subscription_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if number:
        statement = statement.where(func.strpos(func.upper(Invoice.number), number.upper()) > 0)
    return (await session.execute(sort.apply(statement, then=Invoice.id, cursor=cursor, limit=limit))).all()


async def list_lines(session: AsyncSession, invoice: Invoice, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """Lines of a final invoice from after a position on."""
    where = {"tenant": invoice.tenant_id, "invoice": invoice.id, "after": after, "limit": limit}
    return (await session.execute(_LINES, where)).all()


async def list_taxes(session: AsyncSession, invoice: Invoice) -> Sequence[Row[Any]]:
    """Its taxes by rate."""
    return (await session.execute(_TAXES, {"tenant": invoice.tenant_id, "invoice": invoice.id})).all()


async def list_waiting(
    session: AsyncSession, tenant_id: UUID, *, customer_id: UUID | None, after: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """What is on no invoice yet, in the order it was written, from after that id on."""
    where = {"tenant": tenant_id, "customer": customer_id, "after": after, "limit": limit}
    return (await session.execute(_WAITING, where)).all()


async def bill_of(session: AsyncSession, invoice: Invoice) -> Bill:
    """A draft worked out as of now."""
    items = (await repository.list_items_of(session, invoice.tenant_id, [invoice.id]))[invoice.id]
    group = Group(
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        subscription_id=invoice.subscription_id,
        bill_at=invoice.bill_at,
        items=items,
    )
    sale = await open_sale(session, invoice.tenant_id, items, customers=[invoice.customer_id])
    return await work_out_one(session, group, sale, as_of=None)


async def currency_of(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> str | None:
    """The customer's currency, else the tenant's; None for no customer of the tenant's."""
    return await session.scalar(_CURRENCY, {"tenant": tenant_id, "customer": customer_id})


_LINES = text("""
SELECT l.* FROM invoice_lines l
WHERE l.tenant_id = :tenant AND l.invoice_id = :invoice AND l.position > :after ORDER BY l.position LIMIT :limit
""")

_WAITING = text("""
SELECT id, customer_id, subscription_id, kind, code, description, currency, amount_minor, bill_at FROM invoice_items
WHERE tenant_id = :tenant AND invoice_id IS NULL
  AND (CAST(:customer AS uuid) IS NULL OR customer_id = :customer)
  AND (CAST(:after AS uuid) IS NULL OR id > :after)
ORDER BY id LIMIT :limit
""")

_TAXES = text("""
SELECT category, rate, taxable_minor, tax_minor, reason FROM invoice_taxes
WHERE tenant_id = :tenant AND invoice_id = :invoice ORDER BY category, rate DESC
""")

_CURRENCY = text("""
SELECT coalesce(c.currency, t.currency) FROM customers c JOIN tenants t ON t.id = c.tenant_id
WHERE c.tenant_id = :tenant AND c.id = :customer
""")
