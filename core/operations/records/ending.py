"""Ending, in a copy from before an erasure, what would bill the person again.

The erasure itself was refused until nothing was left to bill, so what a copy still knows of it had ended by then: its
subscriptions end without a last bill, drafts are void, and what waits to be billed is put on void ones. Nobody is told:
who was to know has been told by the original. What is owed on final invoices stays owed, as after any erasure.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.repository import take_items
from core.billing.subscriptions import keeping, loading, transitions
from core.foundation.clock import tenant_now
from core.foundation.ids import new_id

REASON = "erased"


async def end_billing(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> None:
    """Nothing is billed to this customer any more. Safe to run again."""
    now, where = await tenant_now(session, tenant_id), {"tenant": tenant_id, "customer": customer_id}
    for subscription_id in (await session.scalars(_SUBSCRIBED, where)).all():
        agreement = await loading.load(session, tenant_id, subscription_id)
        outcome = transitions.cancel(agreement, at=now, unused="keep", reason=REASON)
        await keeping.keep(session, replace(outcome, items=(), fact=None), at=now, actor=None)
    await _draft_waiting(session, tenant_id, customer_id, now=now)
    await session.execute(_VOID, {**where, "now": now})


async def _draft_waiting(session: AsyncSession, tenant_id: UUID, customer_id: UUID, *, now: datetime) -> None:
    waiting = (await session.execute(_WAITING, {"tenant": tenant_id, "customer": customer_id})).all()
    drafts = {currency: new_id() for currency in {item.currency for item in waiting}}
    for currency, invoice_id in drafts.items():
        made = {"tenant": tenant_id, "customer": customer_id, "id": invoice_id, "currency": currency, "now": now}
        await session.execute(_DRAFT, made)
    if waiting:
        await take_items(session, tenant_id, {item.id: drafts[item.currency] for item in waiting})


_SUBSCRIBED = text("""
SELECT id FROM subscriptions WHERE tenant_id = :tenant AND customer_id = :customer AND state <> 'canceled' ORDER BY id
""")
_VOID = text("""
UPDATE invoices SET state = 'void', voided_at = :now, lines = 0, subtotal_minor = 0, discount_minor = 0, tax_minor = 0,
    total_minor = 0, open_minor = 0
WHERE tenant_id = :tenant AND customer_id = :customer AND state = 'draft'
""")
_WAITING = text("""
SELECT id, currency FROM invoice_items
WHERE tenant_id = :tenant AND customer_id = :customer AND invoice_id IS NULL ORDER BY id
""")
# It is void at once, as the run leaves items that come to no line: nobody bills them.
_DRAFT = text("""
INSERT INTO invoices (tenant_id, id, customer_id, currency, state, origin, collection, bill_at, drafted_at, lines,
                      subtotal_minor, discount_minor, tax_minor, total_minor, open_minor)
VALUES (:tenant, :id, :customer, :currency, 'draft', 'run', 'automatic', :now, :now, 0, 0, 0, 0, 0, 0)
""")
