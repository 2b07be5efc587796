"""Plans and versions as they are shown."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.pricing.plans import repository
from core.billing.pricing.plans.repository import FoundPrice
from core.billing.pricing.plans.schemas import (
    ComponentAnswer,
    PlanDetail,
    PriceAnswer,
    QuoteAnswer,
    QuoteDiscount,
    QuoteLine,
    VersionAnswer,
)
from core.billing.pricing.totals import Totals
from core.foundation.ids import INSTALLATION_ID


async def versions_of(session: AsyncSession, seller_id: UUID, rows: Sequence[Row[Any]]) -> list[VersionAnswer]:
    """Versions of one plan with their prices."""
    if not rows:
        return []
    prices = await repository.list_prices(session, seller_id, rows[0].plan_id, [row.version for row in rows])
    return [_version(row, prices) for row in rows]


def plan_detail(plan: Row[Any], current: VersionAnswer | None, scheduled: VersionAnswer | None) -> PlanDetail:
    """A plan with what is sold now and next."""
    return PlanDetail(
        plan_id=plan.id,
        code=plan.code,
        name=plan.name,
        description=plan.description,
        product_id=plan.product_id,
        archived_at=plan.archived_at,
        owner="installation" if plan.tenant_id == INSTALLATION_ID else "tenant",
        current=current,
        scheduled=scheduled,
    )


def quote_answer(totals: Totals, *, plan_id: UUID, version: int, currency: str) -> QuoteAnswer:
    """What it would cost, and why."""
    return QuoteAnswer(
        plan_id=plan_id,
        version=version,
        currency=currency,
        lines=[
            QuoteLine(
                code=line.code,
                name=line.name,
                amount_minor=line.rated.amount_minor,
                arithmetic=line.rated.arithmetic,
            )
            for line in totals.lines
        ],
        discounts=[
            QuoteDiscount(coupon=found.coupon, amount_minor=found.amount_minor, shares=list(found.shares))
            for found in totals.discounts
        ],
        subtotal_minor=totals.subtotal_minor,
        total_minor=totals.total_minor,
    )


def _version(row: Row[Any], prices: Mapping[int, Sequence[FoundPrice]]) -> VersionAnswer:
    return VersionAnswer(
        plan_id=row.plan_id,
        version=row.version,
        effective_from=row.effective_from,
        applies=row.applies,
        interval=row.interval,
        interval_count=row.interval_count,
        cycle=row.cycle,
        proration=row.proration,
        trial_days=row.trial_days,
        trial_until=row.trial_until,
        prices=[_price(price) for price in prices[row.version]],
    )


def _price(price: FoundPrice) -> PriceAnswer:
    return PriceAnswer(
        price_id=price.id,
        currency=price.currency,
        amount_minor=price.amount_minor,
        components=[
            ComponentAnswer(
                code=part.code,
                name=part.name,
                kind=part.kind,
                add_on=part.is_add_on,
                meter_id=part.meter_id,
                price=part.definition,
            )
            for part in price.components
        ],
        minimum=price.minimum,
        commitment=price.commitment,
    )
