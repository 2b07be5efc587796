"""Coupons: every SELECT, and the one UPDATE that counts a redemption."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def find_coupon(
    session: AsyncSession, tenant_id: UUID, *, coupon_id: UUID | None, code: str | None
) -> Row[Any] | None:
    """A coupon by id or code, archived or not, with the ids of its plans and products."""
    where = {"tenant": tenant_id, "id": coupon_id, "code": code}
    return (await session.execute(_COUPON, where)).one_or_none()


async def list_coupons(
    session: AsyncSession, tenant_id: UUID, *, archived: bool, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Coupons, newest first."""
    where = {"tenant": tenant_id, "archived": archived, "before": before, "limit": limit}
    return (await session.execute(_COUPONS, where)).all()


async def count_redemption(session: AsyncSession, tenant_id: UUID, coupon_id: UUID) -> bool:
    """Counts one more; False where it is used up. Others wait for the row until the end of the transaction."""
    counted = await session.scalar(_REDEEM, {"tenant": tenant_id, "id": coupon_id})
    return counted is not None


async def find_plans(session: AsyncSession, tenant_id: UUID, names: Sequence[str]) -> dict[str, UUID]:
    """The ids of the tenant's plans, by id and by code."""
    return _named((await session.execute(_PLANS, {"tenant": tenant_id, "names": list(names)})).all())


async def find_products(session: AsyncSession, tenant_id: UUID, names: Sequence[str]) -> dict[str, UUID]:
    """The ids of the tenant's products, by id and by code."""
    return _named((await session.execute(_PRODUCTS, {"tenant": tenant_id, "names": list(names)})).all())


def _named(rows: Sequence[Row[Any]]) -> dict[str, UUID]:
    found: dict[str, UUID] = {}
    for row in rows:
        found |= {row.code: row.id, str(row.id): row.id}
    return found


_SELECT = """
SELECT c.id, c.code, c.name, c.percent, c.amount_minor, c.currency, c.duration, c.periods, c.redeem_by,
       c.max_redemptions, c.redeemed, c.created_at, c.archived_at,
       ARRAY(SELECT p.plan_id FROM coupon_plans p
             WHERE p.tenant_id = c.tenant_id AND p.coupon_id = c.id ORDER BY 1) AS plans,
       ARRAY(SELECT p.product_id FROM coupon_products p
             WHERE p.tenant_id = c.tenant_id AND p.coupon_id = c.id ORDER BY 1) AS products
FROM coupons c
WHERE c.tenant_id = :tenant
"""

_COUPON = text(f"{_SELECT} AND (c.id = CAST(:id AS uuid) OR c.code = CAST(:code AS text))")

_COUPONS = text(f"""{_SELECT}
  AND (c.archived_at IS NOT NULL) = :archived AND (CAST(:before AS uuid) IS NULL OR c.id < :before)
ORDER BY c.id DESC LIMIT :limit
""")

_REDEEM = text("""
UPDATE coupons SET redeemed = redeemed + 1
WHERE tenant_id = :tenant AND id = :id AND (max_redemptions IS NULL OR redeemed < max_redemptions)
RETURNING redeemed
""")

_PLANS = text("""
SELECT id, code FROM plans WHERE tenant_id = :tenant AND (code = ANY(:names) OR CAST(id AS text) = ANY(:names))
""")

_PRODUCTS = text("""
SELECT id, code FROM products WHERE tenant_id = :tenant AND (code = ANY(:names) OR CAST(id AS text) = ANY(:names))
""")
