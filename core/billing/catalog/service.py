"""What a tenant, or the installation, offers: packages and plans are added, never edited."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog import repository
from core.billing.catalog.errors import CodeTaken, NotSoldInCurrency, PlanNotFound
from core.billing.catalog.models import CreditPackage, Plan, Price
from core.billing.catalog.payable import refuse_unpayable
from core.billing.catalog.repository import Offer, Package
from core.foundation.ids import new_id
from core.foundation.money import minor_to_micro


async def get_offer(session: AsyncSession, tenant_id: UUID, *, plan: str, currency: str, now: datetime) -> Offer:
    """A plan by its id or code, at the price in force. Raises PlanNotFound, NotSoldInCurrency."""
    plan_id = _as_id(plan)
    found = await repository.find_plan(session, tenant_id, plan_id=plan_id, code=None if plan_id else plan)
    if found is None:
        raise PlanNotFound(plan)
    price = await repository.find_price(
        session, seller_id=found.tenant_id, plan_id=found.id, currency=currency, now=now
    )
    if price is None:
        raise NotSoldInCurrency(found.code, currency)
    return Offer(
        tenant_id=found.tenant_id,
        plan_id=found.id,
        price_id=price.id,
        code=found.code,
        name=found.name,
        version=price.version,
        currency=currency,
        amount_minor=price.amount_minor,
        interval=price.interval,
    )


async def create_package(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    code: str,
    name: str,
    currency: str,
    amount_minor: int,
    credits_micro: int | None,
) -> Package:
    """Offers credits at a price; `credits_micro` None: as much as is paid. Raises InvalidInput, CodeTaken."""
    refuse_unpayable(amount_minor, currency)
    package = CreditPackage(
        tenant_id=tenant_id,
        id=new_id(),
        code=code,
        name=name,
        currency=currency,
        amount_minor=amount_minor,
        credits_micro=minor_to_micro(amount_minor, currency) if credits_micro is None else credits_micro,
    )
    await _add(session, package, what="package", code=code)
    return Package(
        tenant_id=tenant_id,
        id=package.id,
        code=code,
        name=name,
        currency=currency,
        amount_minor=amount_minor,
        credits_micro=package.credits_micro,
    )


async def create_plan(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    code: str,
    name: str,
    currency: str,
    amount_minor: int,
    interval: str,
    now: datetime,
) -> Offer:
    """Offers a plan at its first price. Raises CodeTaken."""
    plan = Plan(tenant_id=tenant_id, id=new_id(), code=code, name=name)
    await _add(session, plan, what="plan", code=code)
    price = Price(
        tenant_id=tenant_id,
        id=new_id(),
        plan_id=plan.id,
        version=1,
        currency=currency,
        amount_minor=amount_minor,
        interval=interval,
        effective_from=now,
    )
    session.add(price)
    await session.flush()
    return Offer(
        tenant_id=tenant_id,
        plan_id=plan.id,
        price_id=price.id,
        code=code,
        name=name,
        version=1,
        currency=currency,
        amount_minor=amount_minor,
        interval=interval,
    )


async def _add(session: AsyncSession, row: CreditPackage | Plan, *, what: str, code: str) -> None:
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        # The one unique rule of both tables besides their ids is the code's.
        raise CodeTaken(what, code) from None


def _as_id(plan: str) -> UUID | None:
    try:
        return UUID(plan)
    except ValueError:
        return None
