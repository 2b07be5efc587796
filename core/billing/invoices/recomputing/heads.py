"""What an invoice says beside its lines, held against the books: its number, its instant, what was paid and credited.

Payments, credit notes, the ledger and the numbers given out are records of their own, so that one altered row, there or
on the invoice, is named.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.money import micro_to_minor

Name = Callable[[UUID, str, str], None]
"""Adds a difference: of which invoice, its cause, what it is."""


async def compare_heads(session: AsyncSession, tenant_id: UUID, invoices: Sequence[UUID], name: Name) -> None:
    """Names what differs of these final invoices."""
    where = {"tenant": tenant_id, "ids": list(invoices), "references": [str(one) for one in invoices]}
    for row in await session.execute(_HEADS, where):
        _compare(row, name)


def _compare(row: Row[Any], name: Name) -> None:
    # A negative total goes into the wallet, by a transaction of another kind.
    applied_minor = row.total_minor if row.total_minor < 0 else micro_to_minor(row.spent_micro, row.currency)
    for stated, booked, what in (
        (row.paid_minor, row.payments_minor, "paid_minor"),
        (row.credited_minor, row.notes_minor, "credited_minor"),
        (row.applied_minor, applied_minor, "applied_minor"),
        (row.lines, row.line_count, "lines"),
    ):
        if stated != booked:
            name(row.id, "totals", f"{what} is {stated}, but the books come to {booked}")
    digits = row.number.removeprefix(row.series)
    if not row.is_numbered or not digits.isdecimal() or int(digits) != row.sequence:
        name(row.id, "inputs", f"number {row.number} is not the one that was given out to it")
    elif not row.computed_at == row.finalized_at == row.numbered_at:
        name(
            row.id, "inputs", f"finalized at {row.finalized_at}, computed {row.computed_at}, numbered {row.numbered_at}"
        )
    if row.strangers:
        name(row.id, "inputs", f"bills {row.strangers} items that are not its customer's")


_HEADS = text("""
SELECT i.id, i.currency, i.number, i.series, i.sequence, i.lines, i.total_minor, i.applied_minor, i.paid_minor,
       i.credited_minor, i.finalized_at, p.computed_at, n.occurred_at AS numbered_at,
       n.document_id IS NOT NULL AS is_numbered,
       (SELECT coalesce(sum(y.amount_minor), 0)::bigint FROM invoice_payments y
        WHERE y.tenant_id = i.tenant_id AND y.invoice_id = i.id) AS payments_minor,
       (SELECT coalesce(sum(c.to_open_minor), 0)::bigint FROM credit_notes c
        WHERE c.tenant_id = i.tenant_id AND c.invoice_id = i.id) AS notes_minor,
       (SELECT count(*) FROM invoice_lines l WHERE l.tenant_id = i.tenant_id AND l.invoice_id = i.id) AS line_count,
       (SELECT count(*) FROM invoice_items t WHERE t.tenant_id = i.tenant_id AND t.invoice_id = i.id
          AND t.customer_id <> i.customer_id) AS strangers,
       coalesce(s.spent_micro, 0)::bigint AS spent_micro
FROM invoices i
JOIN invoice_inputs p ON p.tenant_id = i.tenant_id AND p.invoice_id = i.id
LEFT JOIN invoice_numbers n ON n.tenant_id = i.tenant_id AND n.series = i.series AND n.sequence = i.sequence
    AND n.document_id = i.id
LEFT JOIN (
    SELECT t.reference, sum(e.amount_micro) AS spent_micro
    FROM ledger_transactions t
    JOIN ledger_entries e ON e.tenant_id = t.tenant_id AND e.transaction_id = t.id
    JOIN accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.kind = 'revenue'
    WHERE t.tenant_id = :tenant AND t.kind = 'invoice' AND t.reference = ANY(:references)
    GROUP BY t.reference) s ON s.reference = CAST(i.id AS text)
WHERE i.tenant_id = :tenant AND i.id = ANY(:ids) ORDER BY i.id
""")
