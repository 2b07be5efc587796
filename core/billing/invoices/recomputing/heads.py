"""What an invoice says beside its lines, held against the books: its number, its instant, what was paid and credited.

Payments, credit notes, the ledger and the numbers given out are records of their own, so that one altered row, there or
on the invoice, is named.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

from cryptography.fernet import InvalidToken
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.inputs import written_head
from core.foundation.money import format_decimal, micro_to_minor
from core.identity.tenants.subject_keys import SubjectSeal, find_seals

Name = Callable[[UUID, str, str], None]
"""Adds a difference: of which invoice, its cause, what it is."""


async def compare_heads(session: AsyncSession, tenant_id: UUID, invoices: Sequence[UUID], name: Name) -> None:
    """Names what differs of these final invoices and of the heads of their credit notes."""
    where = {"tenant": tenant_id, "ids": list(invoices), "references": [str(one) for one in invoices]}
    rows = (await session.execute(_HEADS, where)).all()
    seals = await find_seals(session, tenant_id, {row.customer_id for row in rows})
    for row in rows:
        _compare(row, name)
        _open(row, seals, name)
    for note in await session.execute(_NOTES, where):
        digits = note.number.removeprefix(note.series)
        if note.numbered_at != note.issued_at or not digits.isdecimal() or int(digits) != note.sequence:
            name(note.invoice_id, "inputs", f"credit note {note.number} is not the one that its number was given to")
        if note.is_strange:
            name(note.invoice_id, "inputs", f"credit note {note.number} is not its customer's, or in another currency")
    for item in await session.execute(_UNAGREED, where):
        what = (
            f"price {item.price_id} is not of version {item.version} of its plan, in its currency"
            if not item.is_sold
            else f"the subscription never agreed to version {item.version} of its plan at price {item.price_id}"
            if not item.is_agreed
            else f"the subscription never had {format_decimal(item.quantity or Decimal(0))} of it"
        )
        name(item.invoice_id, "price" if not item.is_sold else "inputs", f"{item.code}: {what}")


def _open(row: Row[Any], seals: Mapping[UUID, SubjectSeal | None], name: Name) -> None:
    """Whether the sealed parties can be read, where the key was not destroyed."""
    if row.customer_id in seals:
        seal = seals[row.customer_id]
        if seal is None:
            return
        with suppress(InvalidToken):
            seal.open(bytes(row.parties))
            return
    name(row.id, "inputs", "its seller and its customer, sealed with it, cannot be read")


def _compare(row: Row[Any], name: Name) -> None:
    # A negative total goes into the wallet, by a transaction of another kind.
    applied_minor = row.total_minor if row.total_minor < 0 else micro_to_minor(row.spent_micro, row.currency)
    for stated, booked, what in (
        (row.paid_minor, row.payments_minor, "paid_minor"),
        (row.credited_minor, row.notes_minor, "credited_minor"),
        (row.applied_minor, applied_minor, "applied_minor"),
        (row.lines, row.line_count, "lines"),
        (row.lines, row.last_position, "the last line's place"),
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
        name(row.id, "inputs", f"bills {row.strangers} items that are not its customer's, or in another currency")
    said: dict[str, Any] | None = row.said
    if said is not None:  # what was made final before this was kept does not say it
        stands = written_head(row, as_of=row.as_of, due_at=row.due_at, parties=bytes(row.parties))
        for what in said.keys() | stands.keys():
            if said.get(what) == stands.get(what):
                continue
            shown = what in ("parties", "memo")
            detail = "is not what was written" if shown else f"is {stands.get(what)}, and was {said.get(what)}"
            name(row.id, "inputs", f"{what} {detail}")


_HEADS = text("""
SELECT i.id, i.currency, i.number, i.series, i.sequence, i.lines, i.total_minor, i.applied_minor, i.paid_minor,
       i.credited_minor, i.finalized_at, p.computed_at, n.occurred_at AS numbered_at, i.customer_id, i.subscription_id,
       i.collection, i.bill_at, i.due_at, i.memo, p.as_of, p.parties, p.inputs -> 'head' AS said,
       n.document_id IS NOT NULL AS is_numbered,
       (SELECT coalesce(sum(y.amount_minor), 0)::bigint FROM invoice_payments y
        WHERE y.tenant_id = i.tenant_id AND y.invoice_id = i.id) AS payments_minor,
       (SELECT coalesce(sum(c.to_open_minor), 0)::bigint FROM credit_notes c
        WHERE c.tenant_id = i.tenant_id AND c.invoice_id = i.id) AS notes_minor,
       (SELECT count(*) FROM invoice_lines l WHERE l.tenant_id = i.tenant_id AND l.invoice_id = i.id) AS line_count,
       (SELECT max(l.position) FROM invoice_lines l WHERE l.tenant_id = i.tenant_id AND l.invoice_id = i.id)
         AS last_position,
       (SELECT count(*) FROM invoice_items t WHERE t.tenant_id = i.tenant_id AND t.invoice_id = i.id
          AND (t.customer_id, t.currency) <> (i.customer_id, i.currency)) AS strangers,
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

_NOTES = text("""
SELECT c.invoice_id, c.number, c.series, c.sequence, c.issued_at, n.occurred_at AS numbered_at,
       (c.customer_id, c.currency) <> (i.customer_id, i.currency) AS is_strange
FROM credit_notes c JOIN invoices i ON i.tenant_id = c.tenant_id AND i.id = c.invoice_id
LEFT JOIN invoice_numbers n ON n.tenant_id = c.tenant_id AND n.series = c.series AND n.sequence = c.sequence
    AND n.document_id = c.id
WHERE c.tenant_id = :tenant AND c.invoice_id = ANY(:ids) ORDER BY c.id
""")

# What subscriptions bill follows from what was agreed: the version of a plan, its price, and of parts how many.
_UNAGREED = text("""
SELECT * FROM (
    SELECT t.invoice_id, t.code, t.quantity, b.price_id, b.version,
           EXISTS (SELECT FROM prices p WHERE p.tenant_id = b.seller_id AND p.id = b.price_id
                     AND (p.plan_id, p.version, p.currency) = (b.plan_id, b.version, t.currency)) AS is_sold,
           EXISTS (SELECT FROM subscription_terms a WHERE a.tenant_id = t.tenant_id
                     AND a.subscription_id = t.subscription_id
                     AND (a.plan_id, a.version, a.price_id) = (b.plan_id, b.version, b.price_id)) AS is_agreed,
           t.kind <> 'recurring'
               OR EXISTS (SELECT FROM subscription_items s WHERE s.tenant_id = t.tenant_id
                            AND s.subscription_id = t.subscription_id AND s.component_id = b.component_id
                            AND s.quantity = t.quantity) AS is_held
    FROM invoice_items t
    CROSS JOIN LATERAL (SELECT CAST(t.basis ->> 'sellerId' AS uuid) AS seller_id,
                               CAST(t.basis ->> 'planId' AS uuid) AS plan_id,
                               CAST(t.basis ->> 'priceId' AS uuid) AS price_id,
                               CAST(t.basis ->> 'componentId' AS uuid) AS component_id,
                               CAST(t.basis ->> 'version' AS bigint) AS version) b
    WHERE t.tenant_id = :tenant AND t.invoice_id = ANY(:ids) AND t.subscription_id IS NOT NULL
      AND t.kind <> 'correction' AND b.price_id IS NOT NULL) AS billed
WHERE NOT (is_sold AND is_agreed AND is_held) ORDER BY invoice_id, code
""")
