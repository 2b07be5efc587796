"""Invoices: what is read of them, and what many rows are written by at once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy import CursorResult, Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.subscriptions.models import InvoiceItem

_LINES_AT_ONCE = 5_000


async def next_bill(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """When the first thing that waits is to be billed, of customers that are not parked."""
    return await session.scalar(_NEXT_BILL, {"tenant": tenant_id})


async def next_final(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """When the grace of the first draft is over, of customers that are not parked."""
    return await session.scalar(_NEXT_FINAL, {"tenant": tenant_id})


async def tenants_to_bill(session: AsyncSession, *, now: datetime) -> list[UUID]:
    """Tenants with something to be billed by now; as the reading operator."""
    return list(await session.scalars(_TENANTS_TO_BILL, {"now": now}))


async def tenants_to_finalize(session: AsyncSession, *, now: datetime) -> list[UUID]:
    """Tenants with drafts whose grace is over; as the reading operator."""
    return list(await session.scalars(_TENANTS_TO_FINALIZE, {"now": now}))


async def lock_customers_to_bill(session: AsyncSession, tenant_id: UUID, *, now: datetime, most: int) -> list[UUID]:
    """Customers with something due, that no other worker has; locked until the transaction ends."""
    where = {"tenant": tenant_id, "now": now, "most": most, "window": most * 40}
    return list(await session.scalars(_LOCK_CUSTOMERS, where))


async def wait_for_customer(session: AsyncSession, tenant_id: UUID, *, now: datetime) -> list[UUID]:
    """The customer that is due first, once whoever has it is done; none where nothing is due."""
    customer_id = await session.scalar(_FIRST_CUSTOMER, {"tenant": tenant_id, "now": now})
    if customer_id is None:
        return []
    await lock_customer_to_bill(session, tenant_id, customer_id)
    return [customer_id]


async def lock_customer_to_bill(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> None:
    """Waits until no run has this customer; none takes what waits for it until the transaction ends."""
    await session.execute(_WAIT_FOR_CUSTOMER, {"tenant": tenant_id, "customer": customer_id})


async def list_waiting(
    session: AsyncSession, tenant_id: UUID, *, customers: Collection[UUID], now: datetime
) -> list[InvoiceItem]:
    """What is due and on no invoice, of these customers."""
    rows = await session.execute(
        _WAITING.columns(*InvoiceItem.__table__.columns),
        {"tenant": tenant_id, "customers": list(customers), "now": now},
    )
    return [InvoiceItem(**row) for row in rows.mappings()]


async def list_items_of(
    session: AsyncSession, tenant_id: UUID, invoices: Collection[UUID]
) -> dict[UUID, list[InvoiceItem]]:
    """What is on these invoices."""
    found: dict[UUID, list[InvoiceItem]] = {invoice: [] for invoice in invoices}
    rows = await session.execute(
        _ITEMS_OF.columns(*InvoiceItem.__table__.columns), {"tenant": tenant_id, "invoices": list(invoices)}
    )
    for row in rows.mappings():
        item = InvoiceItem(**row)
        assert item.invoice_id is not None
        found[item.invoice_id].append(item)
    return found


async def lock_drafts(session: AsyncSession, tenant_id: UUID, *, now: datetime, most: int) -> list[UUID]:
    """Drafts whose grace is over and that no other worker has; locked until the transaction ends."""
    return list(await session.scalars(_LOCK_DRAFTS, {"tenant": tenant_id, "now": now, "most": most}))


async def is_due_to_finalize(session: AsyncSession, tenant_id: UUID, *, now: datetime) -> bool:
    """Whether the grace of a draft is over."""
    due_at = await next_final(session, tenant_id)
    return due_at is not None and due_at <= now


async def wait_for_drafts(session: AsyncSession, tenant_id: UUID, *, now: datetime, most: int) -> list[UUID]:
    """The same, once whoever has them is done."""
    return list(await session.scalars(_WAIT_FOR_DRAFTS, {"tenant": tenant_id, "now": now, "most": most}))


async def take_items(session: AsyncSession, tenant_id: UUID, taken: Mapping[UUID, UUID]) -> int:
    """Puts items on invoices, by item; how many were free."""
    done = await session.execute(
        _TAKE_ITEMS, {"tenant": tenant_id, "items": list(taken), "invoices": list(taken.values())}
    )
    return cast("CursorResult[Any]", done).rowcount


async def write_invoices(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Drafts, many at once."""
    await session.execute(_WRITE_INVOICES, {"rows": _json(rows)})


async def write_lines(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Lines of drafts that become final in this transaction."""
    for begin in range(0, len(rows), _LINES_AT_ONCE):
        await session.execute(_WRITE_LINES, {"rows": _json(rows[begin : begin + _LINES_AT_ONCE])})


async def write_taxes(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Their taxes by rate."""
    if rows:
        await session.execute(_WRITE_TAXES, {"rows": _json(rows)})


async def write_inputs(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """What they were computed from."""
    await session.execute(_WRITE_INPUTS, {"rows": _json(rows)})


async def make_final(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> int:
    """Gives drafts their amounts, numbers and state; how many drafts there were."""
    done = await session.execute(_MAKE_FINAL, {"rows": _json(rows)})
    return cast("CursorResult[Any]", done).rowcount


async def void_empty(session: AsyncSession, tenant_id: UUID, invoices: Sequence[UUID], *, now: datetime) -> None:
    """Ends drafts of which nothing came."""
    if invoices:
        await session.execute(_VOID_EMPTY, {"tenant": tenant_id, "ids": list(invoices), "now": now})


async def largest_invoices(
    session: AsyncSession, tenant_id: UUID, *, customers: Collection[UUID], since: datetime
) -> dict[tuple[UUID, str], int]:
    """The largest final invoice of each customer since then, by currency."""
    rows = await session.execute(_LARGEST, {"tenant": tenant_id, "customers": list(customers), "since": since})
    return {(row.customer_id, row.currency): row.total_minor for row in rows}


async def lines_billed_since(
    session: AsyncSession, tenant_id: UUID, *, subscriptions: Collection[UUID], since: datetime
) -> dict[UUID, int]:
    """How many lines each subscription was billed since then."""
    rows = await session.execute(
        _LINES_SINCE, {"tenant": tenant_id, "subscriptions": list(subscriptions), "since": since}
    )
    return {row.subscription_id: row.lines for row in rows}


async def find_payment(session: AsyncSession, tenant_id: UUID, invoice_id: UUID, cause_id: UUID) -> bool:
    """Whether this money was allocated before."""
    where = {"tenant": tenant_id, "invoice": invoice_id, "cause": cause_id}
    return await session.scalar(_PAYMENT, where) is not None


async def list_for_collection(
    session: AsyncSession, tenant_id: UUID, *, now: datetime, limit: int
) -> Sequence[Row[Any]]:
    """Open invoices that are to be collected."""
    return (await session.execute(_COLLECTION, {"tenant": tenant_id, "now": now, "limit": limit})).all()


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(rows, default=str).decode()


_NOT_PARKED = """
  AND NOT EXISTS (SELECT FROM parked_customers p WHERE p.tenant_id = i.tenant_id AND p.customer_id = i.customer_id
                    AND p.resolved_at IS NULL)
"""

_NEXT_BILL = text(f"""
SELECT i.bill_at FROM invoice_items i
WHERE i.tenant_id = :tenant AND i.invoice_id IS NULL {_NOT_PARKED}
ORDER BY i.bill_at LIMIT 1
""")  # noqa: S608  # our own text

_NEXT_FINAL = text(f"""
SELECT i.finalize_at FROM invoices i
WHERE i.tenant_id = :tenant AND i.state = 'draft' AND i.finalize_at IS NOT NULL {_NOT_PARKED}
ORDER BY i.finalize_at LIMIT 1
""")  # noqa: S608

_TENANTS_TO_BILL = text(f"""
SELECT t.id FROM tenants t LEFT JOIN tenant_clocks c ON c.tenant_id = t.id
WHERE EXISTS (SELECT FROM invoice_items i
              WHERE i.tenant_id = t.id AND i.invoice_id IS NULL AND i.bill_at <= coalesce(c.now_at, :now) {_NOT_PARKED})
""")  # noqa: S608

_TENANTS_TO_FINALIZE = text(f"""
SELECT t.id FROM tenants t LEFT JOIN tenant_clocks c ON c.tenant_id = t.id
WHERE EXISTS (SELECT FROM invoices i
              WHERE i.tenant_id = t.id AND i.state = 'draft' AND i.finalize_at <= coalesce(c.now_at, :now)
              {_NOT_PARKED})
""")  # noqa: S608

# The window is read in the order of the index, so a batch costs what it takes and not what waits. Each customer is
# locked as it is met, until there are enough; those who have usage to bill after the others, who do not wait for it.
_LOCK_CUSTOMERS = text(f"""
WITH near AS MATERIALIZED (
    SELECT i.customer_id, i.kind IN ('usage', 'correction') AS is_metered FROM invoice_items i
    WHERE i.tenant_id = :tenant AND i.invoice_id IS NULL AND i.bill_at <= :now {_NOT_PARKED}
    ORDER BY i.bill_at LIMIT :window
), due AS MATERIALIZED (SELECT customer_id FROM near GROUP BY customer_id ORDER BY bool_or(is_metered), customer_id)
SELECT customer_id FROM due
WHERE pg_try_advisory_xact_lock(hashtextextended(CAST(:tenant AS text) || customer_id::text, 16)) LIMIT :most
""")  # noqa: S608

_FIRST_CUSTOMER = text(f"""
SELECT i.customer_id FROM invoice_items i
WHERE i.tenant_id = :tenant AND i.invoice_id IS NULL AND i.bill_at <= :now {_NOT_PARKED}
ORDER BY i.bill_at LIMIT 1
""")  # noqa: S608

_WAIT_FOR_CUSTOMER = text("""
SELECT pg_advisory_xact_lock(hashtextextended(CAST(:tenant AS text) || CAST(:customer AS text), 16))
""")

_WAITING = text("""
SELECT i.* FROM invoice_items i
WHERE i.tenant_id = :tenant AND i.customer_id = ANY(:customers) AND i.invoice_id IS NULL AND i.bill_at <= :now
ORDER BY i.bill_at, i.id
""")

_ITEMS_OF = text("""
SELECT i.* FROM invoice_items i WHERE i.tenant_id = :tenant AND i.invoice_id = ANY(:invoices) ORDER BY i.id
""")

_DRAFTS = f"""
SELECT i.id FROM invoices i
WHERE i.tenant_id = :tenant AND i.state = 'draft' AND i.finalize_at <= :now {_NOT_PARKED}
ORDER BY i.finalize_at, i.id LIMIT :most FOR NO KEY UPDATE
"""  # noqa: S608

_WAIT_FOR_DRAFTS = text(_DRAFTS)

_LOCK_DRAFTS = text(_DRAFTS + " SKIP LOCKED")

_TAKE_ITEMS = text("""
UPDATE invoice_items i SET invoice_id = given.invoice_id
FROM unnest(CAST(:items AS uuid[]), CAST(:invoices AS uuid[])) AS given (item_id, invoice_id)
WHERE i.tenant_id = :tenant AND i.id = given.item_id AND i.invoice_id IS NULL
""")

_WRITE_INVOICES = text("""
INSERT INTO invoices (tenant_id, id, customer_id, subscription_id, currency, state, origin, collection, bill_at,
                      drafted_at, finalize_at, period_start, period_end, lines, subtotal_minor, discount_minor,
                      tax_minor, total_minor, open_minor, memo)
SELECT tenant_id, id, customer_id, subscription_id, currency, 'draft', origin, collection, bill_at, drafted_at,
       finalize_at, period_start, period_end, lines, subtotal_minor, discount_minor, tax_minor, total_minor,
       total_minor, memo
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
    tenant_id uuid, id uuid, customer_id uuid, subscription_id uuid, currency text, origin text, collection text,
    bill_at timestamptz, drafted_at timestamptz, finalize_at timestamptz, period_start timestamptz,
    period_end timestamptz, lines bigint, subtotal_minor bigint, discount_minor bigint, tax_minor bigint,
    total_minor bigint, memo text)
""")

_WRITE_LINES = text("""
INSERT INTO invoice_lines (tenant_id, id, invoice_id, position, item_id, subscription_id, kind, code, description,
                           period_start, period_end, quantity, amount_minor, discount_minor, net_minor, tax_category,
                           tax_rate, tax_reason, tax_minor, arithmetic, discounts)
SELECT tenant_id, id, invoice_id, position, item_id, subscription_id, kind, code, description, period_start,
       period_end, quantity, amount_minor, discount_minor, net_minor, tax_category, tax_rate, tax_reason, tax_minor,
       arithmetic, discounts
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
    tenant_id uuid, id uuid, invoice_id uuid, position bigint, item_id uuid, subscription_id uuid, kind text,
    code text, description text, period_start timestamptz, period_end timestamptz, quantity numeric,
    amount_minor bigint, discount_minor bigint, net_minor bigint, tax_category text, tax_rate numeric,
    tax_reason text, tax_minor bigint, arithmetic jsonb, discounts jsonb)
""")

_WRITE_TAXES = text("""
INSERT INTO invoice_taxes (tenant_id, invoice_id, category, rate, taxable_minor, tax_minor, reason)
SELECT tenant_id, invoice_id, category, rate, taxable_minor, tax_minor, reason
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
    tenant_id uuid, invoice_id uuid, category text, rate numeric, taxable_minor bigint, tax_minor bigint, reason text)
""")

_WRITE_INPUTS = text("""
INSERT INTO invoice_inputs (tenant_id, invoice_id, as_of, computed_at, inputs, digest, parties)
SELECT tenant_id, invoice_id, as_of, computed_at, inputs, decode(digest, 'hex'), convert_to(parties, 'UTF8')
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
    tenant_id uuid, invoice_id uuid, as_of timestamptz, computed_at timestamptz, inputs jsonb, digest text,
    parties text)
""")

_MAKE_FINAL = text("""
UPDATE invoices i SET
    state = r.state, series = r.series, sequence = r.sequence, number = r.number, finalized_at = r.finalized_at,
    due_at = r.due_at, period_start = r.period_start, period_end = r.period_end, lines = r.lines,
    subtotal_minor = r.subtotal_minor, discount_minor = r.discount_minor, tax_minor = r.tax_minor,
    total_minor = r.total_minor, applied_minor = r.applied_minor, open_minor = r.total_minor - r.applied_minor,
    paid_at = r.paid_at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
    tenant_id uuid, id uuid, state text, series text, sequence bigint, number text, finalized_at timestamptz,
    due_at timestamptz, period_start timestamptz, period_end timestamptz, lines bigint, subtotal_minor bigint,
    discount_minor bigint, tax_minor bigint, total_minor bigint, applied_minor bigint, paid_at timestamptz)
WHERE i.tenant_id = r.tenant_id AND i.id = r.id AND i.state = 'draft'
""")

_VOID_EMPTY = text("""
UPDATE invoices SET state = 'void', voided_at = :now, lines = 0, subtotal_minor = 0, discount_minor = 0, tax_minor = 0,
    total_minor = 0, open_minor = 0
WHERE tenant_id = :tenant AND id = ANY(:ids) AND state = 'draft'
""")

_LARGEST = text("""
SELECT customer_id, currency, max(total_minor) AS total_minor FROM invoices
WHERE tenant_id = :tenant AND customer_id = ANY(:customers) AND number IS NOT NULL AND finalized_at >= :since
  AND state <> 'void'
GROUP BY customer_id, currency
""")

_LINES_SINCE = text("""
SELECT subscription_id, sum(lines)::bigint AS lines FROM invoices
WHERE tenant_id = :tenant AND subscription_id = ANY(:subscriptions) AND drafted_at >= :since
GROUP BY subscription_id
""")

_PAYMENT = text("""
SELECT id FROM invoice_payments WHERE tenant_id = :tenant AND invoice_id = :invoice AND cause_id = :cause
""")

_COLLECTION = text("""
SELECT id, customer_id, subscription_id, currency, total_minor, open_minor, number, finalized_at, due_at
FROM invoices
WHERE tenant_id = :tenant AND state = 'open' AND collection = 'automatic' AND finalized_at <= :now
ORDER BY due_at, id LIMIT :limit
""")
