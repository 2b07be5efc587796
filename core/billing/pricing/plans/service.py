"""Building plans: a plan, its versions, and what each costs. What was agreed is never changed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog import changing
from core.billing.catalog.errors import PlanNotFound
from core.billing.catalog.models import Plan, PlanVersion, Price, PriceComponent
from core.billing.catalog.products.service import ProductNotFound, get_product
from core.billing.catalog.service import add_once, as_id
from core.billing.pricing.plans import repository
from core.billing.pricing.plans.errors import (
    ComponentRepeated,
    ComponentsDiffer,
    CurrencyRepeated,
    EffectiveInPast,
    InstallationPlanMetered,
    MeterUnknown,
    PlanArchived,
    PlanInUse,
    PlanInvalid,
    PlanOfInstallation,
    PlanWithoutPrice,
)
from core.billing.pricing.plans.schemas import (
    MOST_COUNT,
    NewComponent,
    NewPlan,
    NewPrice,
    NewVersion,
    PlanChange,
    Terms,
)
from core.billing.pricing.schemes.commitments import check_floor
from core.billing.pricing.schemes.definitions import Flat, Percentage, dump
from core.billing.pricing.schemes.errors import PriceInvalid
from core.billing.pricing.schemes.rating import Measured, check_currency, rate
from core.foundation.ids import INSTALLATION_ID, new_id
from core.foundation.money import MAX_MINOR, AmountOutOfRange, minor_to_units


@dataclass(frozen=True, slots=True)
class Made:
    """A version that was just added."""

    plan: Plan | Row[Any]
    version: PlanVersion


async def get_plan(session: AsyncSession, tenant_id: UUID, plan: str) -> Row[Any]:
    """A plan by id or code, archived or not. Raises PlanNotFound."""
    plan_id = as_id(plan)
    found = await repository.find_plan(session, tenant_id, plan_id=plan_id, code=None if plan_id else plan)
    if found is None:
        raise PlanNotFound(plan)
    return found


async def get_own_plan(session: AsyncSession, tenant_id: UUID, plan: str) -> Row[Any]:
    """A plan that the tenant may change. Raises PlanNotFound, PlanOfInstallation."""
    found = await get_plan(session, tenant_id, plan)
    if found.tenant_id != tenant_id:
        raise PlanOfInstallation(found.code)
    return found


async def create_plan(session: AsyncSession, body: NewPlan, *, tenant_id: UUID, currency: str, now: datetime) -> Made:
    """A plan with its first version, in force from now.

    `currency` is that of `amountMinor` where none is given. Raises CodeTaken, ProductNotFound, PlanInvalid,
    PriceInvalid.
    """
    prices = body.prices
    if body.amount_minor is not None:
        if prices:
            raise PlanInvalid("amountMinor", "or prices: give one of them")
        prices = [_flat(body.name, body.amount_minor, body.currency or currency)]
    elif body.currency is not None:
        raise PlanInvalid("currency", "goes with amountMinor: prices name their own")
    product = await get_product(session, tenant_id, body.product) if body.product is not None else None
    if product is not None and product.archived_at is not None:
        raise ProductNotFound(product.code)
    plan = Plan(
        tenant_id=tenant_id,
        id=new_id(),
        code=body.code,
        name=body.name,
        description=body.description,
        product_id=product.id if product else None,
    )
    _check(body, prices, now=now)
    await add_once(session, plan, what="plan", code=body.code)
    version = await _add(session, body, prices, plan_id=plan.id, tenant_id=tenant_id, version=1, at=now, applies="new")
    return Made(plan, version)


async def create_version(session: AsyncSession, body: NewVersion, *, plan: str, tenant_id: UUID, now: datetime) -> Made:
    """New terms from an instant not yet over. Raises PlanNotFound, PlanArchived, PlanOfInstallation, PlanInvalid."""
    found = await get_own_plan(session, tenant_id, plan)
    if found.archived_at is not None:
        raise PlanArchived(found.code)
    at = body.effective_from or now
    if at < now:
        raise EffectiveInPast("effectiveFrom", f"must not be before {now.isoformat()}: what was sold stays as it was")
    _check(body, body.prices, now=at)
    number = await repository.lock_plan(session, tenant_id, found.id) + 1
    version = await _add(
        session,
        body,
        body.prices,
        plan_id=found.id,
        tenant_id=tenant_id,
        version=number,
        at=at,
        applies=body.applies,
    )
    return Made(found, version)


async def change_plan(
    session: AsyncSession, change: PlanChange, *, plan: str, tenant_id: UUID, now: datetime
) -> Row[Any]:
    """Another name or description, out of sale or back. Raises PlanNotFound, PlanOfInstallation."""
    found = await get_own_plan(session, tenant_id, plan)
    row = await session.get_one(Plan, (tenant_id, found.id))
    changing.change(row, change, now=now)
    if change.description is not None:
        row.description = change.description or None
    await session.flush()
    return await get_plan(session, tenant_id, str(found.id))


async def delete_plan(session: AsyncSession, plan: str, *, tenant_id: UUID, now: datetime) -> Row[Any]:
    """Takes a plan that nobody ever subscribed to out of sale. Raises PlanInUse, PlanNotFound, PlanOfInstallation."""
    found = await get_own_plan(session, tenant_id, plan)
    subscriptions = await repository.count_subscriptions(session, found.id)
    if subscriptions:
        raise PlanInUse(found.code, subscriptions)
    return await change_plan(session, PlanChange(archived=True), plan=str(found.id), tenant_id=tenant_id, now=now)


def _flat(name: str, amount_minor: int, currency: str) -> NewPrice:
    price = Flat(model="flat", amount=minor_to_units(amount_minor, currency))
    return NewPrice(currency=currency, components=[NewComponent(code="base", name=name, price=price)])


def _check(terms: Terms, prices: Sequence[NewPrice], *, now: datetime) -> None:
    """Raises what is wrong with the terms as a whole, by name."""
    most = MOST_COUNT[terms.interval]
    if terms.interval_count > most:
        raise PlanInvalid("intervalCount", f"must be at most {most} of a {terms.interval}")
    if terms.trial_until is not None and terms.trial_until <= now:
        raise PlanInvalid("trialUntil", "must lie after the instant from which the terms hold")
    if not prices:
        raise PlanWithoutPrice
    if repeated := _repeated(price.currency for price in prices):
        raise CurrencyRepeated("prices", f"has {repeated} twice")
    first = prices[0]
    for place, price in enumerate(prices):
        field = f"prices[{place}]"
        if all(part.add_on for part in price.components) and not (price.minimum or price.commitment):
            raise PlanWithoutPrice(f"{field}.components")
        if repeated := _repeated(part.code for part in price.components):
            raise ComponentRepeated(f"{field}.components", f"has {repeated!r} twice")
        if [_kind(part) for part in price.components] != [_kind(part) for part in first.components]:
            raise ComponentsDiffer(
                f"{field}.components", f"must be those of {first.currency}, of the same code, kind, meter and order"
            )
        for part in price.components:
            if (part.kind == "usage") != (part.meter is not None):
                raise PlanInvalid(f"{field}.components.{part.code}.meter", "goes with the kind usage, and needs it")
            if isinstance(part.price, Percentage) and part.kind != "usage":
                raise PlanInvalid(f"{field}.components.{part.code}.price", "is a percentage: it needs the kind usage")
            try:
                check_currency(part.price, price.currency)
            except PriceInvalid as refused:
                raise refused.within(f"{field}.components.{part.code}.price") from None
        for floor in (price.minimum, price.commitment):
            if floor is not None:
                try:
                    check_floor(floor, price.currency)
                except PriceInvalid as refused:
                    raise refused.within(f"{field}.{floor.model}") from None


def _kind(part: NewComponent) -> tuple[str, str, bool, str | None]:
    return part.code, part.kind, part.add_on, part.meter


def _repeated(codes: Iterable[str]) -> str | None:
    return next((code for code, times in Counter(codes).items() if times > 1), None)


def fixed_minor(parts: Sequence[NewComponent], currency: str) -> int:
    """The fixed part of a period: what recurs and is no add-on, at quantity one."""
    amount_minor = sum(
        rate(part.price, Measured(Decimal(1)), currency=currency).amount_minor
        for part in parts
        if part.kind == "recurring" and not part.add_on
    )
    if amount_minor > MAX_MINOR:
        raise AmountOutOfRange("prices")
    return amount_minor


async def _add(
    session: AsyncSession,
    terms: Terms,
    prices: Sequence[NewPrice],
    *,
    plan_id: UUID,
    tenant_id: UUID,
    version: int,
    at: datetime,
    applies: str,
) -> PlanVersion:
    names = [part.meter for price in prices for part in price.components if part.meter is not None]
    if names and tenant_id == INSTALLATION_ID:
        raise InstallationPlanMetered(names[0])
    meters = await repository.find_meters(session, tenant_id, names) if names else {}
    for name in names:
        if name not in meters:
            raise MeterUnknown("meter", f"{name!r} is none of the tenant's that is not archived")
    row = PlanVersion(
        tenant_id=tenant_id,
        plan_id=plan_id,
        version=version,
        effective_from=at,
        interval=terms.interval,
        interval_count=terms.interval_count,
        cycle=terms.cycle,
        proration=terms.proration,
        applies=applies,
        trial_days=terms.trial_days,
        trial_until=terms.trial_until,
    )
    session.add(row)
    await session.flush()
    for price in prices:
        price_id = new_id()
        session.add(
            Price(
                tenant_id=tenant_id,
                id=price_id,
                plan_id=plan_id,
                version=version,
                currency=price.currency,
                amount_minor=fixed_minor(price.components, price.currency),
                interval=terms.interval,
                effective_from=at,
                minimum=dump(price.minimum) if price.minimum else None,
                commitment=dump(price.commitment) if price.commitment else None,
            )
        )
        await session.flush()
        session.add_all(
            PriceComponent(
                tenant_id=tenant_id,
                id=new_id(),
                price_id=price_id,
                position=position,
                code=part.code,
                name=part.name,
                kind=part.kind,
                is_add_on=part.add_on,
                meter_id=meters[part.meter] if part.meter is not None else None,
                definition=dump(part.price),
            )
            for position, part in enumerate(price.components, start=1)
        )
    await session.flush()
    return row
