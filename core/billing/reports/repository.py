"""What reports read. The operator's sessions see every tenant, so each statement names its own."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

Rows = Sequence[Row[Any]]
Stream = AsyncGenerator[Row[Any]]
"""Rows as they come: a large tenant's are never all in memory, and who wants the first page reads no more."""


def stream_turns(session: AsyncSession, tenant_id: UUID) -> Stream:
    """The states that subscriptions came to, and when: each where it is another than before."""
    return _stream(session, _TURNS, {"tenant": tenant_id})


def stream_shares(session: AsyncSession, tenant_id: UUID) -> Stream:
    """The recurring parts of all subscriptions, whenever they held."""
    return _stream(session, _SHARES, {"tenant": tenant_id})


async def list_parts(session: AsyncSession, tenant_id: UUID) -> Rows:
    """What recurring parts cost that the tenant's subscriptions may hold, and how often."""
    return (await session.execute(_PARTS, {"tenant": tenant_id})).all()


def stream_documents(
    session: AsyncSession, tenant_id: UUID, *, begin: datetime, end: datetime, usage: bool = False
) -> Stream:
    """Lines that were invoiced, voided (negative) or credited (negative) before `end`, as far as they matter from
    `begin` on: dated since, or for a time that goes on. `usage`: of meters alone."""
    where = {"tenant": tenant_id, "begin": begin, "end": end}
    return _stream(session, _METERED if usage else _DOCUMENTS, where)


def stream_taxes(session: AsyncSession, tenant_id: UUID, *, begin: datetime, end: datetime) -> Stream:
    """Taxes of documents dated from `begin` until before `end`, by category and rate."""
    return _stream(session, _TAXES, {"tenant": tenant_id, "begin": begin, "end": end})


def stream_open(session: AsyncSession, tenant_id: UUID, *, end: datetime) -> Stream:
    """Invoices of which something was open just before an instant."""
    return _stream(session, _OPEN, {"tenant": tenant_id, "end": end})


async def list_accounts(session: AsyncSession, tenant_id: UUID, *, begin: datetime) -> Rows:
    """Wallets and receivables with their balances, and what moved them since by month (UTC) and kind."""
    return (await session.execute(_ACCOUNTS, {"tenant": tenant_id, "begin": begin})).all()


async def list_earned(session: AsyncSession, tenant_id: UUID, *, begin: datetime, end: datetime) -> Rows:
    """What the ledger's revenue accounts earned, by customer, month (UTC) and kind."""
    return (await session.execute(_EARNED, {"tenant": tenant_id, "begin": begin, "end": end})).all()


async def list_lots(session: AsyncSession, tenant_id: UUID) -> Rows:
    """What is left of credits that were paid for and of those that were granted, by customer."""
    return (await session.execute(_LOTS, {"tenant": tenant_id})).all()


async def list_counted(session: AsyncSession, tenant_id: UUID, *, begin: datetime, end: datetime) -> Rows:
    """Events, and their sum where the meter sums or counts, by meter, customer and month (UTC)."""
    return (await session.execute(_COUNTED, {"tenant": tenant_id, "begin": begin, "end": end})).all()


async def _stream(session: AsyncSession, statement: TextClause, where: Mapping[str, Any]) -> Stream:
    # Read to the end more often than not: planned as a whole, not for its first rows.
    await session.execute(text("SET LOCAL cursor_tuple_fraction = 1"))
    result = await session.stream(statement, where, execution_options={"yield_per": _AT_ONCE})
    try:
        # By the part: to wait for each row by itself costs more than the row.
        async for part in result.partitions():
            for row in part:
                yield row
    finally:
        await result.close()


_AT_ONCE = 2_000

# Most of a long trail are renewals, after which all is as before: they are left where they are.
_TURNS = text("""
SELECT t.subscription_id, s.customer_id, s.currency, t.state, t.occurred_at
FROM (
    SELECT k.*, lag(k.state) OVER (PARTITION BY k.subscription_id ORDER BY k.occurred_at, k.id) AS before
    FROM (
        SELECT c.subscription_id, c.occurred_at, c.id,
               CASE c.kind WHEN 'activated' THEN 'active' WHEN 'resumed' THEN 'active' WHEN 'recovered' THEN 'active'
                           WHEN 'paused' THEN 'paused' WHEN 'canceled' THEN 'canceled'
                           WHEN 'past_due' THEN 'past_due' ELSE c.details->>'status' END AS state
        FROM subscription_changes c
        WHERE c.tenant_id = :tenant
          AND c.kind IN ('created', 'renewed', 'activated', 'paused', 'resumed', 'canceled', 'past_due', 'recovered')
    ) k WHERE k.state IS NOT NULL
) t JOIN subscriptions s ON s.tenant_id = :tenant AND s.id = t.subscription_id
WHERE t.state IS DISTINCT FROM t.before
ORDER BY t.subscription_id, t.occurred_at, t.id
""")

_SHARES = text("""
SELECT i.subscription_id, i.component_id, i.quantity, i.effective_from, i.effective_to
FROM subscription_items i
WHERE i.tenant_id = :tenant AND i.kind = 'recurring' AND i.effective_to IS DISTINCT FROM i.effective_from
ORDER BY i.subscription_id, i.id
""")

_PARTS = text("""
SELECT c.id, c.definition, r.currency, v.interval, v.interval_count
FROM price_components c
JOIN prices r ON r.tenant_id = c.tenant_id AND r.id = c.price_id
JOIN plan_versions v ON v.tenant_id = r.tenant_id AND v.plan_id = r.plan_id AND v.version = r.version
WHERE c.tenant_id IN (:tenant, '00000000-0000-0000-0000-000000000000') AND c.kind = 'recurring'
""")

_OF_LINES = """
SELECT l.id AS line_id, l.invoice_id, i.number, i.customer_id, i.currency, l.subscription_id, l.kind, l.code,
       l.description, l.period_start, l.period_end, l.item_id, {amount} AS net_minor, {quantity} AS quantity,
       {at} AS at, {note} AS credit_note_id
FROM invoice_lines l JOIN invoices i ON i.tenant_id = l.tenant_id AND i.id = l.invoice_id {joined}
WHERE l.tenant_id = :tenant AND i.number IS NOT NULL AND {at} < :end AND ({at} >= :begin OR l.period_end > :begin)
"""

_LINES = " UNION ALL ".join(
    (
        _OF_LINES.format(
            amount="l.net_minor", quantity="l.quantity", at="i.finalized_at", note="CAST(NULL AS uuid)", joined=""
        ),
        _OF_LINES.format(
            amount="-l.net_minor", quantity="-l.quantity", at="i.voided_at", note="CAST(NULL AS uuid)", joined=""
        ),
        _OF_LINES.format(
            amount="-n.net_minor",
            quantity="CAST(NULL AS numeric)",
            at="c.issued_at",
            note="c.id",
            joined="""
JOIN credit_note_lines n ON n.tenant_id = l.tenant_id AND n.invoice_line_id = l.id
JOIN credit_notes c ON c.tenant_id = n.tenant_id AND c.id = n.credit_note_id""",
        ),
    )
)

_DOCUMENTS = text(f"SELECT d.* FROM ({_LINES}) d ORDER BY d.at, d.line_id, d.credit_note_id")  # noqa: S608  (our own text)

# A correction carries the item that it corrects; what it corrects is usage.
_METERED = text(f"""
SELECT d.*, m.code AS meter FROM ({_LINES}) d
JOIN invoice_items t ON t.tenant_id = :tenant AND t.id = d.item_id
LEFT JOIN invoice_items o ON o.tenant_id = :tenant AND t.kind = 'correction'
                         AND o.id = CAST(t.basis->>'itemId' AS uuid)
JOIN meters m ON m.tenant_id = :tenant AND m.id = coalesce(t.meter_id, o.meter_id)
WHERE d.at >= :begin ORDER BY d.at, d.line_id, d.credit_note_id
""")  # noqa: S608  (our own text)

_TAXES = text("""
SELECT d.*, i.number, i.customer_id, i.currency FROM (
    SELECT t.invoice_id, CAST(NULL AS uuid) AS credit_note_id, t.category, t.rate, t.taxable_minor, t.tax_minor,
           i.finalized_at AS at
    FROM invoice_taxes t JOIN invoices i ON i.tenant_id = t.tenant_id AND i.id = t.invoice_id
    WHERE t.tenant_id = :tenant AND i.number IS NOT NULL AND i.finalized_at >= :begin AND i.finalized_at < :end
    UNION ALL
    SELECT t.invoice_id, NULL, t.category, t.rate, -t.taxable_minor, -t.tax_minor, i.voided_at
    FROM invoice_taxes t JOIN invoices i ON i.tenant_id = t.tenant_id AND i.id = t.invoice_id
    WHERE t.tenant_id = :tenant AND i.number IS NOT NULL AND i.voided_at >= :begin AND i.voided_at < :end
    UNION ALL
    SELECT c.invoice_id, c.id, l.tax_category, l.tax_rate, -sum(n.net_minor), -sum(n.tax_minor), c.issued_at
    FROM credit_notes c
    JOIN credit_note_lines n ON n.tenant_id = c.tenant_id AND n.credit_note_id = c.id
    JOIN invoice_lines l ON l.tenant_id = n.tenant_id AND l.id = n.invoice_line_id
    WHERE c.tenant_id = :tenant AND c.issued_at >= :begin AND c.issued_at < :end
    GROUP BY c.invoice_id, c.id, l.tax_category, l.tax_rate, c.issued_at
) d JOIN invoices i ON i.tenant_id = :tenant AND i.id = d.invoice_id
ORDER BY d.at, d.invoice_id, d.credit_note_id, d.category, d.rate
""")

_OPEN = text("""
SELECT * FROM (
    SELECT i.id, i.number, i.customer_id, i.subscription_id, i.currency, i.finalized_at, i.due_at,
           coalesce(i.uncollectible_at < :end, false) AS is_given_up,
           i.total_minor - i.applied_minor
           - coalesce((SELECT sum(p.amount_minor) FROM invoice_payments p
                       WHERE p.tenant_id = i.tenant_id AND p.invoice_id = i.id AND p.occurred_at < :end), 0)
           - coalesce((SELECT sum(c.to_open_minor) FROM credit_notes c
                       WHERE c.tenant_id = i.tenant_id AND c.invoice_id = i.id AND c.issued_at < :end), 0)
             AS open_minor
    FROM invoices i
    WHERE i.tenant_id = :tenant AND i.number IS NOT NULL AND i.finalized_at < :end
      AND (i.voided_at IS NULL OR i.voided_at >= :end)
      -- What is paid and was paid before is not looked into.
      AND (i.paid_at IS NULL OR i.paid_at >= :end)
) d WHERE d.open_minor > 0 ORDER BY d.due_at, d.id
""")

_ACCOUNTS = text("""
SELECT a.id, a.customer_id, a.currency, a.kind, a.balance_micro, m.month, m.moved_by, m.amount_micro, m.entries
FROM accounts a
LEFT JOIN LATERAL (
    SELECT date_trunc('month', t.occurred_at AT TIME ZONE 'UTC') AS month, t.kind AS moved_by,
           sum(e.amount_micro)::bigint AS amount_micro, count(*) AS entries
    FROM ledger_entries e
    JOIN ledger_transactions t ON t.tenant_id = e.tenant_id AND t.id = e.transaction_id
    WHERE e.tenant_id = a.tenant_id AND e.account_id = a.id AND t.occurred_at >= :begin
    GROUP BY 1, 2
) m ON true
WHERE a.tenant_id = :tenant AND (a.kind IN ('wallet', 'receivable') OR a.kind LIKE 'limited:%')
ORDER BY a.kind DESC, a.id, m.month, m.moved_by
""")

_EARNED = text("""
SELECT a.customer_id, e.currency, t.kind, date_trunc('month', t.occurred_at AT TIME ZONE 'UTC') AS month,
       sum(e.amount_micro)::bigint AS amount_micro, count(*) AS entries
FROM ledger_entries e
JOIN accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id
JOIN ledger_transactions t ON t.tenant_id = e.tenant_id AND t.id = e.transaction_id
WHERE a.tenant_id = :tenant AND a.kind = 'revenue' AND t.occurred_at >= :begin AND t.occurred_at < :end
GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 2, 3
""")

_LOTS = text("""
SELECT customer_id, currency, kind, sum(remaining_micro)::bigint AS remaining_micro FROM credit_lots
WHERE tenant_id = :tenant AND state = 'open' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")

_COUNTED = text("""
SELECT m.code, m.aggregation, u.customer_id, date_trunc('month', u.bucket AT TIME ZONE 'UTC') AS month,
       sum(u.events) AS events, sum(u.total) AS total
FROM usage_aggregates u JOIN meters m ON m.tenant_id = u.tenant_id AND m.id = u.meter_id
WHERE u.tenant_id = :tenant AND u.bucket >= :begin AND u.bucket < :end
GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 3
""")
