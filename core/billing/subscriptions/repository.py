"""Subscriptions: every SELECT."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Row, RowMapping, Text, Uuid, column, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from core.billing.subscriptions.models import InvoiceItem
from core.foundation.sorting import Sort, Sorts, page_of


async def list_subscriptions(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    sort: Sort,
    cursor: str | None,
    limit: int,
    customer_id: UUID | None = None,
    state: str | None = None,
    plan: str | None = None,
    search: str | None = None,
) -> tuple[list[Row[Any]], str | None]:
    """A page of subscriptions with their plans, and the next one's cursor; `search` is part of who has it, or of its
    plan.
    """
    where = {"tenant": tenant_id, "customer": customer_id, "state": state, "plan": plan, "search": search or None}
    statement = sort.apply(select(_LISTED.c.id), then=_LISTED.c.id, cursor=cursor, limit=limit + 1)
    page, next_cursor = page_of((await session.execute(statement, where)).all(), limit)
    ids = [row.id for row in page]
    found = {row.id: row for row in await session.execute(_SUBSCRIPTIONS, {"tenant": tenant_id, "ids": ids})}
    return [found[one] for one in ids], next_cursor


async def find_subscription(session: AsyncSession, tenant_id: UUID, subscription_id: UUID) -> Row[Any] | None:
    """One subscription with its plan."""
    where = {"tenant": tenant_id, "ids": [subscription_id]}
    return (await session.execute(_SUBSCRIPTIONS, where)).one_or_none()


async def lock_subscription(session: AsyncSession, tenant_id: UUID, subscription_id: UUID) -> bool:
    """Nobody else changes it until the end of the transaction; False where there is none."""
    where = {"tenant": tenant_id, "id": subscription_id}
    return await session.scalar(_LOCK, where) is not None


async def list_parts(
    session: AsyncSession, tenant_id: UUID, subscriptions: Sequence[UUID], *, open_only: bool = False
) -> Sequence[Row[Any]]:
    """The parts that are open or ended within the current period, by subscription and begin."""
    return (await session.execute(_PARTS, {"tenant": tenant_id, "ids": list(subscriptions), "open": open_only})).all()


async def list_rows(session: AsyncSession, tenant_id: UUID, subscriptions: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Subscriptions as they are stored."""
    return (await session.execute(_ROWS, {"tenant": tenant_id, "ids": list(subscriptions)})).all()


async def list_terms(session: AsyncSession, tenant_id: UUID, subscriptions: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The terms that are open or ended within the current period, by subscription and begin."""
    return (await session.execute(_TERMS, {"tenant": tenant_id, "ids": list(subscriptions)})).all()


async def find_price_terms(session: AsyncSession, seller_id: UUID, price_id: UUID) -> RowMapping | None:
    """A price with the terms of its version and the names of its plan."""
    return (await session.execute(_PRICE, {"seller": seller_id, "price": price_id})).mappings().one_or_none()


async def list_components(session: AsyncSession, seller_id: UUID, price_id: UUID) -> Sequence[RowMapping]:
    """The parts of a price, in order."""
    return (await session.execute(_COMPONENTS, {"seller": seller_id, "price": price_id})).mappings().all()


async def list_renewal_prices(session: AsyncSession, seller_id: UUID, plan_id: UUID) -> Sequence[Row[Any]]:
    """The prices that subscriptions of earlier versions take at a renewal, the highest version first."""
    return (await session.execute(_RENEWAL_PRICES, {"seller": seller_id, "plan": plan_id})).all()


async def find_metered_twice(
    session: AsyncSession, tenant_id: UUID, *, customer_id: UUID, meters: Sequence[UUID], but: UUID
) -> Row[Any] | None:
    """Another subscription of the customer that bills one of these meters."""
    where = {"tenant": tenant_id, "customer": customer_id, "meters": list(meters), "but": but}
    return (await session.execute(_METERED_TWICE, where)).first()


async def list_changes(
    session: AsyncSession, tenant_id: UUID, subscription_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """The trail, newest first."""
    where = {"tenant": tenant_id, "id": subscription_id, "before": before, "limit": limit}
    return (await session.execute(_CHANGES, where)).all()


async def list_redemptions(session: AsyncSession, tenant_id: UUID, subscriptions: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The coupons that subscriptions redeemed, in their order."""
    return (await session.execute(_REDEMPTIONS, {"tenant": tenant_id, "ids": list(subscriptions)})).all()


async def list_items(
    session: AsyncSession, tenant_id: UUID, subscription_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[InvoiceItem]:
    """What was and is to be billed of a subscription, newest first."""
    wanted = select(InvoiceItem).where(
        InvoiceItem.tenant_id == tenant_id, InvoiceItem.subscription_id == subscription_id
    )
    if before is not None:
        wanted = wanted.where(InvoiceItem.id < before)
    return (await session.scalars(wanted.order_by(InvoiceItem.id.desc()).limit(limit))).all()


async def list_waiting(session: AsyncSession, tenant_id: UUID, subscription_id: UUID) -> list[InvoiceItem]:
    """Items of a subscription that no invoice has taken yet."""
    return list(
        await session.scalars(
            select(InvoiceItem)
            .where(
                InvoiceItem.tenant_id == tenant_id,
                InvoiceItem.subscription_id == subscription_id,
                InvoiceItem.invoice_id.is_(None),
            )
            .order_by(InvoiceItem.id)
        )
    )


async def is_billed_at(session: AsyncSession, tenant_id: UUID, subscription_id: UUID, *, at: datetime) -> bool:
    """Whether something of a subscription waits to be billed at an instant."""
    return await session.scalar(_BILLED_AT, {"tenant": tenant_id, "id": subscription_id, "at": at}) is not None


async def list_live(
    session: AsyncSession, tenant_id: UUID, *, customer_id: UUID, currency: str, but: UUID
) -> Sequence[UUID]:
    """The other subscriptions of a customer in a currency that have not ended."""
    where = {"tenant": tenant_id, "customer": customer_id, "currency": currency, "but": but}
    return (await session.scalars(_LIVE, where)).all()


async def list_loose(
    session: AsyncSession, tenant_id: UUID, *, customer_id: UUID, currency: str, but: Sequence[UUID], at: datetime
) -> list[InvoiceItem]:
    """Items of a customer to be billed at an instant that no invoice has taken, less those of these subscriptions."""
    where = {"tenant": tenant_id, "customer": customer_id, "currency": currency, "but": list(but), "at": at}
    return list(await session.scalars(select(InvoiceItem).from_statement(_LOOSE), where))


async def next_due(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """When the tenant's first subscription has something to do."""
    return await session.scalar(_NEXT_DUE, {"tenant": tenant_id})


async def list_due(session: AsyncSession, tenant_id: UUID, *, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Some that are due, locked, the earliest first; those that another one has in hand are left to it."""
    return (await session.execute(_DUE, {"tenant": tenant_id, "now": now, "limit": limit})).all()


async def wait_for_due(session: AsyncSession, tenant_id: UUID, *, now: datetime) -> Sequence[Row[Any]]:
    """The first that is due, once whoever has it in hand is done; none where that one did it."""
    return (await session.execute(_WAIT_FOR_DUE, {"tenant": tenant_id, "now": now})).all()


async def list_tenants_due(session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
    """Tenants with something due by their own clock, or by `now` where they have none; for the operator."""
    return (await session.scalars(_TENANTS_DUE, {"now": now})).all()


_SUBSCRIPTIONS = text("""
SELECT s.*, l.code AS plan_code, r.amount_minor
FROM subscriptions s
JOIN plans l ON l.tenant_id = s.plan_tenant_id AND l.id = s.plan_id
JOIN prices r ON r.tenant_id = s.plan_tenant_id AND r.id = s.price_id
WHERE s.tenant_id = :tenant AND s.id = ANY(CAST(:ids AS uuid[]))
""")

_KEYS: dict[str, TypeEngine[Any]] = {
    "customer": Text(collation="C"),
    "plan": Text(collation="C"),
    "status": Text(collation="C"),
    "renewsAt": BigInteger(),
    "amount": BigInteger(),
}
_LISTED = (
    text("""
SELECT s.id, lower(coalesce(c.name, c.external_id)) COLLATE "C" AS "by_customer", l.code COLLATE "C" AS "by_plan",
       s.state COLLATE "C" AS "by_status", r.amount_minor AS "by_amount",
       (extract(epoch FROM coalesce(s.canceled_at, s.cancel_at, s.current_period_end)) * 1000000)::bigint
           AS "by_renewsAt"
FROM subscriptions s
JOIN customers c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id
JOIN plans l ON l.tenant_id = s.plan_tenant_id AND l.id = s.plan_id
JOIN prices r ON r.tenant_id = s.plan_tenant_id AND r.id = s.price_id
WHERE s.tenant_id = :tenant
  AND (CAST(:customer AS uuid) IS NULL OR s.customer_id = :customer)
  AND (CAST(:state AS text) IS NULL OR s.state = :state)
  AND (CAST(:plan AS text) IS NULL OR l.code = :plan)
  AND (CAST(:search AS text) IS NULL OR strpos(lower(concat_ws(' ', l.code, l.name)), lower(:search)) > 0
    OR strpos(lower(concat_ws(' ', c.name, c.email, c.external_id)), lower(:search)) > 0)
""")
    .columns(column("id", Uuid()), *(column(f"by_{name}", kind) for name, kind in _KEYS.items()))
    .subquery("listed")
)
SORTS: Sorts = {"createdAt": None, **{name: _LISTED.c[f"by_{name}"] for name in _KEYS}}
"""What subscriptions may be sorted by; `renewsAt`: when they renew, end or have ended."""

_ROWS = text("SELECT * FROM subscriptions WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id")

_LOCK = text("SELECT 1 FROM subscriptions WHERE tenant_id = :tenant AND id = :id FOR UPDATE")

_PARTS = text("""
SELECT i.*, c.name, c.is_add_on, c.meter_id, c.definition, c.price_id
FROM subscription_items i
JOIN subscriptions s ON s.tenant_id = i.tenant_id AND s.id = i.subscription_id
JOIN price_components c ON c.tenant_id = i.plan_tenant_id AND c.id = i.component_id
WHERE i.tenant_id = :tenant AND i.subscription_id = ANY(CAST(:ids AS uuid[]))
  AND (i.effective_to IS NULL OR NOT :open AND i.effective_to > s.current_period_start)
ORDER BY i.subscription_id, i.effective_from, c.position, i.id
""")

_TERMS = text("""
SELECT t.* FROM subscription_terms t
JOIN subscriptions s ON s.tenant_id = t.tenant_id AND s.id = t.subscription_id
WHERE t.tenant_id = :tenant AND t.subscription_id = ANY(CAST(:ids AS uuid[]))
  AND (t.effective_to IS NULL OR t.effective_to > s.current_period_start)
ORDER BY t.subscription_id, t.effective_from, t.id
""")

_PRICE = text("""
SELECT r.tenant_id AS seller_id, r.id AS price_id, r.currency, r.amount_minor, r.minimum, r.commitment, l.id AS plan_id,
       l.code AS plan_code, l.name AS plan_name, l.product_id, p.tax_code, COALESCE(p.is_goods, false) AS is_goods,
       v.version, v.interval, v.interval_count, v.cycle, v.proration, v.trial_days, v.trial_until
FROM prices r
JOIN plans l ON l.tenant_id = r.tenant_id AND l.id = r.plan_id
JOIN plan_versions v ON v.tenant_id = r.tenant_id AND v.plan_id = r.plan_id AND v.version = r.version
LEFT JOIN products p ON p.tenant_id = l.tenant_id AND p.id = l.product_id
WHERE r.tenant_id = :seller AND r.id = :price
""")

_COMPONENTS = text("""
SELECT id, code, name, kind, is_add_on, meter_id, definition FROM price_components
WHERE tenant_id = :seller AND price_id = :price ORDER BY position
""")

_RENEWAL_PRICES = text("""
SELECT r.id, r.currency, v.version, v.effective_from FROM plan_versions v
JOIN prices r ON r.tenant_id = v.tenant_id AND r.plan_id = v.plan_id AND r.version = v.version
WHERE v.tenant_id = :seller AND v.plan_id = :plan AND v.applies = 'renewal'
ORDER BY v.version DESC
""")

_METERED_TWICE = text("""
SELECT s.id, m.code FROM subscriptions s
JOIN subscription_items i ON i.tenant_id = s.tenant_id AND i.subscription_id = s.id AND i.effective_to IS NULL
JOIN price_components c ON c.tenant_id = i.plan_tenant_id AND c.id = i.component_id
JOIN meters m ON m.tenant_id = s.tenant_id AND m.id = c.meter_id
WHERE s.tenant_id = :tenant AND s.customer_id = :customer AND s.id <> :but AND s.state <> 'canceled'
  AND c.meter_id = ANY(CAST(:meters AS uuid[])) LIMIT 1
""")

_CHANGES = text("""
SELECT id, kind, actor_id, actor_kind, occurred_at, recorded_at, details FROM subscription_changes
WHERE tenant_id = :tenant AND subscription_id = :id AND (CAST(:before AS uuid) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")

_REDEMPTIONS = text("""
SELECT r.id, r.subscription_id, r.coupon_id, r.first_ordinal, r.last_ordinal, r.redeemed_at, c.code, c.name,
       c.percent, c.amount_minor, c.currency, c.duration, c.periods, c.redeem_by, c.max_redemptions,
       ARRAY(SELECT p.plan_id FROM coupon_plans p
             WHERE p.tenant_id = c.tenant_id AND p.coupon_id = c.id ORDER BY 1) AS plans,
       ARRAY(SELECT p.product_id FROM coupon_products p
             WHERE p.tenant_id = c.tenant_id AND p.coupon_id = c.id ORDER BY 1) AS products
FROM coupon_redemptions r JOIN coupons c ON c.tenant_id = r.tenant_id AND c.id = r.coupon_id
WHERE r.tenant_id = :tenant AND r.subscription_id = ANY(CAST(:ids AS uuid[])) ORDER BY r.id
""")

_BILLED_AT = text("""
SELECT 1 FROM invoice_items
WHERE tenant_id = :tenant AND subscription_id = :id AND invoice_id IS NULL AND bill_at = :at LIMIT 1
""")

_LIVE = text("""
SELECT id FROM subscriptions
WHERE tenant_id = :tenant AND customer_id = :customer AND currency = :currency AND id <> :but AND state <> 'canceled'
ORDER BY id
""")

_LOOSE = text("""
SELECT * FROM invoice_items
WHERE tenant_id = :tenant AND customer_id = :customer AND currency = :currency AND invoice_id IS NULL AND bill_at = :at
  AND (subscription_id IS NULL OR subscription_id <> ALL(CAST(:but AS uuid[])))
ORDER BY id
""")

_NEXT_DUE = text("SELECT min(due_at) FROM subscriptions WHERE tenant_id = :tenant AND due_at IS NOT NULL")

_DUE = text("""
SELECT id, due_at FROM subscriptions WHERE tenant_id = :tenant AND due_at <= :now
ORDER BY due_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_WAIT_FOR_DUE = text("""
SELECT id, due_at FROM subscriptions WHERE tenant_id = :tenant AND due_at <= :now
ORDER BY due_at, id LIMIT 1 FOR UPDATE
""")

_TENANTS_DUE = text("""
SELECT t.id FROM tenants t LEFT JOIN tenant_clocks c ON c.tenant_id = t.id
WHERE EXISTS (SELECT FROM subscriptions s WHERE s.tenant_id = t.id AND s.due_at <= coalesce(c.now_at, :now))
""")
