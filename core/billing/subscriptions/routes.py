"""/billing/subscriptions."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from sqlalchemy import Row

from core.billing.catalog.coupons.errors import (
    CouponExpired,
    CouponNotForThis,
    CouponNotFound,
    CouponOtherCurrency,
    CouponUsedUp,
)
from core.billing.catalog.errors import NotSoldInCurrency, PlanNotFound
from core.billing.pricing.plans.errors import ComponentUnknown
from core.billing.pricing.schemes.errors import PriceInvalid
from core.billing.subscriptions import repository, service
from core.billing.subscriptions.agreement import Wanted
from core.billing.subscriptions.errors import (
    ChangeInvalid,
    CouponRedeemedAlready,
    MeterBilledAlready,
    NothingChanges,
    SubscriptionNotFound,
    SubscriptionState,
)
from core.billing.subscriptions.periods import CycleInvalid
from core.billing.subscriptions.schemas import (
    CancelBody,
    ChangeAnswer,
    ChangeBody,
    CouponBody,
    ItemAnswer,
    NewSubscription,
    PauseBody,
    State,
    SubscriptionAnswer,
)
from core.billing.subscriptions.service import Asked, Change, ResumeAt
from core.billing.subscriptions.showing import change_answer, item_answer, show
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, Text, dump
from core.foundation.sorting import describe_sorts, read_sort
from core.foundation.zones import TimeZoneUnknown
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.auditing import record
from core.identity.tenants.customers import CustomerErased, CustomerNotFound

router = APIRouter(prefix="/billing/subscriptions", tags=["billing"])

ONCE = (KeyReused, KeyInFlight)
COUPONS = (CouponNotFound, CouponExpired, CouponUsedUp, CouponNotForThis, CouponOtherCurrency, CouponRedeemedAlready)
TERMS = (PlanNotFound, NotSoldInCurrency, ComponentUnknown, PriceInvalid, ChangeInvalid, MeterBilledAlready)
STANDS = (SubscriptionNotFound, SubscriptionState)
Decide = Callable[[Unit], Awaitable[Row[Any]]]


@router.post(
    "",
    operation_id="create_subscription",
    status_code=201,
    responses=refusals(*TERMS, CustomerNotFound, CustomerErased, CycleInvalid, TimeZoneUnknown, *COUPONS, *ONCE),
)
async def create_subscription(
    scope: Writing, body: NewSubscription, idempotency_key: KeyHeader = None
) -> SubscriptionAnswer:
    """Subscribe the tenant itself, or a customer of its, to a plan.

    403 for another tenant's `tenantId`, 404 `plan_not_found` or `customer_not_found`, 409 `meter_billed_already` or
    `customer_erased`, 422 `not_sold_in_currency`, `component_unknown`, `cycle_invalid`, `time_zone_unknown`.
    """
    scope.confirm(body.tenant_id)

    async def subscribe(unit: Unit) -> Row[Any]:
        return await service.subscribe(
            unit.session, asked(body), tenant_id=unit.tenant_id, now=unit.now, actor=unit.actor
        )

    return await _once(scope, subscribe, "subscriptions", idempotency_key, dump(body), action="created")


@router.get("", operation_id="list_subscriptions")
async def list_subscriptions(
    scope: Reading,
    limit: Limit = 50,
    cursor: Cursor = None,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
    status: Annotated[State | None, Query()] = None,
    plan: Annotated[Text | None, Query(max_length=63, description="Its code.")] = None,
    search: Annotated[Text | None, Query(max_length=200, description="Part of who has it, or of its plan.")] = None,
    sort: Annotated[str, Query(max_length=20, description=describe_sorts(repository.SORTS))] = "-createdAt",
) -> Page[SubscriptionAnswer]:
    """Subscriptions, newest first; those to which all of what is asked applies."""
    by = read_sort(sort, repository.SORTS)
    async with scope.reading() as unit:
        page, next_cursor = await repository.list_subscriptions(
            unit.session,
            unit.tenant_id,
            sort=by,
            cursor=cursor,
            limit=limit,
            customer_id=customer_id,
            state=status,
            plan=plan,
            search=search,
        )
        shown = await show(unit.session, unit.tenant_id, page)
    return Page(data=shown, next_cursor=next_cursor)


@router.get("/{subscription_id}", operation_id="get_subscription", responses=refusals(SubscriptionNotFound))
async def get_subscription(scope: Reading, subscription_id: UUID) -> SubscriptionAnswer:
    """One subscription. 404 `subscription_not_found`."""
    async with scope.reading() as unit:
        found = await service.get_subscription(unit.session, subscription_id, tenant_id=unit.tenant_id)
        return (await show(unit.session, unit.tenant_id, [found]))[0]


@router.post(
    "/{subscription_id}/change",
    operation_id="change_subscription",
    responses=refusals(*STANDS, *TERMS, NothingChanges, *ONCE),
)
async def change_subscription(
    scope: Writing, subscription_id: UUID, body: ChangeBody, idempotency_key: KeyHeader = None
) -> SubscriptionAnswer:
    """Another plan, other quantities or add-ons: now or at the next renewal. A later scheduled change replaces the
    one before. 409 `nothing_changes`, `subscription_state` (it is incomplete, paused or canceled)."""

    async def change(unit: Unit) -> Row[Any]:
        return await service.change(
            unit.session, subscription_id, change_of(body), tenant_id=unit.tenant_id, now=unit.now, actor=unit.actor
        )

    document = {"subscription": str(subscription_id), **dump(body)}
    return await _once(scope, change, "subscription_change", idempotency_key, document, action="changed")


@router.delete(
    "/{subscription_id}/change",
    operation_id="withdraw_subscription_change",
    responses=refusals(SubscriptionNotFound),
)
async def withdraw_subscription_change(scope: Writing, subscription_id: UUID) -> SubscriptionAnswer:
    """Take back what was scheduled for the next renewal; nothing happens where nothing was."""

    async def withdraw(unit: Unit) -> Row[Any]:
        return await service.withdraw_change(
            unit.session, subscription_id, tenant_id=unit.tenant_id, now=unit.now, actor=unit.actor
        )

    return await _done(scope, withdraw, "change_withdrawn")


@router.post(
    "/{subscription_id}/cancel", operation_id="cancel_subscription", responses=refusals(SubscriptionNotFound, *ONCE)
)
async def cancel_subscription(
    scope: Writing, subscription_id: UUID, body: CancelBody, idempotency_key: KeyHeader = None
) -> SubscriptionAnswer:
    """End it with its period, or now. One that has ended is shown as it is; one that waits for its first payment or
    is paused ends at once."""

    async def cancel(unit: Unit) -> Row[Any]:
        return await service.cancel(
            unit.session,
            subscription_id,
            tenant_id=unit.tenant_id,
            now=unit.now,
            at_period_end=body.when == "period_end",
            unused=body.unused,
            actor=unit.actor,
        )

    document = {"subscription": str(subscription_id), **dump(body)}
    return await _once(scope, cancel, "subscription_cancel", idempotency_key, document, action="canceled")


@router.delete("/{subscription_id}/cancel", operation_id="keep_subscription", responses=refusals(*STANDS))
async def keep_subscription(scope: Writing, subscription_id: UUID) -> SubscriptionAnswer:
    """Undo a cancellation at the period's end. 409 `subscription_state` where it has ended."""

    async def keep_on(unit: Unit) -> Row[Any]:
        return await service.keep_on(
            unit.session, subscription_id, tenant_id=unit.tenant_id, now=unit.now, actor=unit.actor
        )

    return await _done(scope, keep_on, "cancellation_withdrawn")


@router.post(
    "/{subscription_id}/pause", operation_id="pause_subscription", responses=refusals(*STANDS, ChangeInvalid, *ONCE)
)
async def pause_subscription(
    scope: Writing, subscription_id: UUID, body: PauseBody, idempotency_key: KeyHeader = None
) -> SubscriptionAnswer:
    """Stop billing: usage is billed up to now. One that is paused stays so: with another `resumeAt` until then (null:
    until it is resumed), without one as it is."""
    until = resume_at_of(body)

    async def pause(unit: Unit) -> Row[Any]:
        return await service.pause(
            unit.session,
            subscription_id,
            tenant_id=unit.tenant_id,
            now=unit.now,
            resume_at=until,
            unused=body.unused,
            actor=unit.actor,
        )

    # What is left out asks for another thing than null, and reads the same.
    document = {"subscription": str(subscription_id), **dump(body), **({"ends": False} if until is None else {})}
    return await _once(scope, pause, "subscription_pause", idempotency_key, document, action="paused")


@router.post("/{subscription_id}/resume", operation_id="resume_subscription", responses=refusals(*STANDS, *ONCE))
async def resume_subscription(
    scope: Writing, subscription_id: UUID, idempotency_key: KeyHeader = None
) -> SubscriptionAnswer:
    """Bill again from now on: the rest of the period, less what is paid already. 409 `subscription_state`."""

    async def resume(unit: Unit) -> Row[Any]:
        return await service.resume(
            unit.session, subscription_id, tenant_id=unit.tenant_id, now=unit.now, actor=unit.actor
        )

    document = {"subscription": str(subscription_id)}
    return await _once(scope, resume, "subscription_resume", idempotency_key, document, action="resumed")


@router.post("/{subscription_id}/coupons", operation_id="redeem_coupon", responses=refusals(*STANDS, *COUPONS, *ONCE))
async def redeem_coupon(
    scope: Writing, subscription_id: UUID, body: CouponBody, idempotency_key: KeyHeader = None
) -> SubscriptionAnswer:
    """Redeem a coupon, from the next period on; subscribing takes coupons from the first."""

    async def redeem(unit: Unit) -> Row[Any]:
        return await service.redeem(
            unit.session, subscription_id, body.coupon, tenant_id=unit.tenant_id, now=unit.now, actor=unit.actor
        )

    document = {"subscription": str(subscription_id), **dump(body)}
    return await _once(scope, redeem, "subscription_coupon", idempotency_key, document, action="coupon_redeemed")


@router.delete(
    "/{subscription_id}/coupons/{coupon}",
    operation_id="end_coupon",
    responses=refusals(SubscriptionNotFound, CouponNotFound),
)
async def end_coupon(
    scope: Writing, subscription_id: UUID, coupon: Annotated[str, Path(min_length=1, max_length=63)]
) -> SubscriptionAnswer:
    """End a redeemed coupon with the current period."""

    async def end(unit: Unit) -> Row[Any]:
        return await service.end_coupon(
            unit.session, subscription_id, coupon, tenant_id=unit.tenant_id, now=unit.now, actor=unit.actor
        )

    return await _done(scope, end, "coupon_ended")


@router.post(
    "/{subscription_id}/release", operation_id="release_subscription", responses=refusals(SubscriptionNotFound)
)
async def release_subscription(scope: Writing, subscription_id: UUID) -> SubscriptionAnswer:
    """Let a subscription that was parked for an error go on from where it stood, once its cause is gone."""

    async def release(unit: Unit) -> Row[Any]:
        return await service.release(
            unit.session, subscription_id, tenant_id=unit.tenant_id, now=unit.now, actor=unit.actor
        )

    return await _done(scope, release, "released")


@router.get(
    "/{subscription_id}/changes", operation_id="list_subscription_changes", responses=refusals(SubscriptionNotFound)
)
async def list_subscription_changes(
    scope: Reading, subscription_id: UUID, limit: Limit = 50, cursor: Cursor = None
) -> Page[ChangeAnswer]:
    """What happened to it, newest first: by whom, when, from what to what."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        await service.get_subscription(unit.session, subscription_id, tenant_id=unit.tenant_id)
        rows = await repository.list_changes(
            unit.session, unit.tenant_id, subscription_id, before=before, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(data=[change_answer(row) for row in page], next_cursor=str(last.id) if last else None)


@router.get(
    "/{subscription_id}/items", operation_id="list_subscription_items", responses=refusals(SubscriptionNotFound)
)
async def list_subscription_items(
    scope: Reading, subscription_id: UUID, limit: Limit = 50, cursor: Cursor = None
) -> Page[ItemAnswer]:
    """What was and is to be billed, newest first; `invoiceId` is null while no invoice took it."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        await service.get_subscription(unit.session, subscription_id, tenant_id=unit.tenant_id)
        rows = await repository.list_items(
            unit.session, unit.tenant_id, subscription_id, before=before, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(data=[item_answer(item) for item in page], next_cursor=str(last.id) if last else None)


def asked(body: NewSubscription) -> Asked:
    """What a body asks for."""
    return Asked(
        plan=body.plan_id,
        customer_id=body.customer_id,
        wanted=Wanted(quantities=body.quantities, add_ons=tuple(body.add_ons)),
        currency=body.currency,
        zone=body.time_zone,
        anchor_day=body.anchor_day,
        trial_days=body.trial_days,
        collection=body.collection,
        coupons=tuple(body.coupons),
    )


def change_of(body: ChangeBody) -> Change:
    """What a body changes."""
    add_ons = tuple(body.add_ons) if body.add_ons is not None else None
    return Change(
        plan=body.plan_id,
        wanted=Wanted(quantities=body.quantities, add_ons=add_ons),
        applies=body.applies,
        prorate=body.proration == "prorate",
        bill=body.billing,
    )


def resume_at_of(body: PauseBody) -> ResumeAt:
    """When a pause is to end, if the body says anything of it."""
    return body.resume_at if "resume_at" in body.model_fields_set else "as_it_is"


async def _once(
    scope: Writing, decide: Decide, door: str, key: str | None, document: Any, *, action: str
) -> SubscriptionAnswer:
    async with scope.writing() as unit:

        async def make() -> SubscriptionAnswer:
            return await _made(unit, decide, action)

        answer = await answer_once(unit, make, door=door, key=key, document=document)
    return SubscriptionAnswer.model_validate(answer)


async def _done(scope: Writing, decide: Decide, action: str) -> SubscriptionAnswer:
    async with scope.writing() as unit:
        return await _made(unit, decide, action)


async def _made(unit: Unit, decide: Decide, action: str) -> SubscriptionAnswer:
    row = await decide(unit)
    record(
        unit.session,
        tenant_id=unit.tenant_id,
        actor=unit.actor,
        action=f"subscription.{action}",
        subject=str(row.id),
        occurred_at=unit.now,
    )
    return (await show(unit.session, unit.tenant_id, [row]))[0]
