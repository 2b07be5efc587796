"""Subscribing, changing, pausing, canceling: load, decide, keep, tell. Every transition is whole or nothing."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog.coupons import service as coupons
from core.billing.catalog.coupons.errors import CouponNotFound
from core.billing.catalog.service import get_offer
from core.billing.subscriptions import keeping, loading, repository, transitions
from core.billing.subscriptions.agreement import BILLED, Agreement, Terms, Wanted
from core.billing.subscriptions.due import catch_up, write_wanted
from core.billing.subscriptions.errors import (
    ChangeInvalid,
    CouponRedeemedAlready,
    MeterBilledAlready,
    NothingChanges,
    PlanNotMetered,
    SubscriptionNotFound,
    SubscriptionState,
)
from core.billing.subscriptions.models import CouponRedemption
from core.billing.subscriptions.proration import NegativePeriod
from core.billing.subscriptions.transitions import Begun, Bill, Outcome, Unused
from core.foundation.ids import new_id
from core.identity.access import Principal
from core.identity.tenants.customers import CustomerNotFound, refuse_erased, self_customer
from core.identity.tenants.models import Customer
from core.identity.tenants.repository import get_tenant

Applies = Literal["now", "renewal"]
ResumeAt = datetime | Literal["as_it_is"] | None
"""When a pause ends by itself; None: not. `as_it_is`: as a pause that is there has it, else not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a customer subscribes to, and how. None: as the plan, the customer or the tenant has it."""

    plan: str
    customer_id: UUID | None = None
    wanted: Wanted = Wanted()
    currency: str | None = None
    zone: str | None = None
    anchor_day: int | None = None
    trial_days: int | None = None
    collection: str = "automatic"
    coupons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to change. Without a plan it is the terms there are."""

    plan: str | None = None
    wanted: Wanted = Wanted()
    applies: Applies = "now"
    prorate: bool = True
    bill: Bill = "next_invoice"


async def subscribe(
    session: AsyncSession, asked: Asked, *, tenant_id: UUID, now: datetime, actor: Principal | None = None
) -> Row[Any]:
    """Agrees to a plan at the price in force, for the tenant itself or a customer of its.

    Raises PlanNotFound, NotSoldInCurrency, CustomerNotFound, CustomerErased, ComponentUnknown, CycleInvalid,
    TimeZoneUnknown, MeterBilledAlready, PlanNotMetered, and what coupons refuse.
    """
    outcome = await begin(session, asked, tenant_id=tenant_id, now=now, holds=True)
    await keeping.keep(session, outcome, at=now, actor=actor)
    for coupon in asked.coupons:
        await _redeem(session, outcome.agreement, coupon, first_ordinal=0, now=now)
    return await get_subscription(session, outcome.agreement.id, tenant_id=tenant_id)


async def begin(session: AsyncSession, asked: Asked, *, tenant_id: UUID, now: datetime, holds: bool = False) -> Outcome:
    """What subscribing would come to; nothing is written. `holds`: nobody erases the customer until it is."""
    if asked.customer_id is None:
        customer = await self_customer(session, tenant_id)
    else:
        customer = await session.get(Customer, (tenant_id, asked.customer_id))
        if customer is None:
            raise CustomerNotFound
        await refuse_erased(session, tenant_id, customer.id, holds=holds)
    currency = asked.currency or customer.currency or (await get_tenant(session, tenant_id)).currency
    offer = await get_offer(session, tenant_id, plan=asked.plan, currency=currency, now=now)
    terms = await loading.load_terms(session, offer.tenant_id, offer.price_id)
    begun = Begun(
        tenant_id=tenant_id,
        id=new_id(),
        customer_id=customer.id,
        collection=asked.collection,
        zone=asked.zone or customer.time_zone,
        anchor_day=asked.anchor_day,
        trial_days=asked.trial_days,
    )
    if asked.anchor_day is not None and terms.cycle == "calendar":
        raise ChangeInvalid("anchorDay", "goes with plans of anniversary cycles: this one follows the calendar")
    outcome = transitions.begin(terms, asked.wanted, begun, now=now)
    await _refuse_meters(session, outcome.agreement)
    return outcome


async def change(
    session: AsyncSession,
    subscription_id: UUID,
    asked: Change,
    *,
    tenant_id: UUID,
    now: datetime,
    actor: Principal | None = None,
) -> Row[Any]:
    """Another plan, other quantities or add-ons: now, or from the next renewal on.

    Raises SubscriptionNotFound, SubscriptionState, NothingChanges, PlanNotFound, NotSoldInCurrency, ComponentUnknown.
    """
    agreement = await _current(session, tenant_id, subscription_id, now=now)
    outcome = await decide_change(session, agreement, asked, now=now)
    await keeping.keep(session, outcome, at=now, actor=actor)
    return await get_subscription(session, subscription_id, tenant_id=tenant_id)


async def decide_change(session: AsyncSession, agreement: Agreement, asked: Change, *, now: datetime) -> Outcome:
    """What a change would come to; nothing is written."""
    terms = agreement.terms
    if asked.plan is not None:
        offer = await get_offer(session, agreement.tenant_id, plan=asked.plan, currency=agreement.currency, now=now)
        if offer.price_id != terms.price_id:
            terms = await loading.load_terms(session, offer.tenant_id, offer.price_id)
    if asked.applies == "renewal":
        return await _schedule(session, agreement, terms, asked, now=now)
    outcome = transitions.change(agreement, terms, asked.wanted, at=now, prorate=asked.prorate, bill=asked.bill)
    await _refuse_meters(session, outcome.agreement)
    return outcome


async def _schedule(
    session: AsyncSession, agreement: Agreement, terms: Terms, asked: Change, *, now: datetime
) -> Outcome:
    if agreement.state not in ("trialing", *BILLED):
        raise SubscriptionState(agreement.state, "a change", "It is possible while it is trialing, active or past_due.")
    # What cannot be taken is refused now, not at the renewal.
    parts = transitions.choose(terms, asked.wanted, now=now, former=agreement.parts)
    if terms.price_id == agreement.terms.price_id and parts == agreement.parts:
        raise NothingChanges
    await _refuse_meters(session, replace(agreement, parts=parts))
    pending = write_wanted(terms, asked.wanted)
    return Outcome(agreement=replace(agreement, pending=pending), kind="change_scheduled", details={"pending": pending})


async def withdraw_change(
    session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime, actor: Principal | None
) -> Row[Any]:
    """Takes back what was scheduled for the renewal; nothing where there is nothing. Raises SubscriptionNotFound."""
    agreement = await _current(session, tenant_id, subscription_id, now=now)
    if agreement.pending is not None:
        outcome = Outcome(
            agreement=replace(agreement, pending=None), kind="change_withdrawn", details={"was": agreement.pending}
        )
        await keeping.keep(session, outcome, at=now, actor=actor)
    return await get_subscription(session, subscription_id, tenant_id=tenant_id)


async def cancel(
    session: AsyncSession,
    subscription_id: UUID,
    *,
    tenant_id: UUID,
    now: datetime,
    at_period_end: bool = False,
    unused: Unused = "credit",
    reason: str = "requested",
    actor: Principal | None = None,
) -> Row[Any]:
    """Ends it now, or with its period. One that has ended stays as it is. Raises SubscriptionNotFound."""
    agreement = await _current(session, tenant_id, subscription_id, now=now)
    if agreement.state != "canceled":
        outcome = decide_cancel(agreement, now=now, at_period_end=at_period_end, unused=unused, reason=reason)
        if outcome.agreement != agreement:
            await keeping.keep(session, outcome, at=now, actor=actor)
    return await get_subscription(session, subscription_id, tenant_id=tenant_id)


def decide_cancel(
    agreement: Agreement, *, now: datetime, at_period_end: bool, unused: Unused, reason: str = "requested"
) -> Outcome:
    """What a cancellation would come to; nothing is written. One that waits or is paused has no period to end with."""
    if at_period_end and agreement.state in ("trialing", *BILLED):
        end = agreement.period_end
        return Outcome(
            agreement=replace(agreement, cancel_at=end, cancel_reason="at_period_end"),
            kind="cancellation_scheduled",
            details={"cancelAt": end.isoformat()},
            fact="subscription.changed",
        )
    return transitions.cancel(agreement, at=now, unused=unused, reason=reason)


async def keep_on(
    session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime, actor: Principal | None = None
) -> Row[Any]:
    """Undoes a cancellation at the period's end. Raises SubscriptionNotFound, SubscriptionState."""
    agreement = await _current(session, tenant_id, subscription_id, now=now)
    if agreement.state == "canceled":
        raise SubscriptionState("canceled", "to undo its cancellation", "It has ended; subscribe anew.")
    if agreement.cancel_at is not None:
        outcome = Outcome(
            agreement=replace(agreement, cancel_at=None, cancel_reason=None),
            kind="cancellation_withdrawn",
            fact="subscription.changed",
        )
        await keeping.keep(session, outcome, at=now, actor=actor)
    return await get_subscription(session, subscription_id, tenant_id=tenant_id)


async def pause(
    session: AsyncSession,
    subscription_id: UUID,
    *,
    tenant_id: UUID,
    now: datetime,
    resume_at: ResumeAt = "as_it_is",
    unused: Unused = "credit",
    actor: Principal | None = None,
) -> Row[Any]:
    """Stops billing until it is resumed; one that is paused stays so, until the instant that is given now.

    Raises SubscriptionState, NegativePeriod.
    """
    agreement = await _current(session, tenant_id, subscription_id, now=now)
    outcome = decide_pause(agreement, now=now, resume_at=resume_at, unused=unused)
    if outcome is not None:
        await keeping.keep(session, outcome, at=now, actor=actor)
    return await get_subscription(session, subscription_id, tenant_id=tenant_id)


def decide_pause(
    agreement: Agreement, *, now: datetime, resume_at: ResumeAt, unused: Unused = "credit"
) -> Outcome | None:
    """What a pause would come to, None where it is so paused; nothing is written. Raises as `pause` does."""
    until = agreement.resume_at if resume_at == "as_it_is" else resume_at
    if until is not None and until <= now:
        raise NegativePeriod("resumeAt", f"must lie after {now.isoformat()}, the tenant's now")
    if agreement.state != "paused":
        return transitions.pause(agreement, at=now, resume_at=until, unused=unused)
    return transitions.move_resumption(agreement, resume_at=until) if until != agreement.resume_at else None


async def resume(
    session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime, actor: Principal | None = None
) -> Row[Any]:
    """Bills again. Raises SubscriptionNotFound, SubscriptionState, MeterBilledAlready."""
    agreement = await _current(session, tenant_id, subscription_id, now=now)
    outcome = transitions.resume(agreement, at=now)
    await keeping.keep(session, outcome, at=now, actor=actor)
    return await get_subscription(session, subscription_id, tenant_id=tenant_id)


async def activate(session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime) -> bool:
    """The first payment came; False where it did not wait for one."""
    return await _turn(session, tenant_id, subscription_id, now, "active", ("incomplete",), "activated")


async def mark_past_due(session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime) -> bool:
    """A payment failed; False where it is not active."""
    return await _turn(session, tenant_id, subscription_id, now, "past_due", ("active",), "past_due")


async def recover(session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime) -> bool:
    """What was owed is paid; False where it is not past due."""
    return await _turn(session, tenant_id, subscription_id, now, "active", ("past_due",), "activated")


async def _turn(
    session: AsyncSession,
    tenant_id: UUID,
    subscription_id: UUID,
    now: datetime,
    state: str,
    of: tuple[str, ...],
    kind: str,
) -> bool:
    agreement = await loading.load(session, tenant_id, subscription_id)
    if agreement.state not in of:
        return False
    outcome = transitions.state_to(agreement, state, of=of, fact=f"subscription.{kind}", kind=kind)
    await keeping.keep(session, outcome, at=now, actor=None)
    return True


async def redeem(
    session: AsyncSession,
    subscription_id: UUID,
    coupon: str,
    *,
    tenant_id: UUID,
    now: datetime,
    actor: Principal | None = None,
) -> Row[Any]:
    """Takes a coupon off from the next period on. Raises CouponRedeemedAlready and what coupons refuse."""
    agreement = await _current(session, tenant_id, subscription_id, now=now)
    if agreement.state == "canceled":
        raise SubscriptionState("canceled", "a coupon", "It has ended; subscribe anew.")
    await _redeem(session, agreement, coupon, first_ordinal=agreement.ordinal + 1, now=now)
    keeping.trail(session, agreement, kind="coupon_redeemed", details={"coupon": coupon}, at=now, actor=actor)
    await session.flush()
    return await get_subscription(session, subscription_id, tenant_id=tenant_id)


async def end_coupon(
    session: AsyncSession,
    subscription_id: UUID,
    coupon: str,
    *,
    tenant_id: UUID,
    now: datetime,
    actor: Principal | None = None,
) -> Row[Any]:
    """Takes a coupon off no more from the next period on. Raises CouponNotFound where it was not redeemed."""
    agreement = await _current(session, tenant_id, subscription_id, now=now)
    for row in await repository.list_redemptions(session, tenant_id, [subscription_id]):
        if coupon in (row.code, str(row.coupon_id)):
            if row.last_ordinal is None:
                redemption = await session.get_one(CouponRedemption, (tenant_id, row.id))
                redemption.last_ordinal = agreement.ordinal
                details = {"coupon": row.code}
                keeping.trail(session, agreement, kind="coupon_ended", details=details, at=now, actor=actor)
                await session.flush()
            return await get_subscription(session, subscription_id, tenant_id=tenant_id)
    raise CouponNotFound(coupon)


async def release(
    session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime, actor: Principal | None = None
) -> Row[Any]:
    """Lets a parked subscription go on from where it stood. Raises SubscriptionNotFound."""
    agreement = await loading.load(session, tenant_id, subscription_id)
    await keeping.keep(session, Outcome(agreement=agreement, kind="released"), at=now, actor=actor)
    return await get_subscription(session, subscription_id, tenant_id=tenant_id)


async def _redeem(
    session: AsyncSession, agreement: Agreement, coupon: str, *, first_ordinal: int, now: datetime
) -> None:
    terms = agreement.terms
    of = {
        "tenant_id": agreement.tenant_id,
        "seller_id": terms.seller_id,
        "plan_id": terms.plan_id,
        "product_id": terms.product_id,
        "currency": agreement.currency,
        "now": now,
    }
    found = await coupons.get_coupon(session, agreement.tenant_id, coupon)
    redeemed = await repository.list_redemptions(session, agreement.tenant_id, [agreement.id])
    if any(row.coupon_id == found.id for row in redeemed):
        raise CouponRedeemedAlready(found.code)
    await coupons.redeem(session, coupon, **of)
    session.add(
        CouponRedemption(
            tenant_id=agreement.tenant_id,
            id=new_id(),
            coupon_id=found.id,
            subscription_id=agreement.id,
            redeemed_at=now,
            first_ordinal=first_ordinal,
        )
    )
    await session.flush()


async def get_subscription(session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID) -> Row[Any]:
    """One subscription with its plan. Raises SubscriptionNotFound."""
    found = await repository.find_subscription(session, tenant_id, subscription_id)
    if found is None:
        raise SubscriptionNotFound
    return found


async def _current(session: AsyncSession, tenant_id: UUID, subscription_id: UUID, *, now: datetime) -> Agreement:
    return await catch_up(session, await loading.load(session, tenant_id, subscription_id), now=now)


async def _refuse_meters(session: AsyncSession, agreement: Agreement) -> None:
    """Usage is counted by the tenant's own meters, and billed by one subscription of a customer."""
    meters = [part.component.meter_id for part in agreement.parts if part.component.meter_id is not None]
    if not meters:
        return
    if agreement.terms.seller_id != agreement.tenant_id:
        raise PlanNotMetered(agreement.terms.plan_code)
    other = await repository.find_metered_twice(
        session, agreement.tenant_id, customer_id=agreement.customer_id, meters=meters, but=agreement.id
    )
    if other is not None:
        raise MeterBilledAlready(other.code, str(other.id))
