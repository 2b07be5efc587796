"""What a tenant, or the installation, offers: packages are added, never edited; a plan at the price in force."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog import repository
from core.billing.catalog.errors import CodeTaken, NotSoldInCurrency, PlanNotFound
from core.billing.catalog.models import CreditPackage, Plan
from core.billing.catalog.payable import refuse_unpayable
from core.billing.catalog.repository import Offer, Package
from core.foundation.ids import new_id
from core.foundation.money import minor_to_micro
from core.foundation.tables import Table


async def get_offer(session: AsyncSession, tenant_id: UUID, *, plan: str, currency: str, now: datetime) -> Offer:
    """A plan by its id or code, at the price in force. Raises PlanNotFound, NotSoldInCurrency."""
    plan_id = as_id(plan)
    found = await repository.find_plan(session, tenant_id, plan_id=plan_id, code=None if plan_id else plan)
    if found is None:
        raise PlanNotFound(plan)
    return await get_offer_of(session, found, currency=currency, now=now)


async def get_offer_of(session: AsyncSession, plan: Plan | Row[Any], *, currency: str, now: datetime) -> Offer:
    """A plan that was found, at the price in force. Raises NotSoldInCurrency."""
    price = await repository.find_price(session, seller_id=plan.tenant_id, plan_id=plan.id, currency=currency, now=now)
    if price is None:
        raise NotSoldInCurrency(plan.code, currency)
    return Offer(
        tenant_id=plan.tenant_id,
        plan_id=plan.id,
        price_id=price.id,
        code=plan.code,
        name=plan.name,
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
    await add_once(session, package, what="package", code=code)
    return Package(
        tenant_id=tenant_id,
        id=package.id,
        code=code,
        name=name,
        currency=currency,
        amount_minor=amount_minor,
        credits_micro=package.credits_micro,
    )


async def add_once(session: AsyncSession, row: Table, *, what: str, code: str) -> None:
    """A row with a code of its own. Raises CodeTaken."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        # The one unique rule of these tables besides their ids is the code's.
        raise CodeTaken(what, code) from None


def as_id(plan: str) -> UUID | None:
    """The id where it is one, else None: then it is a code."""
    try:
        return UUID(plan)
    except ValueError:
        return None
