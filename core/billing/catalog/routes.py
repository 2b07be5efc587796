"""/billing/packages and /billing/plans."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from core.billing.catalog import repository, service
from core.billing.catalog.errors import CodeTaken
from core.billing.catalog.repository import Offer, Package
from core.billing.catalog.schemas import Currency, NewPackage, PackageAnswer, PlanAnswer
from core.foundation.ids import INSTALLATION_ID, parse_id
from core.foundation.paging import Cursor, Limit, cut, decode_cursor, encode_cursor
from core.foundation.refusals import refusals
from core.foundation.schemas import Page
from core.identity.scope import Reading, Writing
from core.identity.tenants.repository import get_tenant

router = APIRouter(prefix="/billing", tags=["billing"])


@router.get("/packages", operation_id="list_packages")
async def list_packages(scope: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[PackageAnswer]:
    """Credit packages in the tenant's currency: its own and the installation's, by price."""
    after = _decoded(cursor)
    async with scope.reading() as unit:
        currency = await repository.get_currency(unit.session, unit.tenant_id)
        packages = await repository.list_packages(
            unit.session, unit.tenant_id, currency=currency, after=after, limit=limit + 1
        )
    page, last = cut(packages, limit)
    return Page(
        data=[_package(package) for package in page],
        next_cursor=encode_cursor(last.amount_minor, str(last.id)) if last else None,
    )


@router.post("/packages", operation_id="create_package", status_code=201, responses=refusals(CodeTaken))
async def create_package(scope: Writing, body: NewPackage) -> PackageAnswer:
    """Offer a package of the tenant's own. 409 `code_taken`."""
    async with scope.writing() as unit:
        package = await service.create_package(
            unit.session,
            tenant_id=unit.tenant_id,
            code=body.package_code,
            name=body.name,
            currency=body.currency or (await get_tenant(unit.session, unit.tenant_id)).currency,
            amount_minor=body.amount_minor,
            credits_micro=body.credits_micro(),
        )
    return _package(package)


@router.get("/plans", operation_id="list_plans")
async def list_plans(
    scope: Reading,
    limit: Limit = 50,
    cursor: Cursor = None,
    currency: Annotated[Currency | None, Query(description="Instead of the tenant's own.")] = None,
    archived: Annotated[bool, Query(description="Those out of sale instead.")] = False,
) -> Page[PlanAnswer]:
    """Plans on offer in the tenant's currency, its own and the installation's, by price at the version in force."""
    after = _decoded(cursor)
    async with scope.reading() as unit:
        currency = currency or await repository.get_currency(unit.session, unit.tenant_id)
        offers = await repository.list_offers(
            unit.session,
            unit.tenant_id,
            currency=currency,
            now=unit.now,
            archived=archived,
            after=after,
            limit=limit + 1,
        )
    page, last = cut(offers, limit)
    return Page(
        data=[plan_answer(offer) for offer in page],
        next_cursor=encode_cursor(last.amount_minor, str(last.price_id)) if last else None,
    )


def _decoded(cursor: str | None) -> tuple[int, str] | None:
    after = decode_cursor(cursor, int, str)
    return (after[0], str(parse_id(after[1], "cursor"))) if after else None


def _package(package: Package) -> PackageAnswer:
    return PackageAnswer(
        package_code=package.code,
        name=package.name,
        amount_minor=package.amount_minor,
        currency=package.currency,
        credits=package.credits_micro,
        owner=_owner(package.tenant_id),
    )


def plan_answer(offer: Offer) -> PlanAnswer:
    """An offer as it is shown."""
    return PlanAnswer(
        plan_id=offer.plan_id,
        code=offer.code,
        name=offer.name,
        amount_minor=offer.amount_minor,
        currency=offer.currency,
        interval=offer.interval,
        version=offer.version,
        owner=_owner(offer.tenant_id),
    )


def _owner(tenant_id: UUID) -> Literal["tenant", "installation"]:
    return "installation" if tenant_id == INSTALLATION_ID else "tenant"
