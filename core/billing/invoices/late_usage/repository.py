"""Late usage: what is read of it, and of what it corrects."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.subscriptions.models import InvoiceItem


async def next_due(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """When the first late usage is to be corrected, of customers that are not parked."""
    return await session.scalar(_NEXT_DUE, {"tenant": tenant_id})


async def tenants_due(session: AsyncSession, *, now: datetime) -> list[UUID]:
    """Tenants with late usage to correct by now; as the reading operator."""
    return list(await session.scalars(_TENANTS_DUE, {"now": now}))


async def lock_customers(session: AsyncSession, tenant_id: UUID, *, now: datetime, most: int) -> list[UUID]:
    """Customers with late usage that is due and whom no other worker has; where others have all, the first of them."""
    due = list(await session.scalars(_CUSTOMERS, {"tenant": tenant_id, "now": now, "most": most}))
    locked = [one for one in due if await session.scalar(_TRY, {"tenant": tenant_id, "customer": one})]
    if due and not locked:
        await session.execute(_WAIT, {"tenant": tenant_id, "customer": due[0]})
        locked = due[:1]
    return locked


async def list_marked(session: AsyncSession, tenant_id: UUID, customers: Collection[UUID]) -> list[UUID]:
    """Those of the customers of whom late usage is noted, due or not."""
    return list(await session.scalars(_MARKED, {"tenant": tenant_id, "customers": list(customers)}))


async def list_marks(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> dict[UUID, datetime]:
    """The items of a customer whose usage is to be looked at, each with when that is due."""
    rows = await session.execute(_MARKS, {"tenant": tenant_id, "customer": customer_id})
    return {row.item_id: row.due_at for row in rows}


async def take_marks(session: AsyncSession, tenant_id: UUID, customer_id: UUID, *, until: datetime) -> list[UUID]:
    """The items of a customer whose usage is to be looked at; their notes are gone."""
    where = {"tenant": tenant_id, "customer": customer_id, "until": until}
    return list(await session.scalars(_TAKE, where))


async def list_items(session: AsyncSession, tenant_id: UUID, items: Collection[UUID]) -> list[InvoiceItem]:
    """These items, by subscription and period."""
    found = await session.scalars(
        select(InvoiceItem)
        .where(InvoiceItem.tenant_id == tenant_id, InvoiceItem.id.in_(items))
        .order_by(InvoiceItem.subscription_id, InvoiceItem.ordinal, InvoiceItem.period_start, InvoiceItem.id)
    )
    return list(found)


async def list_floors(session: AsyncSession, item: InvoiceItem) -> list[InvoiceItem]:
    """The minimums of an item's period and the commitment that the period counts for, where they are to be billed.

    A period has several minimums where it was paused and went on: what came before the pause counts for the later too.
    """
    where = {"tenant": item.tenant_id, "subscription": item.subscription_id, "ordinal": item.ordinal}
    ids = list(await session.scalars(_FLOORS, where))
    # A minimum counts for a commitment: it comes first.
    return sorted(await list_items(session, item.tenant_id, ids), key=lambda one: one.kind == "commitment")


async def standing_of(session: AsyncSession, tenant_id: UUID, items: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """Of items on final invoices that are owed: invoice_id, number, line_id; as_of: up to when they are billed."""
    rows = await session.execute(_STANDING, {"tenant": tenant_id, "ids": list(items)})
    return {row.item_id: row for row in rows}


async def next_bill(session: AsyncSession, tenant_id: UUID, subscription_id: UUID) -> datetime | None:
    """When a subscription is billed next; None where nothing is to come of it."""
    return await session.scalar(_NEXT_BILL, {"tenant": tenant_id, "subscription": subscription_id})


async def credited_of(session: AsyncSession, tenant_id: UUID, items: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """Of items their line's amounts, what all credit notes took of it, what corrections took, what they added."""
    rows = await session.execute(_CREDITED, {"tenant": tenant_id, "ids": list(items)})
    return {row.item_id: row for row in rows}


async def list_corrections(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> Sequence[Row[Any]]:
    """The trail of what was corrected of an invoice, the first one first."""
    return (await session.execute(_TRAIL, {"tenant": tenant_id, "invoice": invoice_id})).all()


_NOT_PARKED = """
  AND NOT EXISTS (SELECT FROM parked_customers p WHERE p.tenant_id = i.tenant_id AND p.customer_id = i.customer_id
                    AND p.resolved_at IS NULL)
"""
_OF = "FROM late_usage l JOIN invoice_items i ON i.tenant_id = l.tenant_id AND i.id = l.item_id"

_NEXT_DUE = text(f"SELECT min(l.due_at) {_OF} WHERE l.tenant_id = :tenant {_NOT_PARKED}")  # our own text

_TENANTS_DUE = text(f"""
SELECT DISTINCT l.tenant_id {_OF} LEFT JOIN tenant_clocks c ON c.tenant_id = l.tenant_id
WHERE l.due_at <= coalesce(c.now_at, :now) {_NOT_PARKED}
""")

_CUSTOMERS = text(f"""
SELECT i.customer_id {_OF} WHERE l.tenant_id = :tenant AND l.due_at <= :now {_NOT_PARKED}
GROUP BY i.customer_id ORDER BY min(l.due_at), i.customer_id LIMIT :most
""")

# The lock is that of the run: a customer is billed or corrected by one worker at a time.
_TRY = text("""
SELECT pg_try_advisory_xact_lock(hashtextextended(CAST(:tenant AS text) || CAST(:customer AS text), 16))
""")

_WAIT = text("""
SELECT pg_advisory_xact_lock(hashtextextended(CAST(:tenant AS text) || CAST(:customer AS text), 16))
""")

_MARKED = text(f"""
SELECT DISTINCT i.customer_id {_OF} WHERE l.tenant_id = :tenant AND i.customer_id = ANY(:customers)
ORDER BY i.customer_id
""")

_MARKS = text(f"SELECT l.item_id, l.due_at {_OF} WHERE l.tenant_id = :tenant AND i.customer_id = :customer")

_TAKE = text("""
DELETE FROM late_usage l USING invoice_items i
WHERE l.tenant_id = :tenant AND i.tenant_id = l.tenant_id AND i.id = l.item_id AND i.customer_id = :customer
  AND l.due_at <= :until
RETURNING l.item_id
""")

_FLOORS = text("""
WITH RECURSIVE minimums AS (
    SELECT id, ordinal, CAST(basis ->> 'keeps' AS timestamptz) AS keeps FROM invoice_items
    WHERE tenant_id = :tenant AND subscription_id = :subscription AND kind = 'minimum' AND ordinal = :ordinal
    UNION ALL
    SELECT i.id, i.ordinal, CAST(i.basis ->> 'keeps' AS timestamptz)
    FROM minimums m JOIN invoice_items i ON i.kind = 'minimum' AND i.ordinal = m.ordinal + 1
    WHERE i.tenant_id = :tenant AND i.subscription_id = :subscription AND i.period_start < m.keeps
)
SELECT id FROM minimums
UNION ALL
SELECT id FROM invoice_items
WHERE tenant_id = :tenant AND subscription_id = :subscription AND kind = 'commitment' AND ordinal >= :ordinal
  AND CAST(basis ->> 'fromOrdinal' AS bigint) <= :ordinal
""")

_STANDING = text("""
SELECT i.id AS item_id, v.id AS invoice_id, v.number, l.id AS line_id,
       coalesce((SELECT max(c.as_of) FROM late_corrections c WHERE c.tenant_id = i.tenant_id AND c.item_id = i.id),
                p.as_of) AS as_of
FROM invoice_items i
JOIN invoices v ON v.tenant_id = i.tenant_id AND v.id = i.invoice_id AND v.number IS NOT NULL AND v.state <> 'void'
JOIN invoice_inputs p ON p.tenant_id = v.tenant_id AND p.invoice_id = v.id
LEFT JOIN invoice_lines l ON l.tenant_id = i.tenant_id AND l.item_id = i.id
WHERE i.tenant_id = :tenant AND i.id = ANY(:ids)
""")

_NEXT_BILL = text("""
SELECT coalesce((SELECT min(i.bill_at) FROM invoice_items i
                 WHERE i.tenant_id = s.tenant_id AND i.subscription_id = s.id AND i.invoice_id IS NULL),
                CASE WHEN s.state IN ('trialing', 'active', 'past_due') THEN s.current_period_end END)
FROM subscriptions s WHERE s.tenant_id = :tenant AND s.id = :subscription
""")

_CREDITED = text("""
SELECT l.item_id, l.id AS line_id, l.invoice_id, l.amount_minor, l.net_minor,
       coalesce((SELECT sum(n.net_minor) FROM credit_note_lines n
                 WHERE n.tenant_id = l.tenant_id AND n.invoice_line_id = l.id), 0)::bigint AS taken_minor,
       coalesce((SELECT sum(CAST(e ->> 'amountMinor' AS bigint))
                 FROM late_corrections c, jsonb_array_elements(c.credited) AS e
                 WHERE c.tenant_id = l.tenant_id AND c.item_id = l.item_id), 0)::bigint AS corrected_minor,
       EXISTS (SELECT FROM late_corrections c
               WHERE c.tenant_id = l.tenant_id AND c.item_id = l.item_id AND c.correction_item_id IS NOT NULL) AS billed
FROM invoice_lines l WHERE l.tenant_id = :tenant AND l.item_id = ANY(:ids)
""")

_TRAIL = text("""
SELECT c.id, c.item_id, i.kind, i.code, i.description, i.period_start, i.period_end, i.currency, c.as_of_before,
       c.as_of, c.amount_minor, c.inputs, c.correction_item_id, c.credited, c.occurred_at,
       t.invoice_id AS corrected_on, b.number AS corrected_on_number, t.bill_at
FROM late_corrections c
JOIN invoice_items i ON i.tenant_id = c.tenant_id AND i.id = c.item_id
LEFT JOIN invoice_items t ON t.tenant_id = c.tenant_id AND t.id = c.correction_item_id
LEFT JOIN invoices b ON b.tenant_id = t.tenant_id AND b.id = t.invoice_id
WHERE c.tenant_id = :tenant AND c.invoice_id = :invoice ORDER BY c.id
""")
