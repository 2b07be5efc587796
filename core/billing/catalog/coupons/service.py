"""Coupons: made, archived, redeemed. Their terms are never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog import changing
from core.billing.catalog.coupons import repository
from core.billing.catalog.coupons.errors import (
    CouponInUse,
    CouponInvalid,
    CouponNotForThis,
    CouponNotFound,
    CouponUsedUp,
)
from core.billing.catalog.coupons.schemas import CouponChange, NewCoupon
from core.billing.catalog.coupons.terms import Coupon, check_redemption, check_terms
from core.billing.catalog.models import CouponPlan, CouponProduct, CouponRow
from core.billing.catalog.service import add_once, as_id
from core.foundation.ids import new_id


async def get_coupon(session: AsyncSession, tenant_id: UUID, coupon: str) -> Row[Any]:
    """A coupon by id or code, archived or not. Raises CouponNotFound."""
    coupon_id = as_id(coupon)
    found = await repository.find_coupon(session, tenant_id, coupon_id=coupon_id, code=None if coupon_id else coupon)
    if found is None:
        raise CouponNotFound(coupon)
    return found


async def create_coupon(session: AsyncSession, body: NewCoupon, *, tenant_id: UUID, now: datetime) -> Row[Any]:
    """Raises CodeTaken, CouponInvalid."""
    check_terms(
        Coupon(
            code=body.code,
            percent=body.percent,
            amount_minor=body.amount_minor,
            currency=body.currency,
            duration=body.duration,
            periods=body.periods,
            redeem_by=body.redeem_by,
        ),
        now=now,
    )
    plans = _ids(body.plans, await repository.find_plans(session, tenant_id, body.plans), "plans")
    products = _ids(body.products, await repository.find_products(session, tenant_id, body.products), "products")
    row = CouponRow(
        tenant_id=tenant_id,
        id=new_id(),
        code=body.code,
        name=body.name,
        percent=body.percent,
        amount_minor=body.amount_minor,
        currency=body.currency,
        duration=body.duration,
        periods=body.periods,
        redeem_by=body.redeem_by,
        max_redemptions=body.max_redemptions,
        created_at=now,
    )
    await add_once(session, row, what="coupon", code=body.code)
    session.add_all(CouponPlan(tenant_id=tenant_id, coupon_id=row.id, plan_id=plan_id) for plan_id in plans)
    session.add_all(CouponProduct(tenant_id=tenant_id, coupon_id=row.id, product_id=one) for one in products)
    await session.flush()
    return await get_coupon(session, tenant_id, str(row.id))


async def change_coupon(
    session: AsyncSession, change: CouponChange, *, coupon: str, tenant_id: UUID, now: datetime
) -> Row[Any]:
    """Another name; out of use or back. Raises CouponNotFound."""
    found = await get_coupon(session, tenant_id, coupon)
    row = await session.get_one(CouponRow, (tenant_id, found.id))
    changing.change(row, change, now=now)
    await session.flush()
    return await get_coupon(session, tenant_id, str(found.id))


async def delete_coupon(session: AsyncSession, coupon: str, *, tenant_id: UUID, now: datetime) -> Row[Any]:
    """Archives a coupon that nobody redeemed. Raises CouponInUse, CouponNotFound."""
    found = await get_coupon(session, tenant_id, coupon)
    if found.redeemed:
        raise CouponInUse(found.code, found.redeemed)
    return await change_coupon(session, CouponChange(archived=True), coupon=str(found.id), tenant_id=tenant_id, now=now)


async def get_redeemable(
    session: AsyncSession,
    coupon: str,
    *,
    tenant_id: UUID,
    seller_id: UUID,
    plan_id: UUID,
    product_id: UUID | None,
    currency: str,
    now: datetime,
) -> Coupon:
    """The terms of a coupon that may be redeemed for a plan now. Nothing is taken off what somebody else sells.

    Raises CouponNotFound, CouponExpired, CouponUsedUp, CouponOtherCurrency, CouponNotForThis.
    """
    found = await get_coupon(session, tenant_id, coupon)
    if found.archived_at is not None:
        raise CouponNotFound(coupon)
    if seller_id != tenant_id:
        raise CouponNotForThis(found.code)
    terms = read_terms(found)
    check_redemption(terms, now=now, redeemed=found.redeemed, currency=currency, plan_id=plan_id, product_id=product_id)
    return terms


async def redeem(session: AsyncSession, coupon: str, **of: Any) -> Coupon:
    """Counts a redemption, once however many race; arguments and errors as `get_redeemable`."""
    terms = await get_redeemable(session, coupon, **of)
    found = await get_coupon(session, of["tenant_id"], coupon)
    if not await repository.count_redemption(session, of["tenant_id"], found.id):
        raise CouponUsedUp(found.code, found.max_redemptions)
    return terms


def read_terms(row: Row[Any]) -> Coupon:
    """The pure terms of a stored coupon."""
    return Coupon(
        code=row.code,
        percent=row.percent,
        amount_minor=row.amount_minor,
        currency=row.currency,
        duration=row.duration,
        periods=row.periods,
        redeem_by=row.redeem_by,
        max_redemptions=row.max_redemptions,
        plans=frozenset(row.plans),
        products=frozenset(row.products),
    )


def _ids(names: Sequence[str], found: Mapping[str, UUID], field: str) -> list[UUID]:
    for name in names:
        if name not in found:
            raise CouponInvalid(field, f"has {name!r}, which is none of the tenant's own {field}")
    return list(dict.fromkeys(found[name] for name in names))
