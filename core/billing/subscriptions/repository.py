"""Subscriptions: every SELECT."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def list_subscriptions(
    session: AsyncSession, tenant_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Subscriptions with their terms, newest first."""
    where = {"tenant": tenant_id, "id": None, "before": before, "limit": limit}
    return (await session.execute(_SUBSCRIPTIONS, where)).all()


async def find_subscription(session: AsyncSession, tenant_id: UUID, subscription_id: UUID) -> Row[Any] | None:
    """One subscription with its terms."""
    where = {"tenant": tenant_id, "id": subscription_id, "before": None, "limit": 1}
    return (await session.execute(_SUBSCRIPTIONS, where)).one_or_none()


async def customer_exists(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> bool:
    """Whether the tenant has that customer."""
    found = await session.scalar(_CUSTOMER, {"tenant": tenant_id, "id": customer_id})
    return found is not None


_SUBSCRIPTIONS = text("""
SELECT s.id, s.customer_id, s.plan_id, l.code AS plan_code, s.state, s.currency, r.amount_minor, r.interval,
       s.current_period_start, s.current_period_end, s.created_at, s.canceled_at
FROM subscriptions s
JOIN plans l ON l.tenant_id = s.plan_tenant_id AND l.id = s.plan_id
JOIN prices r ON r.tenant_id = s.plan_tenant_id AND r.id = s.price_id
WHERE s.tenant_id = :tenant
  AND (CAST(:id AS uuid) IS NULL OR s.id = :id)
  AND (CAST(:before AS uuid) IS NULL OR s.id < :before)
ORDER BY s.id DESC LIMIT :limit
""")

_CUSTOMER = text("SELECT id FROM customers WHERE tenant_id = :tenant AND id = :id")
