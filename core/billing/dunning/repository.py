"""Every statement on collections."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.dunning.declines import NEVER_CODES
from core.billing.dunning.models import Collection, DunningTerms
from core.billing.dunning.schedule import Terms

# How a card was refused that its bank wants never tried again: for no invoice of its customer's.
_REFUSALS_FOR_GOOD = """
    SELECT r.failure_code FROM invoices o
    JOIN payment_attempts r ON r.tenant_id = o.tenant_id AND r.invoice_id = o.id
    WHERE o.tenant_id = m.tenant_id AND o.customer_id = m.customer_id AND r.payment_method_id = m.id
      AND r.state = 'failed' AND (r.failure_code = ANY(:never) OR r.advice_code = 'do_not_try_again')
"""
# A card that was not tried yet since it became the default; one that its bank wants never tried again is none.
_FRESH_CARD = f"""
    NOT EXISTS (
        SELECT FROM payment_attempts p
        WHERE p.tenant_id = m.tenant_id AND p.invoice_id = {{invoice}} AND (
            p.state = 'pending' OR p.payment_method_id = m.id AND p.created_at >= m.default_since))
    AND NOT EXISTS ({_REFUSALS_FOR_GOOD})
"""

# An open invoice that nobody collects yet, by the index of when that is to begin.
_BEGINNING = """
    (SELECT i.tenant_id, i.id AS invoice_id, i.subscription_id, i.{at} AS due_at FROM invoices i
     WHERE i.state = 'open' AND {which} {of_invoice} AND NOT EXISTS (
         SELECT FROM collections c WHERE c.tenant_id = i.tenant_id AND c.invoice_id = i.id) {bound})
"""
_BEGINNINGS = (
    ("finalized_at", "i.collection = 'automatic'"),
    ("due_at", "i.collection <> 'automatic'"),
    ("finalized_at", "i.collection <> 'automatic' AND i.due_at IS NULL"),
)

# What asks for a decision, and since when: an open invoice that nobody collects yet, one of a subscription that never
# began, a try that has ended, an instant of the schedule, another card, an invoice that needs no collecting any more,
# or a late payment after a pause.
_DUE = """
    {beginnings}
  UNION ALL
    SELECT i.tenant_id, i.id, i.subscription_id, greatest(s.canceled_at, i.finalized_at)
    FROM invoices i JOIN subscriptions s ON s.tenant_id = i.tenant_id AND s.id = i.subscription_id
    WHERE i.state = 'open' AND i.paid_minor = 0 AND i.credited_minor = 0 AND s.state = 'canceled'
      AND s.cancel_reason = 'never_paid' {of_invoice}
  UNION ALL
    SELECT c.tenant_id, c.invoice_id, c.subscription_id, a.concluded_at
    FROM collections c JOIN payment_attempts a ON a.tenant_id = c.tenant_id AND a.id = c.attempt_id
    WHERE c.state = 'trying' AND a.concluded_at IS NOT NULL {of_collection}
  UNION ALL
    SELECT c.tenant_id, c.invoice_id, c.subscription_id, c.next_at
    FROM collections c WHERE c.state = 'waiting' {of_collection}
  UNION ALL
    SELECT c.tenant_id, c.invoice_id, c.subscription_id, greatest(m.default_since, c.started_at)
    FROM collections c
    JOIN payment_methods m ON m.tenant_id = c.tenant_id AND m.customer_id = c.customer_id AND m.is_default
    WHERE c.state = 'waiting' AND c.charges {of_collection} AND {fresh_card}
  UNION ALL
    SELECT c.tenant_id, c.invoice_id, c.subscription_id,
           coalesce(i.paid_at, i.voided_at, i.uncollectible_at, c.last_tried_at)
    FROM collections c JOIN invoices i ON i.tenant_id = c.tenant_id AND i.id = c.invoice_id
    WHERE c.state = 'waiting' AND i.state <> 'open' {of_collection}
  UNION ALL
    SELECT c.tenant_id, c.invoice_id, c.subscription_id, i.paid_at
    FROM collections c JOIN invoices i ON i.tenant_id = c.tenant_id AND i.id = c.invoice_id
    WHERE c.state = 'ended' AND c.outcome = 'pause' AND i.state = 'paid' {of_collection}
"""
_POSTPONED = """
    SELECT due.tenant_id, due.invoice_id, due.subscription_id, greatest(min(due.due_at), min(k.postponed_to)) AS due_at
    FROM ({due}) due
    LEFT JOIN collections k ON k.tenant_id = due.tenant_id AND k.invoice_id = due.invoice_id
    GROUP BY due.tenant_id, due.invoice_id, due.subscription_id
"""


def _due(of_invoice: str, of_collection: str, bound: str) -> str:
    beginnings = " UNION ALL ".join(
        _BEGINNING.format(at=at, which=which, of_invoice=of_invoice, bound=bound.format(at=at))
        for at, which in _BEGINNINGS
    )
    fresh = _FRESH_CARD.format(invoice="c.invoice_id")
    return _POSTPONED.format(
        due=_DUE.format(beginnings=beginnings, of_invoice=of_invoice, of_collection=of_collection, fresh_card=fresh)
    )


def _own(bound: str) -> str:
    return _due("AND i.tenant_id = :tenant", "AND c.tenant_id = :tenant", bound)


_ONE = _due(
    "AND i.tenant_id = :tenant AND i.id = :invoice", "AND c.tenant_id = :tenant AND c.invoice_id = :invoice", ""
)
# Those that nobody collects yet may be all that a tenant ever sent: no more of them are read than is asked for.
_NEXT = text(f"SELECT min(due_at) FROM ({_own('ORDER BY i.{at} LIMIT 1')}) due")  # noqa: S608  (our own text)
_IS_DUE = text(f"SELECT min(due_at) FROM ({_ONE}) due")  # noqa: S608  (our own text)
_LIST = text(
    f"SELECT invoice_id, subscription_id FROM ({_own('AND i.{at} <= :now ORDER BY i.{at} LIMIT :limit')}) due "  # noqa: S608  (our own text)
    "WHERE due_at <= :now ORDER BY due_at, invoice_id LIMIT :limit"
)
_TENANTS = text(
    "SELECT t.id FROM tenants t LEFT JOIN tenant_clocks k ON k.tenant_id = t.id WHERE EXISTS (SELECT FROM ("  # noqa: S608  (our own text)
    + _due("AND i.tenant_id = t.id", "AND c.tenant_id = t.id", "AND i.{at} <= coalesce(k.now_at, :now) LIMIT 1")
    + ") due WHERE due.due_at <= coalesce(k.now_at, :now))"
)
_HAS_FRESH_CARD = text(
    "SELECT EXISTS (SELECT FROM payment_methods m WHERE m.tenant_id = :tenant AND m.id = :method AND "  # noqa: S608  (our own text)
    + _FRESH_CARD.format(invoice=":invoice")
    + ")"
)
_REFUSED_FOR_GOOD = text(
    f"SELECT r.failure_code FROM payment_methods m, LATERAL ({_REFUSALS_FOR_GOOD}) r "  # noqa: S608  (our own text)
    "WHERE m.tenant_id = :tenant AND m.id = :method LIMIT 1"
)
_NEVER = {"never": list(NEVER_CODES)}


async def next_due(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """The earliest instant at which a collection asks for a decision."""
    return await session.scalar(_NEXT, {"tenant": tenant_id, **_NEVER})


async def is_due(session: AsyncSession, tenant_id: UUID, invoice_id: UUID, *, now: datetime) -> bool:
    """Whether that of one invoice does, by now."""
    due_at = await session.scalar(_IS_DUE, {"tenant": tenant_id, "invoice": invoice_id, **_NEVER})
    return due_at is not None and due_at <= now


async def list_due(session: AsyncSession, tenant_id: UUID, *, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Invoices whose collection asks for a decision, the earliest first."""
    return (await session.execute(_LIST, {"tenant": tenant_id, "now": now, "limit": limit, **_NEVER})).all()


async def list_tenants_due(session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
    """Tenants with something due by their own clock, or by `now`; for the operator."""
    return (await session.scalars(_TENANTS, {"now": now, **_NEVER})).all()


async def is_fresh_card(session: AsyncSession, tenant_id: UUID, *, invoice_id: UUID, method_id: UUID) -> bool:
    """Whether a card was not tried on the invoice since it became the default, and may be."""
    given = {"tenant": tenant_id, "invoice": invoice_id, "method": method_id, **_NEVER}
    return bool(await session.scalar(_HAS_FRESH_CARD, given))


async def refused_for_good(session: AsyncSession, tenant_id: UUID, method_id: UUID) -> str | None:
    """With which code a card was refused that is never to be tried again, on whichever invoice; None for any other."""
    return await session.scalar(_REFUSED_FOR_GOOD, {"tenant": tenant_id, "method": method_id, **_NEVER})


async def find_terms(session: AsyncSession, tenant_id: UUID) -> Terms:
    """The tenant's schedule, or the default one."""
    found = await session.get(DunningTerms, tenant_id, populate_existing=True)
    if found is None:
        return Terms()
    return Terms(tuple(found.retry_days), found.final_days, found.final_action, found.overdue_action)


async def keep_terms(session: AsyncSession, tenant_id: UUID, terms: Terms, *, now: datetime) -> None:
    """From now on; what is being collected follows it from its next step."""
    row = {
        "retry_days": sorted(terms.retry_days),
        "final_days": terms.final_days,
        "final_action": terms.final_action,
        "overdue_action": terms.overdue_action,
        "changed_at": now,
    }
    await session.execute(
        insert(DunningTerms)
        .values(tenant_id=tenant_id, **row)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=row)
    )


async def find_collection(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> Collection | None:
    """The collection of an invoice, locked."""
    return await session.scalar(
        select(Collection)
        .where(Collection.tenant_id == tenant_id, Collection.invoice_id == invoice_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def has_other_failing(session: AsyncSession, collection: Collection) -> bool:
    """Whether another invoice of its subscription is still owed after a failure."""
    statement = select(Collection.id).where(
        Collection.tenant_id == collection.tenant_id,
        Collection.subscription_id == collection.subscription_id,
        Collection.id != collection.id,
        Collection.state != "ended",
        Collection.first_failed_at.is_not(None),
    )
    return await session.scalar(statement.limit(1)) is not None


async def list_collections(
    session: AsyncSession, tenant_id: UUID, *, state: str | None, before: UUID | None, limit: int
) -> Sequence[Collection]:
    """Newest first; one more than `limit` where there is a next page."""
    statement = select(Collection).where(Collection.tenant_id == tenant_id)
    if state is not None:
        statement = statement.where(Collection.state == state)
    if before is not None:
        statement = statement.where(Collection.id < before)
    return (await session.scalars(statement.order_by(Collection.id.desc()).limit(limit + 1))).all()
