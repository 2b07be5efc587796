"""What a change, a cancellation or the next renewal would bill. Nothing is written: the same decisions, not kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog.coupons import service as coupons
from core.billing.subscriptions import loading, repository, transitions
from core.billing.subscriptions.agreement import Agreement
from core.billing.subscriptions.due import step
from core.billing.subscriptions.models import InvoiceItem
from core.billing.subscriptions.service import Asked, Change, begin, decide_cancel, decide_change
from core.billing.subscriptions.transitions import Outcome, Unused


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What would be billed at `bill_at`; `assumed` are items of another bill that count for its floors.

    `coupons`: what subscribing would redeem; None, those that the subscription has.
    """

    agreement: Agreement
    bill_at: datetime
    items: tuple[InvoiceItem, ...]
    assumed: tuple[InvoiceItem, ...] = ()
    coupons: tuple[Row[Any], ...] | None = None


async def preview_begin(session: AsyncSession, asked: Asked, *, tenant_id: UUID, now: datetime) -> list[Previewed]:
    """The first invoice of a subscription, after its trial if it has one."""
    outcome = await begin(session, asked, tenant_id=tenant_id, now=now)
    terms = outcome.agreement.terms
    taken: list[Row[Any]] = []
    for coupon in asked.coupons:
        await coupons.get_redeemable(
            session, coupon, tenant_id=tenant_id, seller_id=terms.seller_id, plan_id=terms.plan_id,
            product_id=terms.product_id, currency=outcome.agreement.currency, now=now,
        )  # fmt: skip
        taken.append(await coupons.get_coupon(session, tenant_id, coupon))
    at = now
    if outcome.agreement.state == "trialing":
        at = outcome.agreement.period_end
        outcome = transitions.renew(outcome.agreement, at=at)
    return [Previewed(agreement=outcome.agreement, bill_at=at, items=outcome.items, coupons=tuple(taken))]


async def preview_change(
    session: AsyncSession, subscription_id: UUID, asked: Change, *, tenant_id: UUID, now: datetime
) -> list[Previewed]:
    """The invoice of a change, where it is billed now, and the next one after it."""
    agreement = await loading.load(session, tenant_id, subscription_id, lock=False)
    outcome = await decide_change(session, agreement, asked, now=now)
    return await _after(session, outcome, now=now)


async def preview_cancel(
    session: AsyncSession,
    subscription_id: UUID,
    *,
    tenant_id: UUID,
    now: datetime,
    at_period_end: bool,
    unused: Unused = "credit",
) -> list[Previewed]:
    """The last invoice."""
    agreement = await loading.load(session, tenant_id, subscription_id, lock=False)
    if agreement.state == "canceled":
        return []
    outcome = decide_cancel(agreement, now=now, at_period_end=at_period_end, unused=unused)
    return await _after(session, outcome, now=now)


async def preview_next(
    session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime
) -> list[Previewed]:
    """The next invoice, if there is one to come."""
    agreement = await loading.load(session, tenant_id, subscription_id, lock=False)
    return await _after(session, Outcome(agreement=agreement, kind="seen"), now=now)


async def _after(session: AsyncSession, outcome: Outcome, *, now: datetime) -> list[Previewed]:
    """What an outcome bills now, and what the step after it bills with what waits for it."""
    agreement = outcome.agreement
    known = await repository.list_waiting(session, agreement.tenant_id, agreement.id)
    waiting = [item for item in known if item.bill_at > now]
    found: list[Previewed] = []
    billed_now = [item for item in outcome.items if item.bill_at <= now]
    later = [item for item in outcome.items if item.bill_at > now]
    if outcome.forward_to is not None:
        billed_now, waiting = [*waiting, *billed_now], []
    if billed_now:
        found.append(Previewed(agreement=agreement, bill_at=now, items=tuple(billed_now)))
    while agreement.state != "canceled" and (at := agreement.due_at()) is not None:
        following = await step(loading.Prices(session), agreement, at=at)
        agreement = following.agreement
        if following.items or agreement.state == "canceled":
            items = (*waiting, *later, *following.items)
            if items:
                found.append(Previewed(agreement=agreement, bill_at=at, items=items, assumed=tuple(billed_now)))
            break
    return found
