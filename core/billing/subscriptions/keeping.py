"""Agreements read from their rows, and outcomes written to them: whole, in the transaction of the caller."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.subscriptions import repository
from core.billing.subscriptions.agreement import Agreement, Component, Held, Part, Terms
from core.billing.subscriptions.errors import SubscriptionNotFound
from core.billing.subscriptions.models import Subscription, SubscriptionChange, SubscriptionItem, SubscriptionTerms
from core.billing.subscriptions.periods import Cycle
from core.billing.subscriptions.proration import Basis
from core.billing.subscriptions.transitions import Outcome
from core.foundation.ids import new_id
from core.foundation.outbox import tell
from core.identity.access import Principal

WORKER = "worker"
"""Who does what falls due."""


async def load_terms(session: AsyncSession, seller_id: UUID, price_id: UUID) -> Terms:
    """A price with its parts."""
    row = await repository.find_price_terms(session, seller_id, price_id)
    assert row is not None, "a foreign key holds it"
    components = [
        Component(seller_id=seller_id, **one) for one in await repository.list_components(session, seller_id, price_id)
    ]
    found: dict[str, Any] = {**row, "proration": Basis(row["proration"]), "components": tuple(components)}
    return Terms(**found)


async def load(session: AsyncSession, tenant_id: UUID, subscription_id: UUID, *, lock: bool = True) -> Agreement:
    """A subscription as it is, held until the end of the transaction unless only read. Raises SubscriptionNotFound."""
    if lock and not await repository.lock_subscription(session, tenant_id, subscription_id):
        raise SubscriptionNotFound
    row = await repository.find_subscription(session, tenant_id, subscription_id)
    if row is None:
        raise SubscriptionNotFound
    prices: dict[UUID, Terms] = {}
    held: list[Held] = []
    for one in await repository.list_terms(session, tenant_id, subscription_id):
        if one.price_id not in prices:
            prices[one.price_id] = await load_terms(session, one.plan_tenant_id, one.price_id)
        held.append(Held(terms=prices[one.price_id], since=one.effective_from, until=one.effective_to, id=one.id))
    parts = [_part(one) for one in await repository.list_parts(session, tenant_id, [subscription_id])]
    is_open = [one for one in held if one.until is None]
    # One that has ended has none open: its last are what it was.
    current = is_open[-1] if is_open else await _last_held(session, row, held)
    return Agreement(
        tenant_id=tenant_id,
        id=row.id,
        customer_id=row.customer_id,
        currency=row.currency,
        state=row.state,
        collection=row.collection,
        cycle=Cycle(row.anchor, row.interval, row.interval_count, row.zone, row.anchor_day),
        period_number=row.period_number,
        ordinal=row.ordinal,
        period_start=row.current_period_start,
        period_end=row.current_period_end,
        paid_through=row.paid_through,
        created_at=row.created_at,
        held=current,
        parts=tuple(part for part in parts if part.until is None),
        past_parts=tuple(part for part in parts if part.until is not None),
        past_held=tuple(one for one in held if one.until is not None and one is not current),
        trial_end=row.trial_end,
        trial_notice_at=row.trial_notice_at,
        paused_at=row.paused_at,
        resume_at=row.resume_at,
        cancel_at=row.cancel_at,
        canceled_at=row.canceled_at,
        cancel_reason=row.cancel_reason,
        pending=row.pending,
        commitment=row.commitment,
        commitment_from=row.commitment_from,
        commitment_left=row.commitment_left,
    )


async def _last_held(session: AsyncSession, row: Row[Any], held: list[Held]) -> Held:
    if held:
        return held[-1]
    terms = await load_terms(session, row.plan_tenant_id, row.price_id)
    return Held(terms=terms, since=row.created_at, until=row.canceled_at)


def _part(row: Row[Any]) -> Part:
    component = Component(
        seller_id=row.plan_tenant_id,
        id=row.component_id,
        code=row.code,
        name=row.name,
        kind=row.kind,
        is_add_on=row.is_add_on,
        meter_id=row.meter_id,
        definition=row.definition,
    )
    return Part(component=component, quantity=row.quantity, since=row.effective_from, until=row.effective_to, id=row.id)


async def keep(session: AsyncSession, outcome: Outcome, *, at: datetime, actor: Principal | None) -> UUID:
    """Writes an outcome: the subscription, its history, what is to be billed, the trail, and the fact for others.

    The id of its row in the trail.
    """
    agreement = outcome.agreement
    row = await session.get(Subscription, (agreement.tenant_id, agreement.id), populate_existing=True)
    if row is None:
        row = Subscription(tenant_id=agreement.tenant_id, id=agreement.id, customer_id=agreement.customer_id,
                           currency=agreement.currency, created_at=agreement.created_at)  # fmt: skip
        session.add(row)
    for name, value in _columns(agreement).items():
        setattr(row, name, value)
    await session.flush()
    await _keep_history(session, agreement)
    if outcome.forward_to is not None:
        where = {"tenant": agreement.tenant_id, "id": agreement.id, "at": outcome.forward_to}
        await session.execute(_FORWARD, where)
    session.add_all(outcome.items)
    change_id = trail(session, agreement, kind=outcome.kind, details=outcome.details, at=at, actor=actor)
    await session.flush()
    if outcome.fact is not None:
        await tell_of(session, agreement, outcome.fact, at=at, change_id=change_id)
    return change_id


def trail(
    session: AsyncSession,
    agreement: Agreement,
    *,
    kind: str,
    details: Mapping[str, Any],
    at: datetime,
    actor: Principal | None,
) -> UUID:
    """A row of the trail."""
    change_id = new_id()
    session.add(
        SubscriptionChange(
            tenant_id=agreement.tenant_id,
            id=change_id,
            subscription_id=agreement.id,
            kind=kind,
            actor_id=actor.id if actor else None,
            actor_kind=actor.kind if actor else WORKER,
            occurred_at=at,
            details=dict(details),
        )
    )
    return change_id


async def tell_of(session: AsyncSession, agreement: Agreement, fact: str, *, at: datetime, change_id: UUID) -> None:
    """Puts a fact of a subscription into the outbox; each row of the trail is one."""
    once = {"subscription.renewed": str(agreement.ordinal), "subscription.created": "", "subscription.canceled": ""}
    await tell(
        session,
        tenant_id=agreement.tenant_id,
        kind=fact,
        subject_id=agreement.id,
        occurred_at=at,
        customer_id=agreement.customer_id,
        fact=once.get(fact, str(change_id)),
        document={
            "subscriptionId": str(agreement.id),
            "customerId": str(agreement.customer_id),
            "planCode": agreement.terms.plan_code,
            "planVersion": agreement.terms.version,
            "status": agreement.state,
            "currency": agreement.currency,
            "currentPeriodStart": _shown(agreement.period_start),
            "currentPeriodEnd": _shown(agreement.period_end),
            "trialEnd": _shown(agreement.trial_end),
            "cancelAt": _shown(agreement.cancel_at),
            "canceledAt": _shown(agreement.canceled_at),
            "cancelReason": agreement.cancel_reason,
        },
    )


def _shown(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None


def _columns(agreement: Agreement) -> dict[str, Any]:
    terms, cycle = agreement.terms, agreement.cycle
    return {
        "plan_tenant_id": terms.seller_id,
        "plan_id": terms.plan_id,
        "version": terms.version,
        "price_id": terms.price_id,
        "state": agreement.state,
        "collection": agreement.collection,
        "interval": cycle.interval,
        "interval_count": cycle.count,
        "cycle": terms.cycle,
        "proration": terms.proration.value,
        "anchor": cycle.anchor,
        "anchor_day": cycle.day,
        "zone": cycle.zone,
        "period_number": agreement.period_number,
        "ordinal": agreement.ordinal,
        "current_period_start": agreement.period_start,
        "current_period_end": agreement.period_end,
        "paid_through": agreement.paid_through,
        "trial_end": agreement.trial_end,
        "trial_notice_at": agreement.trial_notice_at,
        "paused_at": agreement.paused_at,
        "resume_at": agreement.resume_at,
        "cancel_at": agreement.cancel_at,
        "canceled_at": agreement.canceled_at,
        "cancel_reason": agreement.cancel_reason,
        "pending": agreement.pending,
        "commitment": agreement.commitment,
        "commitment_from": agreement.commitment_from,
        "commitment_left": agreement.commitment_left,
        "due_at": agreement.due_at(),
        "parked_at": None,
        "parked_error": None,
    }


async def _keep_history(session: AsyncSession, agreement: Agreement) -> None:
    """Closes what ended and opens what began; rows that have an id and no end are there already."""
    of = {"tenant": agreement.tenant_id, "subscription": agreement.id}
    for statement, rows in ((_CLOSE_PARTS, agreement.past_parts), (_CLOSE_TERMS, agreement.past_held)):
        ended = [{"tenant": agreement.tenant_id, "id": one.id, "until": one.until} for one in rows if one.id]
        if ended:
            await session.execute(statement, ended)
    # Parts that a renewal left behind are in no list any more: whatever is open and not kept ends with its period.
    kept = [part.id for part in agreement.parts if part.id]
    await session.execute(_CLOSE_OTHER_PARTS, {**of, "kept": kept, "until": agreement.period_start})
    kept_terms = [agreement.held.id] if agreement.held.id and agreement.held.until is None else []
    await session.execute(_CLOSE_OTHER_TERMS, {**of, "kept": kept_terms, "until": agreement.period_start})
    session.add_all(
        SubscriptionItem(
            tenant_id=agreement.tenant_id,
            id=new_id(),
            subscription_id=agreement.id,
            plan_tenant_id=part.component.seller_id,
            component_id=part.component.id,
            code=part.component.code,
            kind=part.component.kind,
            quantity=part.quantity,
            effective_from=part.since,
            effective_to=part.until,
        )
        for part in (*agreement.past_parts, *agreement.parts)
        if part.id is None
    )
    session.add_all(
        SubscriptionTerms(
            tenant_id=agreement.tenant_id,
            id=new_id(),
            subscription_id=agreement.id,
            plan_tenant_id=held.terms.seller_id,
            plan_id=held.terms.plan_id,
            version=held.terms.version,
            price_id=held.terms.price_id,
            effective_from=held.since,
            effective_to=held.until,
        )
        for held in (*agreement.past_held, agreement.held)
        if held.id is None
    )


_CLOSE_PARTS = text("""
UPDATE subscription_items SET effective_to = :until WHERE tenant_id = :tenant AND id = :id AND effective_to IS NULL
""")
_CLOSE_TERMS = text("""
UPDATE subscription_terms SET effective_to = :until WHERE tenant_id = :tenant AND id = :id AND effective_to IS NULL
""")
_CLOSE_OTHER_PARTS = text("""
UPDATE subscription_items SET effective_to = :until
WHERE tenant_id = :tenant AND subscription_id = :subscription AND effective_to IS NULL
  AND id <> ALL(CAST(:kept AS uuid[]))
""")
_CLOSE_OTHER_TERMS = text("""
UPDATE subscription_terms SET effective_to = :until
WHERE tenant_id = :tenant AND subscription_id = :subscription AND effective_to IS NULL
  AND id <> ALL(CAST(:kept AS uuid[]))
""")
# What waits for the end of the period is billed with what ends it.
_FORWARD = text("""
UPDATE invoice_items SET bill_at = :at
WHERE tenant_id = :tenant AND subscription_id = :id AND invoice_id IS NULL AND bill_at > :at
""")
