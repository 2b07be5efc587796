"""Products: every SELECT."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.ids import INSTALLATION_ID


async def find_product(
    session: AsyncSession, tenant_id: UUID, *, product_id: UUID | None, code: str | None
) -> Row[Any] | None:
    """A product by id or code: the tenant's own before the installation's."""
    where = {"tenant": tenant_id, "installation": INSTALLATION_ID, "id": product_id, "code": code}
    return (await session.execute(_PRODUCT, where)).one_or_none()


async def list_products(
    session: AsyncSession, tenant_id: UUID, *, archived: bool, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """The tenant's own and the installation's, newest first."""
    where = {
        "tenant": tenant_id,
        "installation": INSTALLATION_ID,
        "archived": archived,
        "before": before,
        "limit": limit,
    }
    return (await session.execute(_PRODUCTS, where)).all()


async def count_plans(session: AsyncSession, tenant_id: UUID, product_id: UUID) -> int:
    """How many plans sell the product."""
    return await session.scalar(_PLANS, {"tenant": tenant_id, "product": product_id}) or 0


_PRODUCT = text("""
SELECT tenant_id, id, code, name, description, tax_code, is_goods, created_at, archived_at FROM products
WHERE tenant_id IN (:tenant, :installation) AND (id = CAST(:id AS uuid) OR code = CAST(:code AS text))
ORDER BY (tenant_id = :tenant) DESC LIMIT 1
""")

_PRODUCTS = text("""
SELECT tenant_id, id, code, name, description, tax_code, is_goods, created_at, archived_at FROM products
WHERE tenant_id IN (:tenant, :installation) AND (archived_at IS NOT NULL) = :archived
  AND (CAST(:before AS uuid) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")

_PLANS = text("SELECT count(*) FROM plans WHERE tenant_id = :tenant AND product_id = :product")
