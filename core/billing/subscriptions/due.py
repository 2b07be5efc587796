"""What falls due of subscriptions on the tenant's clock: trials that end, renewals, resumptions, cancellations.

One step of one subscription at a time, at the instant it was due: a worker that comes late does all periods between.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.subscriptions import keeping, loading, repository, transitions
from core.billing.subscriptions.agreement import Agreement, Terms, Wanted
from core.billing.subscriptions.loading import Prices
from core.billing.subscriptions.transitions import Outcome
from core.foundation.errors import CloudBillError

AT_ONCE = 100
_ITS_OWN = (CloudBillError, ArithmeticError, AssertionError, ValueError, LookupError)
"""A fault of the database's is nobody's in particular: it ends the transaction, to be tried again."""
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class SubscriptionsDue:
    """Due work: the next step of each subscription."""

    name = "subscriptionsAdvanced"

    async def next_due(self, session: AsyncSession, tenant_id: UUID) -> datetime | None:
        """When the tenant's first subscription has something to do."""
        return await repository.next_due(session, tenant_id)

    async def tenants_due(self, session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
        """The tenants with something to do."""
        return await repository.list_tenants_due(session, now=now)

    async def run(self, session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
        """One step of some subscriptions; one that fails is parked and does not hold up the others."""
        rows = await repository.list_due(session, tenant_id, now=now, limit=AT_ONCE)
        if not rows:
            due_at = await repository.next_due(session, tenant_id)
            if due_at is None or due_at > now:
                return 0
            # Others have them all: whoever asks waits for one of them, and never turns in vain.
            rows = await repository.wait_for_due(session, tenant_id, now=now)
            if not rows:
                return 1
        ids = [row.id for row in rows]
        try:
            async with session.begin_nested():
                await advance_all(session, ids, tenant_id=tenant_id)
        except _ITS_OWN:
            # One of them has a fault of its own: each by itself, so that only that one is parked.
            for subscription_id in ids:
                await _advance_or_park(session, subscription_id, tenant_id=tenant_id, now=now)
        return len(rows)


async def advance_all(session: AsyncSession, subscriptions: Sequence[UUID], *, tenant_id: UUID) -> None:
    """Does the next step of each of these locked subscriptions, at the instant it was due."""
    prices = Prices(session)
    steps: list[keeping.Step] = []
    for agreement in await loading.load_all(session, tenant_id, subscriptions, prices=prices):
        at = agreement.due_at()
        assert at is not None, "something was due"
        steps.append(keeping.Step(before=agreement, outcome=await step(prices, agreement, at=at), at=at))
    await keeping.keep_all(session, steps, tenant_id=tenant_id)


async def _advance_or_park(session: AsyncSession, subscription_id: UUID, *, tenant_id: UUID, now: datetime) -> None:
    try:
        async with session.begin_nested():
            await advance_all(session, [subscription_id], tenant_id=tenant_id)
    except _ITS_OWN as failed:
        _log.exception("subscriptions.parked", subscription_id=str(subscription_id))
        error = f"{type(failed).__name__}: {failed}"
        await session.execute(_PARK, {"tenant": tenant_id, "id": subscription_id, "at": now, "error": error})


async def advance(session: AsyncSession, agreement: Agreement) -> Agreement:
    """Does the next step that is due, at the instant it was due."""
    at = agreement.due_at()
    assert at is not None, "something was due"
    outcome = await step(Prices(session), agreement, at=at)
    await keeping.keep(session, outcome, at=at, actor=None)
    return outcome.agreement


async def catch_up(session: AsyncSession, agreement: Agreement, *, now: datetime) -> Agreement:
    """Whoever changes a subscription finds it as it is by its tenant's clock, however late the worker is."""
    advanced = False
    while (due_at := agreement.due_at()) is not None and due_at <= now:
        agreement = await advance(session, agreement)
        advanced = True
    return await loading.load(session, agreement.tenant_id, agreement.id) if advanced else agreement


async def step(prices: Prices, agreement: Agreement, *, at: datetime) -> Outcome:
    """What is due of an agreement at an instant; nothing is written."""
    if agreement.cancel_at is not None and agreement.cancel_at <= at:
        # The last period is over: everything paid ahead was used.
        return transitions.cancel(agreement, at=at, unused="keep", reason=agreement.cancel_reason or "at_period_end")
    if agreement.state == "incomplete":
        return transitions.cancel(agreement, at=at, unused="keep", reason="never_paid")
    if agreement.state == "paused":
        return transitions.resume(agreement, at=at)
    if agreement.state == "trialing" and agreement.trial_notice_at is not None and agreement.trial_notice_at <= at:
        return Outcome(
            agreement=replace(agreement, trial_notice_at=None),
            kind="trial_ending",
            fact="subscription.trial_ending",
        )
    terms, wanted = await renewal_terms(prices, agreement, at=at)
    outcome = transitions.renew(agreement, at=at, terms=terms, wanted=wanted)
    if not outcome.items and await repository.is_billed_at(prices.session, agreement.tenant_id, agreement.id, at=at):
        outcome = transitions.renew(agreement, at=at, terms=terms, wanted=wanted, waits=True)
    return outcome


async def renewal_terms(prices: Prices, agreement: Agreement, *, at: datetime) -> tuple[Terms | None, Wanted]:
    """What the next period is taken at: what was scheduled, else the version that subscriptions there are take."""
    pending = agreement.pending
    if pending is not None:
        terms = await prices.terms(UUID(pending["sellerId"]), UUID(pending["priceId"]))
        return terms, read_wanted(pending)
    terms = await prices.renewal(agreement.terms, at=at)
    if terms is None:
        return None, Wanted()
    # An add-on that the new version no longer has ends with the old one.
    offered = {one.code for one in terms.components if one.is_add_on}
    kept = tuple(
        part.component.code for part in agreement.parts if part.component.is_add_on and part.component.code in offered
    )
    return terms, Wanted(add_ons=kept)


def write_wanted(terms: Terms, wanted: Wanted) -> dict[str, Any]:
    """A scheduled change as it is kept: at the price in force when it was agreed."""
    return {
        "sellerId": str(terms.seller_id),
        "planId": str(terms.plan_id),
        "planCode": terms.plan_code,
        "version": terms.version,
        "priceId": str(terms.price_id),
        "quantities": {code: f"{quantity:f}" for code, quantity in wanted.quantities.items()},
        "addOns": list(wanted.add_ons) if wanted.add_ons is not None else None,
    }


def read_wanted(pending: dict[str, Any]) -> Wanted:
    """What a scheduled change asks for."""
    add_ons = pending["addOns"]
    return Wanted(
        quantities={code: Decimal(quantity) for code, quantity in pending["quantities"].items()},
        add_ons=tuple(add_ons) if add_ons is not None else None,
    )


_PARK = text("""
UPDATE subscriptions SET parked_at = :at, parked_error = left(:error, 500), due_at = NULL
WHERE tenant_id = :tenant AND id = :id
""")
