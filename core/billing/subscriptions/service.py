"""Subscribing. Without a means of payment a subscription is incomplete."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog.service import get_offer
from core.billing.subscriptions import repository
from core.billing.subscriptions.models import Subscription
from core.billing.subscriptions.periods import boundary
from core.foundation.errors import NotFound
from core.foundation.ids import new_id
from core.identity.tenants.customers import CustomerNotFound, self_customer
from core.identity.tenants.repository import get_tenant


class SubscriptionNotFound(NotFound):
    """No such subscription in this tenant."""

    code = "subscription_not_found"
    title = "No such subscription"

    def __init__(self) -> None:
        super().__init__("The tenant has no such subscription.")


async def subscribe(
    session: AsyncSession, *, tenant_id: UUID, plan: str, customer_id: UUID | None, now: datetime
) -> Row[Any]:
    """Agrees to the plan (an id or a code) at the price in force, for the tenant itself or a customer of its.

    The first period begins `now`. Raises PlanNotFound, NotSoldInCurrency, CustomerNotFound.
    """
    if customer_id is None:
        customer_id = (await self_customer(session, tenant_id)).id
    elif not await repository.customer_exists(session, tenant_id, customer_id):
        raise CustomerNotFound
    currency = (await get_tenant(session, tenant_id)).currency
    offer = await get_offer(session, tenant_id, plan=plan, currency=currency, now=now)
    subscription = Subscription(
        tenant_id=tenant_id,
        id=new_id(),
        customer_id=customer_id,
        plan_tenant_id=offer.tenant_id,
        plan_id=offer.plan_id,
        version=offer.version,
        price_id=offer.price_id,
        state="incomplete",
        currency=offer.currency,
        collection="automatic",
        interval=offer.interval,
        interval_count=1,
        cycle="anniversary",
        proration="second",
        anchor=now,
        zone="UTC",
        period_number=0,
        ordinal=0,
        current_period_start=now,
        current_period_end=boundary(now, offer.interval, 1),
        paid_through=now,
        created_at=now,
    )
    session.add(subscription)
    await session.flush()
    return await get_subscription(session, subscription.id, tenant_id=tenant_id)


async def get_subscription(session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID) -> Row[Any]:
    """One subscription with its terms. Raises SubscriptionNotFound."""
    found = await repository.find_subscription(session, tenant_id, subscription_id)
    if found is None:
        raise SubscriptionNotFound
    return found
