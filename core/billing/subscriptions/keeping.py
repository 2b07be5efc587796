"""Outcomes written to their rows, whole, in the transaction of the caller: one, or many by a few statements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.subscriptions.agreement import Agreement
from core.billing.subscriptions.models import (
    InvoiceItem,
    Subscription,
    SubscriptionChange,
    SubscriptionItem,
    SubscriptionTerms,
)
from core.billing.subscriptions.transitions import Outcome
from core.foundation.ids import new_id
from core.foundation.outbox import Fact, tell_many
from core.identity.access import Principal

WORKER = "worker"
"""Who does what falls due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An outcome of a subscription that is there, when it happened, and what it was before."""

    before: Agreement
    outcome: Outcome
    at: datetime


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
        fact = fact_of(agreement, outcome.fact, at=at, change_id=change_id)
        await tell_many(session, [fact], tenant_id=agreement.tenant_id)
    return change_id


async def keep_all(session: AsyncSession, steps: Sequence[Step], *, tenant_id: UUID) -> None:
    """Writes what the worker did to many subscriptions, as `keep` does one by one."""
    rows = [{"id": one.outcome.agreement.id, **_columns(one.outcome.agreement)} for one in steps]
    await session.execute(_UPDATE, {"tenant": tenant_id, "rows": _json(rows)})
    for one in steps:
        if _changes_history(one.before, one.outcome.agreement):
            await _keep_history(session, one.outcome.agreement)
        if one.outcome.forward_to is not None:
            where = {"tenant": tenant_id, "id": one.outcome.agreement.id, "at": one.outcome.forward_to}
            await session.execute(_FORWARD, where)
    await session.flush()
    items = [item for one in steps for item in one.outcome.items]
    if items:
        await session.execute(_ITEMS, {"rows": _json([_item(item) for item in items])})
    trails = [(new_id(), one) for one in steps]
    changes = [
        {
            "id": change_id,
            "subscription_id": one.outcome.agreement.id,
            "kind": one.outcome.kind,
            "actor_kind": WORKER,
            "occurred_at": one.at,
            "details": one.outcome.details,
        }
        for change_id, one in trails
    ]
    await session.execute(_TRAIL, {"tenant": tenant_id, "rows": _json(changes)})
    await tell_many(
        session,
        [
            fact_of(one.outcome.agreement, one.outcome.fact, at=one.at, change_id=change_id)
            for change_id, one in trails
            if one.outcome.fact is not None
        ],
        tenant_id=tenant_id,
    )


def _changes_history(before: Agreement, after: Agreement) -> bool:
    """Whether a part or terms begin or end."""
    kept = {part.id for part in before.parts} == {part.id for part in after.parts} and None not in {
        part.id for part in (*after.parts, *after.past_parts)
    }
    held = before.held.id is not None and (before.held.id, before.held.until) == (after.held.id, after.held.until)
    return not (kept and held) or any(one.id is None for one in after.past_held)


def _item(item: InvoiceItem) -> dict[str, Any]:
    return {name: getattr(item, name) for name in _ITEM}


def _json(rows: Iterable[Mapping[str, Any]]) -> str:
    return orjson.dumps(list(rows), default=str).decode()


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


def fact_of(agreement: Agreement, kind: str, *, at: datetime, change_id: UUID) -> Fact:
    """A fact of a subscription for others; each row of the trail is one."""
    once = {"subscription.renewed": str(agreement.ordinal), "subscription.created": "", "subscription.canceled": ""}
    return Fact(
        kind=kind,
        subject_id=agreement.id,
        occurred_at=at,
        customer_id=agreement.customer_id,
        fact=once.get(kind, str(change_id)),
        document={
            "subscriptionId": str(agreement.id),
            "customerId": str(agreement.customer_id),
            "planCode": agreement.terms.plan_code,
            "planVersion": agreement.terms.version,
            "status": agreement.state,
            "currency": agreement.currency,
            "currentPeriodStart": shown(agreement.period_start),
            "currentPeriodEnd": shown(agreement.period_end),
            "trialEnd": shown(agreement.trial_end),
            "cancelAt": shown(agreement.cancel_at),
            "canceledAt": shown(agreement.canceled_at),
            "cancelReason": agreement.cancel_reason,
        },
    )


def shown(at: datetime | None) -> str | None:
    """An instant as facts carry it."""
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

_TYPES = {
    "plan_tenant_id": "uuid", "plan_id": "uuid", "version": "bigint", "price_id": "uuid", "state": "text",
    "collection": "text", "interval": "text", "interval_count": "bigint", "cycle": "text", "proration": "text",
    "anchor": "timestamptz", "anchor_day": "bigint", "zone": "text", "period_number": "bigint", "ordinal": "bigint",
    "current_period_start": "timestamptz", "current_period_end": "timestamptz", "paid_through": "timestamptz",
    "trial_end": "timestamptz", "trial_notice_at": "timestamptz", "paused_at": "timestamptz",
    "resume_at": "timestamptz", "cancel_at": "timestamptz", "canceled_at": "timestamptz", "cancel_reason": "text",
    "pending": "jsonb", "commitment": "jsonb", "commitment_from": "timestamptz", "commitment_left": "bigint",
    "due_at": "timestamptz", "parked_at": "timestamptz", "parked_error": "text",
}  # fmt: skip
_UPDATE = text(f"""
UPDATE subscriptions s SET {", ".join(f"{name} = r.{name}" for name in _TYPES)}
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, {", ".join(map(" ".join, _TYPES.items()))})
WHERE s.tenant_id = :tenant AND s.id = r.id
""")  # noqa: S608  # our own names
_ITEM = (
    "tenant_id", "id", "customer_id", "currency", "subscription_id", "ordinal", "kind", "code", "description",
    "period_start", "period_end", "quantity", "meter_id", "basis", "amount_minor", "bill_at", "reverses_line_id",
    "created_at",
)  # fmt: skip
_ITEMS = text("""
INSERT INTO invoice_items (tenant_id, id, customer_id, currency, subscription_id, ordinal, kind, code, description,
                           period_start, period_end, quantity, meter_id, basis, amount_minor, bill_at,
                           reverses_line_id, created_at)
SELECT r.* FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
    tenant_id uuid, id uuid, customer_id uuid, currency text, subscription_id uuid, ordinal bigint, kind text,
    code text, description text, period_start timestamptz, period_end timestamptz, quantity numeric, meter_id uuid,
    basis jsonb, amount_minor bigint, bill_at timestamptz, reverses_line_id uuid, created_at timestamptz)
""")
_TRAIL = text("""
INSERT INTO subscription_changes (tenant_id, id, subscription_id, kind, actor_kind, occurred_at, details)
SELECT :tenant, r.* FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
    id uuid, subscription_id uuid, kind text, actor_kind text, occurred_at timestamptz, details jsonb)
""")
