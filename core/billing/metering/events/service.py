"""Ingestion: a batch of events becomes rows and figures in one transaction, or nothing does.

The events, their keys and what the meters count of them are committed together, so nothing that was accepted is ever
uncounted and a crash between any two lines leaves nothing behind. A key that is known is never counted again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
import uuid_utils
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.metering.events import storing
from core.billing.metering.events.reading import Event, Refusal
from core.billing.metering.events.storing import Connection, FirstUse, Known
from core.billing.metering.events.tallies import BEFORE_ALL, Fact, add_up, hour_of, measure
from core.billing.metering.meters.definitions import Definition, Definitions, Uncountable, read_definitions
from core.foundation.database import driver_connection
from core.identity.tenants.customers import CustomerErased

SKEW = timedelta(minutes=5)
"""How far a caller's clock may be ahead."""
LATE = timedelta(days=35)
"""How late an event may come in without a reason."""

ACCEPTED = Counter("cloudbill_usage_events_accepted", "Metered events stored.")
AGGREGATED = Counter("cloudbill_usage_events_aggregated", "Metered events stored whose meters have counted them.")
REFUSED = Counter(
    "cloudbill_usage_events_refused", "Metered events refused, by the code that the caller got.", ["code"]
)

Measured = list[tuple[Definition, str, Any]]


@dataclass(slots=True)
class Stored:
    """An event that is stored, now or by an earlier request (`replayed`). `meters` is how many count it."""

    index: int
    key: str
    event_id: str
    replayed: bool
    meters: int


Result = Stored | Refusal


@dataclass(slots=True)
class Ready:
    """An event that is fit to be stored; its customer is empty until that is made."""

    event: Event
    fact: Fact
    measured: Measured


@dataclass(slots=True)
class Prepared:
    """A batch before it is stored: refused events, those to store by key, and those whose key came before."""

    entries: Sequence[Event | Refusal]
    refused: dict[int, Refusal]
    ready: dict[str, Ready]
    again: list[Event]


async def ingest(
    session: AsyncSession,
    entries: Sequence[Event | Refusal],
    *,
    tenant_id: UUID,
    now: datetime,
    late: timedelta | None = LATE,
    commits: bool = False,
) -> list[Result]:
    """Stores what can be stored of a batch and counts it; a result for each event, in order.

    `late` None takes events however old. `commits`: what it wrote is committed with its last statement.
    """
    await session.flush()
    connection = await driver_connection(session)
    prepared = await prepare(connection, entries, now=now, late=late)
    return await store(connection, prepared, tenant_id=tenant_id, now=now, commits=commits)


async def prepare(
    connection: Connection, entries: Sequence[Event | Refusal], *, now: datetime, late: timedelta | None
) -> Prepared:
    """Judges each event and measures those that are fit; nothing is written."""
    prepared = Prepared(entries, {one.index: one for one in entries if isinstance(one, Refusal)}, {}, [])
    events = [one for one in entries if isinstance(one, Event)]
    if not events:
        return prepared
    definitions, customers = await _dependencies(connection, events, now=now)
    bounds = _Bounds(now, BEFORE_ALL if late is None else now - late, now + SKEW)
    for event in events:
        if event.key in prepared.ready:
            prepared.again.append(event)
            continue
        made = _prepare(event, definitions, customers, bounds)
        if isinstance(made, Refusal):
            prepared.refused[event.index] = made
        else:
            prepared.ready[event.key] = made
    return prepared


async def store(
    connection: Connection, prepared: Prepared, *, tenant_id: UUID, now: datetime, commits: bool = False
) -> list[Result]:
    """Stores and counts what was prepared; a result for each event, in order. `commits`: and commits it."""
    results: dict[int, Result] = dict(prepared.refused)
    fresh: list[Ready] = []
    if prepared.ready:
        await make_customers(connection, prepared.ready, now=now)
        ordered = [prepared.ready[key] for key in sorted(prepared.ready)]
        await storing.stage(connection, map(_staged, ordered))
        stored = await storing.insert_staged(connection, len(ordered), tenant_id=tenant_id)
        fresh = ordered if stored is None else [one for one in ordered if one.fact[0] in stored]
        for one in fresh:
            index = one.event.index
            results[index] = Stored(index, one.event.key, one.fact[0], False, len(one.measured))
        if stored is not None:
            rest = [one.event for one in ordered if one.fact[0] not in stored]
            first = await storing.first_uses(connection, [event.key for event in rest])
            results.update({event.index: _compare(event, first[event.key]) for event in rest})
    for event in prepared.again:
        results[event.index] = _same_batch(event, prepared.ready[event.key].event, results)
    for index, found in await _known_all_the_same(connection, prepared.entries, results):
        results[index] = found
    counted = add_up((one.fact, one.measured) for one in fresh)
    hours = {hour_of(one.fact[3]) for one in fresh}
    await storing.add_tallies(connection, counted, hours=hours, commits=commits, late=_spans(fresh), now=now)
    return [results[one.index] for one in prepared.entries]


def _spans(fresh: Sequence[Ready]) -> list[storing.Span]:
    """Of each customer when the first and the last of its events occurred, in the order of their ids."""
    found: dict[str, tuple[datetime, datetime]] = {}
    for one in fresh:
        _, customer_id, _, at, _, _ = one.fact
        span = found.get(customer_id)
        if span is None:
            found[customer_id] = at, at
        elif at < span[0]:
            found[customer_id] = at, span[1]
        elif at > span[1]:
            found[customer_id] = span[0], at
    return [(customer_id, *found[customer_id]) for customer_id in sorted(found)]


def note(results: Sequence[Result], *, aggregated: int | None = None) -> None:
    """Counts what was committed."""
    accepted = sum(1 for one in results if isinstance(one, Stored) and not one.replayed)
    ACCEPTED.inc(accepted)
    AGGREGATED.inc(accepted if aggregated is None else aggregated)
    for one in results:
        if isinstance(one, Refusal):
            REFUSED.labels(one.code).inc()


@lru_cache(maxsize=256)
def compiled(definitions: str) -> Definitions:
    """Definitions from their JSON text; the same text is read once."""
    return read_definitions(orjson.loads(definitions))


_NONE = Definitions(())


async def _dependencies(
    connection: Connection, events: Sequence[Event], *, now: datetime
) -> tuple[Definitions, dict[UUID | str | None, Known]]:
    named = {event.customer for event in events}
    external = sorted(one for one in named if isinstance(one, str))
    ours = [one for one in named if isinstance(one, UUID)]
    text, known = await storing.read_dependencies(connection, external, ours, with_self=None in named)
    # Made at first use, but not by an event that is refused: until then it has no id.
    customers: dict[UUID | str | None, Known] = {name: Known("", name, False, now, None) for name in external}
    for one in known:
        customers[one.external_id] = customers[UUID(one.id)] = one
        if one.is_self:
            customers[None] = one
    return (compiled(text) if text else _NONE), customers


async def make_customers(connection: Connection, ready: dict[str, Ready], *, now: datetime) -> None:
    """Gives an id to the customers that were never seen."""
    unseen = [one for one in ready.values() if not one.fact[1]]
    if not unseen:
        return
    ids = await storing.make_customers(connection, list({str(one.event.customer) for one in unseen}), now=now)
    for one in unseen:
        event_id, _, name, at, properties, quantity = one.fact
        one.fact = (event_id, ids[str(one.event.customer)], name, at, properties, quantity)


@dataclass(frozen=True, slots=True)
class _Bounds:
    now: datetime
    earliest: datetime
    latest: datetime

    def refusal(self, at: datetime, customer: Known) -> tuple[str, str] | None:
        """Why an event of that customer may not have occurred then, or None."""
        if self.earliest <= at <= self.latest and at >= customer.begins_at:
            return None
        if at > self.latest:
            return "usage_event_in_future", f"occurredAt lies in the future: it is {_shown(self.now)}"
        if customer.subscribed_at is not None and at < customer.subscribed_at:
            return "usage_before_subscription", f"the customer subscribed at {_shown(customer.subscribed_at)}"
        if customer.is_self and at < customer.created_at:
            return "usage_before_customer", f"the customer is there since {_shown(customer.created_at)}"
        return "usage_event_too_old", "more than 35 days late: send it as a backfill, with a reason"


def _prepare(
    event: Event, definitions: Definitions, customers: dict[UUID | str | None, Known], bounds: _Bounds
) -> Ready | Refusal:
    customer = customers.get(event.customer)
    if customer is None:
        return Refusal(event.index, event.key, "customer_not_found", "the tenant has no such customer")
    if customer.is_erased:
        return Refusal(event.index, event.key, CustomerErased.code, "the customer was erased: nothing new is counted")
    at = event.occurred_at or bounds.now
    refused = bounds.refusal(at, customer)
    if refused is not None:
        return Refusal(event.index, event.key, *refused)
    fact: Fact = (str(uuid_utils.uuid7()), customer.id, event.name, at, event.properties, event.quantity)
    try:
        return Ready(event, fact, measure(definitions, fact))
    except Uncountable as reason:
        return Refusal(event.index, event.key, reason.code, reason.message)


async def _known_all_the_same(
    connection: Connection, entries: Sequence[Event | Refusal], results: dict[int, Result]
) -> list[tuple[int, Result]]:
    """Events that are refused now and were accepted once: too old by now, say. Their first answer holds."""
    refused = [one for one in entries if isinstance(one, Event) and isinstance(results[one.index], Refusal)]
    if not refused:
        return []
    first = await storing.first_uses(connection, sorted({one.key for one in refused}))
    return [
        (one.index, Stored(one.index, one.key, first[one.key].event_id, True, 0))
        for one in refused
        if one.key in first and first[one.key].input_hash == one.input_hash
    ]


def _same_batch(event: Event, first: Event, results: dict[int, Result]) -> Result:
    found = results[first.index]
    if event.input_hash != first.input_hash:
        return _reused(event)
    if isinstance(found, Refusal):
        return Refusal(event.index, event.key, found.code, found.message)
    return Stored(event.index, event.key, found.event_id, True, found.meters)


def _compare(event: Event, first: FirstUse) -> Result:
    if first.input_hash != event.input_hash:
        return _reused(event)
    return Stored(event.index, event.key, first.event_id, True, 0)


def _reused(event: Event) -> Refusal:
    return Refusal(
        event.index, event.key, "idempotency_key_reused", "the key was used before with another input: use a new one"
    )


def _staged(one: Ready) -> str:
    event, fact = one.event, one.fact
    key, name, properties = event.key, event.name, event.properties_json
    if "\\" in key or "\\" in name or "\\" in properties:
        key, name, properties = (text.replace("\\", "\\\\") for text in (key, name, properties))
    quantity = "\\N" if event.quantity is None else event.quantity
    where = f"{fact[0]}\t{event.at or fact[3].isoformat()}\t{fact[1]}\t{key}"
    return f"{where}\t\\\\x{event.input_hash}\t{name}\t{quantity}\t{properties}\n"


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
