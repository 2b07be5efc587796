"""/billing/products."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from sqlalchemy import Row

from core.billing.catalog.errors import CodeTaken
from core.billing.catalog.products import repository, service
from core.billing.catalog.products.schemas import NewProduct, ProductAnswer, ProductChange
from core.billing.catalog.products.service import ProductInUse, ProductNotFound, ProductOfInstallation
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import INSTALLATION_ID, parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, dump
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.auditing import record

router = APIRouter(prefix="/billing/products", tags=["billing"])

ProductPath = Annotated[str, Path(min_length=1, max_length=63, description="The id or the code.")]


@router.post(
    "",
    operation_id="create_product",
    status_code=201,
    responses=refusals(CodeTaken, KeyReused, KeyInFlight),
)
async def create_product(scope: Writing, body: NewProduct, idempotency_key: KeyHeader = None) -> ProductAnswer:
    """A product of the tenant's own. 409 `code_taken`."""
    async with scope.writing() as unit:

        async def make() -> ProductAnswer:
            made = await service.create_product(unit.session, body, tenant_id=unit.tenant_id, now=unit.now)
            _record(unit, "product.created", made.id)
            return _shown(made)

        answer = await answer_once(unit, make, door="products", key=idempotency_key, document=dump(body))
    return ProductAnswer.model_validate(answer)


@router.get("", operation_id="list_products")
async def list_products(
    scope: Reading,
    limit: Limit = 50,
    cursor: Cursor = None,
    archived: Annotated[bool, Query(description="Those out of sale instead.")] = False,
) -> Page[ProductAnswer]:
    """Products, newest first: the tenant's own and the installation's."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await repository.list_products(
            unit.session, unit.tenant_id, archived=archived, before=before, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(data=[_shown(row) for row in page], next_cursor=str(last.id) if last else None)


@router.get("/{product}", operation_id="get_product", responses=refusals(ProductNotFound))
async def get_product(scope: Reading, product: ProductPath) -> ProductAnswer:
    """One product. 404 `product_not_found`."""
    async with scope.reading() as unit:
        return _shown(await service.find_product(unit.session, unit.tenant_id, product))


@router.patch("/{product}", operation_id="change_product", responses=refusals(ProductNotFound, ProductOfInstallation))
async def change_product(scope: Writing, product: ProductPath, body: ProductChange) -> ProductAnswer:
    """Another name or description; out of use, or back. 404 `product_not_found`, 403 `product_of_installation`."""
    async with scope.writing() as unit:
        changed = await service.change_product(
            unit.session, body, product=product, tenant_id=unit.tenant_id, now=unit.now
        )
        _record(unit, "product.changed", changed.id)
    return _shown(changed)


@router.delete(
    "/{product}",
    operation_id="delete_product",
    responses=refusals(ProductNotFound, ProductOfInstallation, ProductInUse),
)
async def delete_product(scope: Writing, product: ProductPath) -> ProductAnswer:
    """Archives a product that no plan sells; 409 `product_in_use` for one that is. The row is kept either way."""
    async with scope.writing() as unit:
        deleted = await service.delete_product(unit.session, product, tenant_id=unit.tenant_id, now=unit.now)
        _record(unit, "product.archived", deleted.id)
    return _shown(deleted)


def _record(unit: Unit, action: str, product_id: UUID) -> None:
    record(
        unit.session,
        tenant_id=unit.tenant_id,
        actor=unit.actor,
        action=action,
        subject=str(product_id),
        occurred_at=unit.now,
    )


def _shown(row: Row[Any]) -> ProductAnswer:
    return ProductAnswer(
        product_id=row.id,
        code=row.code,
        name=row.name,
        description=row.description,
        tax_code=row.tax_code,
        is_goods=row.is_goods,
        created_at=row.created_at,
        archived_at=row.archived_at,
        owner="installation" if row.tenant_id == INSTALLATION_ID else "tenant",
    )
