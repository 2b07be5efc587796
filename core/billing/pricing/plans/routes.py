"""/billing/plans: built, versioned, quoted. The list of what is on offer is the catalogue's."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from sqlalchemy import Row

from core.billing.catalog.coupons import service as coupons
from core.billing.catalog.coupons.errors import (
    CouponExpired,
    CouponNotForThis,
    CouponNotFound,
    CouponOtherCurrency,
    CouponUsedUp,
)
from core.billing.catalog.errors import CodeTaken, NotSoldInCurrency, PlanNotFound
from core.billing.catalog.products.service import ProductNotFound, ProductOfInstallation
from core.billing.catalog.routes import plan_answer
from core.billing.catalog.schemas import PlanMade
from core.billing.catalog.service import get_offer_of
from core.billing.pricing.plans import repository, service
from core.billing.pricing.plans.errors import PlanArchived, PlanInUse, PlanInvalid, PlanOfInstallation, VersionNotFound
from core.billing.pricing.plans.quoting import quote
from core.billing.pricing.plans.schemas import (
    NewPlan,
    NewVersion,
    PlanChange,
    PlanDetail,
    QuoteAnswer,
    QuoteBody,
    VersionAnswer,
)
from core.billing.pricing.plans.showing import plan_detail, quote_answer, versions_of
from core.billing.pricing.schemes.errors import PriceInvalid
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.paging import Cursor, Limit, cut, decode_cursor, encode_cursor
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, dump
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.auditing import record
from core.identity.tenants.repository import get_tenant

router = APIRouter(prefix="/billing/plans", tags=["billing"])

PlanPath = Annotated[str, Path(min_length=1, max_length=63, description="The id or the code.")]
ONCE = (KeyReused, KeyInFlight)


@router.post(
    "",
    operation_id="create_plan",
    status_code=201,
    responses=refusals(CodeTaken, ProductNotFound, ProductOfInstallation, PlanInvalid, PriceInvalid, *ONCE),
)
async def create_plan(scope: Writing, body: NewPlan, idempotency_key: KeyHeader = None) -> PlanMade:
    """Offer a plan of the tenant's own: with `prices` of one currency or several, or with `amountMinor` as one flat
    price. The answer shows the first price. 409 `code_taken`; what is wrong with prices has a code each."""
    async with scope.writing() as unit:

        async def make() -> PlanMade:
            currency = (await get_tenant(unit.session, unit.tenant_id)).currency
            made = await service.create_plan(
                unit.session, body, tenant_id=unit.tenant_id, currency=currency, now=unit.now
            )
            _record(unit, "plan.created", made.plan.id, version=1)
            first = body.prices[0].currency if body.prices else body.currency or currency
            offer = await get_offer_of(unit.session, made.plan, currency=first, now=unit.now)
            return PlanMade.model_validate(dump(plan_answer(offer)))

        answer = await answer_once(unit, make, door="plans", key=idempotency_key, document=dump(body))
    return PlanMade.model_validate(answer)


@router.get("/{plan}", operation_id="get_plan", responses=refusals(PlanNotFound))
async def get_plan(scope: Reading, plan: PlanPath) -> PlanDetail:
    """A plan with the version in force and the one that takes over next. 404 `plan_not_found`."""
    async with scope.reading() as unit:
        return await _detail(unit, await service.get_plan(unit.session, unit.tenant_id, plan))


@router.patch("/{plan}", operation_id="change_plan", responses=refusals(PlanNotFound, PlanOfInstallation))
async def change_plan(scope: Writing, plan: PlanPath, body: PlanChange) -> PlanDetail:
    """Another name or description; out of sale, or back. Terms change by a new version."""
    async with scope.writing() as unit:
        changed = await service.change_plan(unit.session, body, plan=plan, tenant_id=unit.tenant_id, now=unit.now)
        _record(unit, "plan.changed", changed.id)
        return await _detail(unit, changed)


@router.delete("/{plan}", operation_id="delete_plan", responses=refusals(PlanNotFound, PlanOfInstallation, PlanInUse))
async def delete_plan(scope: Writing, plan: PlanPath) -> PlanDetail:
    """Archives a plan that nobody ever subscribed to; 409 `plan_in_use` for one that bills rest on. Its versions are
    kept either way, and its code stays taken."""
    async with scope.writing() as unit:
        deleted = await service.delete_plan(unit.session, plan, tenant_id=unit.tenant_id, now=unit.now)
        _record(unit, "plan.archived", deleted.id)
        return await _detail(unit, deleted)


@router.post(
    "/{plan}/versions",
    operation_id="create_plan_version",
    status_code=201,
    responses=refusals(PlanNotFound, PlanOfInstallation, PlanArchived, PlanInvalid, PriceInvalid, *ONCE),
)
async def create_plan_version(
    scope: Writing, plan: PlanPath, body: NewVersion, idempotency_key: KeyHeader = None
) -> VersionAnswer:
    """New terms, from now or later. What was agreed stays; with `"applies": "renewal"` subscriptions there are take
    these at their first renewal from then on. Of the versions in force the highest is sold."""
    async with scope.writing() as unit:

        async def make() -> VersionAnswer:
            made = await service.create_version(unit.session, body, plan=plan, tenant_id=unit.tenant_id, now=unit.now)
            _record(unit, "plan.version_created", made.plan.id, version=made.version.version)
            return await _version(unit, made.plan, version=made.version.version)

        document = {"plan": plan, **dump(body)}
        answer = await answer_once(unit, make, door="plan_versions", key=idempotency_key, document=document)
    return VersionAnswer.model_validate(answer)


@router.get("/{plan}/versions", operation_id="list_plan_versions", responses=refusals(PlanNotFound))
async def list_plan_versions(
    scope: Reading, plan: PlanPath, limit: Limit = 50, cursor: Cursor = None
) -> Page[VersionAnswer]:
    """All versions there ever were, newest first."""
    before = decode_cursor(cursor, int)
    async with scope.reading() as unit:
        found = await service.get_plan(unit.session, unit.tenant_id, plan)
        rows = await repository.list_versions(
            unit.session, found.tenant_id, found.id, before=before[0] if before else None, limit=limit + 1
        )
        page, last = cut(rows, limit)
        shown = await versions_of(unit.session, found.tenant_id, page)
    return Page(data=shown, next_cursor=encode_cursor(last.version) if last else None)


@router.post(
    "/{plan}/quote",
    operation_id="quote_plan",
    responses=refusals(
        PlanNotFound, VersionNotFound, NotSoldInCurrency, PlanInvalid, PriceInvalid, CouponNotFound,
        CouponExpired, CouponUsedUp, CouponNotForThis, CouponOtherCurrency,
    ),
)  # fmt: skip
async def quote_plan(scope: Reading, plan: PlanPath, body: QuoteBody) -> QuoteAnswer:
    """What one period of the plan would cost for these quantities, with the arithmetic of each line. Nothing is kept.

    By the version in force, or the one named. 422 `component_unknown`, `quantity_invalid`, `not_sold_in_currency`.
    """
    async with scope.reading() as unit:
        found = await service.get_plan(unit.session, unit.tenant_id, plan)
        row = await repository.find_version(
            unit.session, found.tenant_id, found.id, version=body.version, at=None if body.version else unit.now
        )
        if row is None:
            raise VersionNotFound(found.code, str(body.version or "in force now"))
        currency = body.currency or (await get_tenant(unit.session, unit.tenant_id)).currency
        prices = (await repository.list_prices(unit.session, found.tenant_id, found.id, [row.version]))[row.version]
        price = next((price for price in prices if price.currency == currency), None)
        if price is None:
            raise NotSoldInCurrency(found.code, currency)
        taken = [
            await coupons.get_redeemable(
                unit.session,
                coupon,
                tenant_id=unit.tenant_id,
                seller_id=found.tenant_id,
                plan_id=found.id,
                product_id=found.product_id,
                currency=currency,
                now=unit.now,
            )
            for coupon in body.coupons
        ]
    totals = quote(price, body, plan_id=found.id, product_id=found.product_id, coupons=taken)
    return quote_answer(totals, plan_id=found.id, version=row.version, currency=currency)


async def _detail(unit: Unit, plan: Row[Any]) -> PlanDetail:
    in_force = await repository.find_version(unit.session, plan.tenant_id, plan.id, at=unit.now)
    next_one = await repository.find_scheduled(unit.session, plan.tenant_id, plan.id, now=unit.now)
    rows = [row for row in (in_force, next_one) if row is not None]
    shown = {version.version: version for version in await versions_of(unit.session, plan.tenant_id, rows)}
    return plan_detail(
        plan,
        shown[in_force.version] if in_force is not None else None,
        shown[next_one.version] if next_one is not None else None,
    )


async def _version(unit: Unit, plan: Any, *, version: int) -> VersionAnswer:
    row = await repository.find_version(unit.session, plan.tenant_id, plan.id, version=version)
    assert row is not None, "it was just added"
    return (await versions_of(unit.session, plan.tenant_id, [row]))[0]


def _record(unit: Unit, action: str, plan_id: UUID, *, version: int | None = None) -> None:
    record(
        unit.session,
        tenant_id=unit.tenant_id,
        actor=unit.actor,
        action=action,
        subject=str(plan_id),
        occurred_at=unit.now,
        details={} if version is None else {"version": version},
    )
