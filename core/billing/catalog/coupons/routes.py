"""/billing/coupons."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from sqlalchemy import Row

from core.billing.catalog.coupons import repository, service
from core.billing.catalog.coupons.errors import CouponInUse, CouponInvalid, CouponNotFound
from core.billing.catalog.coupons.schemas import CouponAnswer, CouponChange, NewCoupon
from core.billing.catalog.errors import CodeTaken
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, dump
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.auditing import record

router = APIRouter(prefix="/billing/coupons", tags=["billing"])

CouponPath = Annotated[str, Path(min_length=1, max_length=63, description="The id or the code.")]


@router.post(
    "",
    operation_id="create_coupon",
    status_code=201,
    responses=refusals(CodeTaken, CouponInvalid, KeyReused, KeyInFlight),
)
async def create_coupon(scope: Writing, body: NewCoupon, idempotency_key: KeyHeader = None) -> CouponAnswer:
    """A coupon for the tenant's own plans. 409 `code_taken`, 422 `coupon_invalid`."""
    async with scope.writing() as unit:

        async def make() -> CouponAnswer:
            made = await service.create_coupon(unit.session, body, tenant_id=unit.tenant_id, now=unit.now)
            _record(unit, "coupon.created", made.id)
            return _shown(made)

        answer = await answer_once(unit, make, door="coupons", key=idempotency_key, document=dump(body))
    return CouponAnswer.model_validate(answer)


@router.get("", operation_id="list_coupons")
async def list_coupons(
    scope: Reading,
    limit: Limit = 50,
    cursor: Cursor = None,
    archived: Annotated[bool, Query(description="Those out of use instead.")] = False,
) -> Page[CouponAnswer]:
    """Coupons, newest first."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await repository.list_coupons(
            unit.session, unit.tenant_id, archived=archived, before=before, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(data=[_shown(row) for row in page], next_cursor=str(last.id) if last else None)


@router.get("/{coupon}", operation_id="get_coupon", responses=refusals(CouponNotFound))
async def get_coupon(scope: Reading, coupon: CouponPath) -> CouponAnswer:
    """One coupon. 404 `coupon_not_found`."""
    async with scope.reading() as unit:
        return _shown(await service.get_coupon(unit.session, unit.tenant_id, coupon))


@router.patch("/{coupon}", operation_id="change_coupon", responses=refusals(CouponNotFound))
async def change_coupon(scope: Writing, coupon: CouponPath, body: CouponChange) -> CouponAnswer:
    """Another name; out of use, or back. Its terms stay. 404 `coupon_not_found`."""
    async with scope.writing() as unit:
        changed = await service.change_coupon(unit.session, body, coupon=coupon, tenant_id=unit.tenant_id, now=unit.now)
        _record(unit, "coupon.changed", changed.id)
    return _shown(changed)


@router.delete("/{coupon}", operation_id="delete_coupon", responses=refusals(CouponNotFound, CouponInUse))
async def delete_coupon(scope: Writing, coupon: CouponPath) -> CouponAnswer:
    """Archives a coupon that nobody redeemed; 409 `coupon_in_use` for one that bills rest on. The row is kept."""
    async with scope.writing() as unit:
        deleted = await service.delete_coupon(unit.session, coupon, tenant_id=unit.tenant_id, now=unit.now)
        _record(unit, "coupon.archived", deleted.id)
    return _shown(deleted)


def _record(unit: Unit, action: str, coupon_id: UUID) -> None:
    record(
        unit.session,
        tenant_id=unit.tenant_id,
        actor=unit.actor,
        action=action,
        subject=str(coupon_id),
        occurred_at=unit.now,
    )


def _shown(row: Row[Any]) -> CouponAnswer:
    return CouponAnswer(
        coupon_id=row.id,
        code=row.code,
        name=row.name,
        percent=row.percent,
        amount_minor=row.amount_minor,
        currency=row.currency,
        duration=row.duration,
        periods=row.periods,
        redeem_by=row.redeem_by,
        max_redemptions=row.max_redemptions,
        redeemed=row.redeemed,
        plans=list(row.plans),
        products=list(row.products),
        created_at=row.created_at,
        archived_at=row.archived_at,
    )
