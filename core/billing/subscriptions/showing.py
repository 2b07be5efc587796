"""Subscriptions as they are shown."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.subscriptions import repository
from core.billing.subscriptions.models import InvoiceItem
from core.billing.subscriptions.schemas import (
    ChangeAnswer,
    ItemAnswer,
    PartAnswer,
    RedeemedCoupon,
    ScheduledChange,
    SubscriptionAnswer,
)
from core.foundation.money import format_decimal


async def show(session: AsyncSession, tenant_id: UUID, rows: Sequence[Row[Any]]) -> list[SubscriptionAnswer]:
    """Subscriptions with their parts and coupons."""
    ids = [row.id for row in rows]
    parts: dict[UUID, list[PartAnswer]] = {}
    for part in await repository.list_parts(session, tenant_id, ids, open_only=True) if ids else ():
        parts.setdefault(part.subscription_id, []).append(
            PartAnswer(
                code=part.code,
                name=part.name,
                kind=part.kind,
                add_on=part.is_add_on,
                quantity=None if part.quantity is None else format_decimal(part.quantity),
            )
        )
    coupons: dict[UUID, list[RedeemedCoupon]] = {}
    for one in await repository.list_redemptions(session, tenant_id, ids) if ids else ():
        coupons.setdefault(one.subscription_id, []).append(
            RedeemedCoupon(code=one.code, name=one.name, first_period=one.first_ordinal, last_period=one.last_ordinal)
        )
    return [_subscription(row, parts.get(row.id, []), coupons.get(row.id, [])) for row in rows]


def change_answer(row: Row[Any]) -> ChangeAnswer:
    """A row of the trail."""
    return ChangeAnswer(
        change_id=row.id,
        kind=row.kind,
        actor_id=row.actor_id,
        actor_kind=row.actor_kind,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        details=row.details,
    )


def item_answer(item: InvoiceItem) -> ItemAnswer:
    """What is to be billed."""
    return ItemAnswer(
        item_id=item.id,
        kind=item.kind,
        code=item.code,
        description=item.description,
        period=item.ordinal,
        period_start=item.period_start,
        period_end=item.period_end,
        quantity=None if item.quantity is None else format_decimal(item.quantity),
        amount_minor=item.amount_minor,
        currency=item.currency,
        bill_at=item.bill_at,
        invoice_id=item.invoice_id,
    )


def _subscription(row: Row[Any], parts: list[PartAnswer], coupons: list[RedeemedCoupon]) -> SubscriptionAnswer:
    pending: dict[str, Any] | None = row.pending
    return SubscriptionAnswer(
        subscription_id=row.id,
        plan_id=row.plan_id,
        plan_code=row.plan_code,
        version=row.version,
        customer_id=row.customer_id,
        status=row.state,
        collection=row.collection,
        currency=row.currency,
        amount_minor=row.amount_minor,
        interval=row.interval,
        interval_count=row.interval_count,
        time_zone=row.zone,
        period=row.ordinal,
        current_period_start=row.current_period_start,
        current_period_end=row.current_period_end,
        parts=parts,
        coupons=coupons,
        trial_end=row.trial_end,
        paused_at=row.paused_at,
        resume_at=row.resume_at,
        cancel_at=row.cancel_at,
        canceled_at=row.canceled_at,
        cancel_reason=row.cancel_reason,
        scheduled=ScheduledChange(
            plan_code=pending["planCode"],
            version=pending["version"],
            quantities=pending["quantities"],
            add_ons=pending["addOns"],
        )
        if pending
        else None,
        parked_at=row.parked_at,
        parked_error=row.parked_error,
        created_at=row.created_at,
    )
