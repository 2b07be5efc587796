"""Agreements read from their rows, one or many by the same few statements."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.subscriptions import repository
from core.billing.subscriptions.agreement import Agreement, Component, Held, Part, Terms
from core.billing.subscriptions.errors import SubscriptionNotFound
from core.billing.subscriptions.periods import Cycle
from core.billing.subscriptions.proration import Basis


@dataclass(slots=True)
class Prices:
    """Prices with their parts, each read once."""

    session: AsyncSession
    _terms: dict[UUID, Terms] = field(default_factory=dict[UUID, Terms])
    _renewals: dict[tuple[UUID, UUID], Sequence[Row[Any]]] = field(
        default_factory=dict[tuple[UUID, UUID], Sequence[Row[Any]]]
    )

    async def terms(self, seller_id: UUID, price_id: UUID) -> Terms:
        """A price of a seller."""
        if price_id not in self._terms:
            self._terms[price_id] = await load_terms(self.session, seller_id, price_id)
        return self._terms[price_id]

    async def renewal(self, held: Terms, *, at: datetime) -> Terms | None:
        """The terms of the highest version in force that subscriptions there are take at a renewal."""
        plan = (held.seller_id, held.plan_id)
        if plan not in self._renewals:
            self._renewals[plan] = await repository.list_renewal_prices(self.session, *plan)
        for row in self._renewals[plan]:
            if row.version > held.version and row.effective_from <= at and row.currency == held.currency:
                return await self.terms(held.seller_id, row.id)
        return None


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
    found = await load_all(session, tenant_id, [subscription_id], prices=Prices(session))
    if not found:
        raise SubscriptionNotFound
    return found[0]


async def load_all(
    session: AsyncSession, tenant_id: UUID, subscriptions: Sequence[UUID], *, prices: Prices
) -> list[Agreement]:
    """Subscriptions as they are, by their ids; whoever changes them has locked them."""
    held: dict[UUID, list[Held]] = {}
    for one in await repository.list_terms(session, tenant_id, subscriptions):
        terms = await prices.terms(one.plan_tenant_id, one.price_id)
        of = held.setdefault(one.subscription_id, [])
        of.append(Held(terms=terms, since=one.effective_from, until=one.effective_to, id=one.id))
    parts: dict[UUID, list[Part]] = {}
    for one in await repository.list_parts(session, tenant_id, subscriptions):
        parts.setdefault(one.subscription_id, []).append(_part(one))
    found: list[Agreement] = []
    for row in await repository.list_rows(session, tenant_id, subscriptions):
        known = held.get(row.id, [])
        is_open = [one for one in known if one.until is None]
        # One that has ended has none open: its last are what it was.
        current = is_open[-1] if is_open else await _last_held(prices, row, known)
        found.append(_agreement(row, current, known, parts.get(row.id, [])))
    return found


def _agreement(row: Row[Any], current: Held, held: Sequence[Held], parts: Sequence[Part]) -> Agreement:
    return Agreement(
        tenant_id=row.tenant_id,
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


async def _last_held(prices: Prices, row: Row[Any], held: Sequence[Held]) -> Held:
    if held:
        return held[-1]
    terms = await prices.terms(row.plan_tenant_id, row.price_id)
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
