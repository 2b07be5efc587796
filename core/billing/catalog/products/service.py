"""Products: made, renamed, archived. A product that plans sell is never deleted."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog import changing
from core.billing.catalog.models import Product
from core.billing.catalog.products import repository
from core.billing.catalog.products.schemas import NewProduct, ProductChange
from core.billing.catalog.service import add_once, as_id
from core.foundation.errors import Conflict, Forbidden, NotFound
from core.foundation.ids import new_id


class ProductNotFound(NotFound):
    """Neither the tenant nor the installation has such a product."""

    code = "product_not_found"
    title = "No such product"

    def __init__(self, product: str) -> None:
        super().__init__(f"There is no product {product!r}. GET /billing/products lists those there are.")


class ProductOfInstallation(Forbidden):
    """A product that the tenant may not change, nor sell in plans of its own."""

    code = "product_of_installation"
    title = "The product is the installation's"

    def __init__(self, product: str) -> None:
        super().__init__(f"The product {product!r} is the installation's. Make one of your own.")


class ProductInUse(Conflict):
    """Plans sell it."""

    code = "product_in_use"
    title = "The product is sold"

    def __init__(self, product: str, plans: int) -> None:
        super().__init__(
            f"{plans} plans sell the product {product!r}, so it cannot be deleted. Archive it instead "
            f'(PATCH /billing/products/{product} {{"archived": true}}).',
            plans=plans,
        )


async def find_product(session: AsyncSession, tenant_id: UUID, product: str) -> Row[Any]:
    """A product by id or code, the installation's too. Raises ProductNotFound."""
    product_id = as_id(product)
    found = await repository.find_product(
        session, tenant_id, product_id=product_id, code=None if product_id else product
    )
    if found is None:
        raise ProductNotFound(product)
    return found


async def get_product(session: AsyncSession, tenant_id: UUID, product: str) -> Row[Any]:
    """A product of the tenant's own. Raises ProductNotFound, ProductOfInstallation."""
    found = await find_product(session, tenant_id, product)
    if found.tenant_id != tenant_id:
        raise ProductOfInstallation(found.code)
    return found


async def create_product(session: AsyncSession, body: NewProduct, *, tenant_id: UUID, now: datetime) -> Row[Any]:
    """Raises CodeTaken."""
    product = Product(
        tenant_id=tenant_id,
        id=new_id(),
        code=body.code,
        name=body.name,
        description=body.description or None,
        tax_code=body.tax_code,
        is_goods=body.is_goods,
        created_at=now,
    )
    await add_once(session, product, what="product", code=body.code)
    return await find_product(session, tenant_id, str(product.id))


async def change_product(
    session: AsyncSession, change: ProductChange, *, product: str, tenant_id: UUID, now: datetime
) -> Row[Any]:
    """Raises ProductNotFound, ProductOfInstallation."""
    found = await get_product(session, tenant_id, product)
    row = await session.get_one(Product, (tenant_id, found.id))
    changing.change(row, change, now=now)
    if change.description is not None:
        row.description = change.description or None
    await session.flush()
    return await find_product(session, tenant_id, str(found.id))


async def delete_product(session: AsyncSession, product: str, *, tenant_id: UUID, now: datetime) -> Row[Any]:
    """Archives a product that no plan sells. Raises ProductInUse, ProductNotFound, ProductOfInstallation."""
    found = await get_product(session, tenant_id, product)
    plans = await repository.count_plans(session, tenant_id, found.id)
    if plans:
        raise ProductInUse(found.code, plans)
    return await change_product(
        session, ProductChange(archived=True), product=str(found.id), tenant_id=tenant_id, now=now
    )
