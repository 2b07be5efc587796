"""What a change, an end, a pause or the next renewal would bill. Nothing is written: the same decisions, not kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog.coupons import service as coupons
from core.billing.subscriptions import loading, repository, transitions
from core.billing.subscriptions.agreement import Agreement
from core.billing.subscriptions.due import step
from core.billing.subscriptions.errors import CouponRedeemedAlready
from core.billing.subscriptions.models import InvoiceItem
from core.billing.subscriptions.service import (
    Asked,
    Change,
    ResumeAt,
    begin,
    decide_cancel,
    decide_change,
    decide_pause,
)
from core.billing.subscriptions.transitions import Outcome, Unused

HORIZON = timedelta(days=400)
"""How far a subscription of which nothing is billed is followed, beyond its next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What would be billed at `bill_at`; `assumed` are items on earlier bills that are not stored so.

    `coupons`: what subscribing would redeem; None, those that the subscription has.
    """

    agreement: Agreement
    bill_at: datetime
    items: tuple[InvoiceItem, ...]
    assumed: tuple[InvoiceItem, ...] = ()
    coupons: tuple[Row[Any], ...] | None = None


@dataclass(slots=True)
class Ahead:
    """A subscription as it goes on by itself, in memory: `items` are those that no invoice has taken by then."""

    prices: loading.Prices
    agreement: Agreement
    items: list[InvoiceItem] = field(default_factory=list[InvoiceItem])
    stepped: set[UUID] = field(default_factory=set[UUID])
    """Items that are not stored, or were stored for another instant."""

    def take(self, outcome: Outcome) -> None:
        """What an outcome makes of it."""
        self.agreement = outcome.agreement
        if outcome.forward_to is not None:
            for item in self.items:
                if item.bill_at > outcome.forward_to:
                    item.bill_at = outcome.forward_to
                    self.stepped.add(item.id)
        self.items += outcome.items
        self.stepped |= {item.id for item in outcome.items}

    async def until(self, at: datetime) -> None:
        """Does what is due by an instant."""
        while (due_at := self.agreement.due_at()) is not None and due_at <= at:
            self.take(await step(self.prices, self.agreement, at=due_at))

    async def next_bill(self, *, counts: Callable[[InvoiceItem], bool], now: datetime) -> datetime | None:
        """Goes on to the first instant at which one of these items is billed; None where that is not to be seen."""
        while True:
            first = min((item.bill_at for item in self.items if counts(item)), default=None)
            due_at = self.agreement.due_at()
            if due_at is None or (first is not None and due_at > first):
                return first
            if first is None and due_at > now + HORIZON and self.agreement.period_start > now:
                return None
            self.take(await step(self.prices, self.agreement, at=due_at))

    def billed_at(self, at: datetime) -> Previewed:
        """The bill of an instant."""
        return Previewed(
            agreement=self.agreement,
            bill_at=at,
            items=tuple(item for item in self.items if item.bill_at == at),
            assumed=tuple(item for item in self.items if item.bill_at < at and item.id in self.stepped),
        )


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
        found = await coupons.get_coupon(session, tenant_id, coupon)
        if found in taken:
            raise CouponRedeemedAlready(found.code)
        taken.append(found)
    ahead = Ahead(loading.Prices(session), outcome.agreement)
    ahead.take(outcome)
    if outcome.agreement.state == "incomplete":
        at = now
    else:
        at = await ahead.next_bill(counts=lambda _: True, now=now)
    return [] if at is None else [_with_coupons(ahead.billed_at(at), tuple(taken))]


async def preview_change(
    session: AsyncSession, subscription_id: UUID, asked: Change, *, tenant_id: UUID, now: datetime
) -> list[Previewed]:
    """The invoice of a change, where it is billed now, and the next one after it."""
    ahead = await _load(session, subscription_id, tenant_id=tenant_id, until=now)
    return await _after(ahead, await decide_change(session, ahead.agreement, asked, now=now), now=now)


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
    ahead = await _load(session, subscription_id, tenant_id=tenant_id, until=now)
    if ahead.agreement.state == "canceled":
        return []
    return await _after(
        ahead, decide_cancel(ahead.agreement, now=now, at_period_end=at_period_end, unused=unused), now=now
    )


async def preview_pause(
    session: AsyncSession,
    subscription_id: UUID,
    *,
    tenant_id: UUID,
    now: datetime,
    resume_at: ResumeAt = "as_it_is",
    unused: Unused = "credit",
) -> list[Previewed]:
    """The invoice of a pause, and the one of its end where that is known; none where it is so paused."""
    ahead = await _load(session, subscription_id, tenant_id=tenant_id, until=now)
    outcome = decide_pause(ahead.agreement, now=now, resume_at=resume_at, unused=unused)
    return [] if outcome is None else await _after(ahead, outcome, now=now)


async def preview_resume(
    session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime
) -> list[Previewed]:
    """The invoice of a resumption, and the next one after it."""
    ahead = await _load(session, subscription_id, tenant_id=tenant_id, until=now)
    return await _after(ahead, transitions.resume(ahead.agreement, at=now), now=now)


async def preview_next(
    session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime
) -> list[Previewed]:
    """The next invoice, if there is one to come, last; before it what is due at this moment and left to the run."""
    ahead = await _load(session, subscription_id, tenant_id=tenant_id)
    due = sorted({item.bill_at for item in ahead.items if item.bill_at <= now})
    found = [ahead.billed_at(at) for at in due]
    at = await ahead.next_bill(counts=lambda item: item.bill_at > now or item.id in ahead.stepped, now=now)
    return [] if at is None else [*found, ahead.billed_at(at)]


async def preview_others(
    session: AsyncSession, subscriptions: Sequence[UUID], *, tenant_id: UUID, at: datetime
) -> list[Previewed]:
    """What other subscriptions have on their bills of an instant, those that have anything."""
    found: list[Previewed] = []
    for subscription_id in subscriptions:
        ahead = await _load(session, subscription_id, tenant_id=tenant_id, until=at)
        found.append(ahead.billed_at(at))
    return [one for one in found if one.items]


async def _load(
    session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, until: datetime | None = None
) -> Ahead:
    """As it is by its tenant's clock, however late the worker is."""
    agreement = await loading.load(session, tenant_id, subscription_id, lock=False)
    items = await repository.list_waiting(session, tenant_id, subscription_id)
    for item in items:
        # What is foreseen of an item is not written to its row.
        session.expunge(item)
    ahead = Ahead(loading.Prices(session), agreement, items)
    if until is not None:
        await ahead.until(until)
    return ahead


async def _after(ahead: Ahead, outcome: Outcome, *, now: datetime) -> list[Previewed]:
    """What an outcome bills now, with what else waits for this instant, and the next bill after it."""
    before = {item.id: item.bill_at for item in ahead.items}
    ahead.take(outcome)
    found: list[Previewed] = []
    if any(item.bill_at == now != before.get(item.id) for item in ahead.items):
        found.append(ahead.billed_at(now))
    if outcome.agreement.state != "canceled":
        at = await ahead.next_bill(counts=lambda item: item.bill_at > now, now=now)
        if at is not None:
            found.append(ahead.billed_at(at))
    return found


def _with_coupons(one: Previewed, taken: tuple[Row[Any], ...]) -> Previewed:
    return Previewed(agreement=one.agreement, bill_at=one.bill_at, items=one.items, coupons=taken)
