"""Counting anew from the stored events: what corrections and changed definitions do, and what checks compare with.

Who writes here holds the tenant's definitions alone (meters.repository.lock_definitions), so no batch comes in between.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from core.billing.metering.events import storing
from core.billing.metering.events.storing import Connection
from core.billing.metering.events.tallies import Counted, Fact, add_up, hour_begin, hour_of, measure
from core.billing.metering.meters.definitions import Definition, Definitions, Uncountable

MOST_RECOUNTED = 200_000
_PAGE = 5_000

Measured = list[tuple[Definition, str, Decimal | str]]


class TooMany(Exception):
    """More events than one transaction may count."""


async def recount_hours(
    connection: Connection, definitions: Definitions, hours: Mapping[UUID, set[int]], *, tenant_id: UUID
) -> Counted:
    """Counts these hours of these customers anew, by all meters."""
    whole = Counted()
    for customer_id in sorted(hours):
        for hour in sorted(hours[customer_id]):
            await _clear(connection, customer_id=customer_id, meter_id=None, first=hour, last=hour)
            facts = await count_hour(connection, definitions, tenant_id=tenant_id, hour=hour, customer_id=customer_id)
            await storing.add_tallies(connection, facts, hours=[hour])
            whole.countings += facts.countings
    return whole


async def recount_meter(
    connection: Connection,
    definitions: Definitions,
    *,
    tenant_id: UUID,
    meter_id: UUID,
    since: datetime,
    earliest_id: UUID | None,
) -> int:
    """Counts anew what one meter counts of events from the hour of `since` on; how many events it counted.

    `earliest_id`: no event that occurred since then has a smaller id. Raises TooMany.
    """
    first = hour_of(since.astimezone(UTC))
    await _clear(connection, customer_id=None, meter_id=meter_id, first=first, last=None)
    read = 0
    parameters = {
        "tenant": tenant_id,
        "names": sorted(definitions.by_event),
        # What occurred before the meter counted anything need not be read.
        "first": max(hour_begin(first), min(one.since for one in definitions.all)),
        "least": earliest_id or UUID(int=0),
        "most": MOST_RECOUNTED + 1,
    }
    counted = Counted()
    async for page in _pages(connection, _OF_METER, parameters):
        read += len(page)
        if read > MOST_RECOUNTED:
            raise TooMany
        add_up((measured_of(definitions, _fact(row)) for row in page), counted)
    await storing.add_tallies(connection, counted, hours=[hour for _, _, hour, _, _ in counted.tallies])
    return counted.metered


async def count_hour(
    connection: Connection, definitions: Definitions, *, tenant_id: UUID, hour: int, customer_id: UUID | None = None
) -> Counted:
    """What the stored events of an hour come to, of one customer or of all."""
    parameters = {
        "tenant": tenant_id,
        "customer": customer_id,
        "first": hour_begin(hour),
        "until": hour_begin(hour + 1),
    }
    counted = Counted()
    async for page in _pages(connection, _OF_CUSTOMER if customer_id else _OF_HOUR, parameters):
        add_up((measured_of(definitions, _fact(row)) for row in page), counted)
    return counted


async def read_facts(
    connection: Connection,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    names: Sequence[str],
    since: datetime,
    until: datetime,
) -> list[Fact]:
    """The events of a customer by these names that count, from `since` until before `until`."""
    parameters = {"tenant": tenant_id, "customer": customer_id, "names": names, "first": since, "until": until}
    statement = _OF_CUSTOMER + " AND e.event_name = ANY(%(names)s)"
    async with connection.cursor() as cursor:
        await cursor.execute(statement, parameters)
        return [_fact(row) for row in await cursor.fetchall()]


async def _pages(
    connection: Connection, statement: LiteralString, parameters: Mapping[str, Any]
) -> AsyncIterator[list[Any]]:
    """A cursor of the server's: an hour may hold more than fits in memory."""
    async with connection.cursor(name="usage_pages") as cursor:
        await cursor.execute(statement, parameters)
        while rows := await cursor.fetchmany(_PAGE):
            yield rows


def _fact(row: Any) -> Fact:
    event_id, customer_id, name, occurred_at, properties, quantity = row
    return (
        event_id,
        customer_id,
        name,
        occurred_at.astimezone(UTC),
        json.loads(properties, parse_float=Decimal),
        quantity,
    )


def measured_of(definitions: Definitions, fact: Fact) -> tuple[Fact, Measured]:
    """The event with how it is counted, by the definitions that can."""
    try:
        return fact, measure(definitions, fact)
    except Uncountable:
        # It came in before the definition that cannot count it.
        return fact, _countable(definitions, fact)


def _countable(definitions: Definitions, fact: Fact) -> Measured:
    found: Measured = []
    for one in definitions.by_event.get(fact[2], ()):
        try:
            found.extend(measure(Definitions([one]), fact))
        except Uncountable:
            continue
    return found


async def _clear(
    connection: Connection, *, customer_id: UUID | None, meter_id: UUID | None, first: int, last: int | None
) -> None:
    until = None if last is None else last + 1
    parameters = {
        "customer": customer_id,
        "meter": meter_id,
        "first": hour_begin(first),
        "until": None if until is None else hour_begin(until),
        "day": hour_begin(first).date(),
        "mask": _mask(first, until),
    }
    for statement in (_CLEAR, _FORGET_DAYS, _FORGET_HOURS):
        await connection.execute(statement, parameters)


def _mask(first: int, until: int | None) -> int:
    """The bits of the hours of the first day that are cleared."""
    end = 24 if until is None else min(24, until - first + first % 24)
    return sum(1 << hour for hour in range(first % 24, end))


_CLEAR: LiteralString = """
DELETE FROM usage_aggregates
WHERE tenant_id = app_tenant() AND (%(customer)s::uuid IS NULL OR customer_id = %(customer)s)
  AND (%(meter)s::uuid IS NULL OR meter_id = %(meter)s)
  AND bucket >= %(first)s AND (%(until)s::timestamptz IS NULL OR bucket < %(until)s)
"""

_FORGET_DAYS: LiteralString = """
DELETE FROM usage_distinct
WHERE tenant_id = app_tenant() AND (%(customer)s::uuid IS NULL OR customer_id = %(customer)s)
  AND (%(meter)s::uuid IS NULL OR meter_id = %(meter)s)
  AND (day > %(day)s AND %(until)s::timestamptz IS NULL OR day = %(day)s AND hours & ~%(mask)s::integer = 0)
"""

_FORGET_HOURS: LiteralString = """
UPDATE usage_distinct SET hours = hours & ~%(mask)s::integer
WHERE tenant_id = app_tenant() AND (%(customer)s::uuid IS NULL OR customer_id = %(customer)s)
  AND (%(meter)s::uuid IS NULL OR meter_id = %(meter)s) AND day = %(day)s AND hours & %(mask)s::integer <> 0
"""

_COLUMNS: LiteralString = """
SELECT e.id::text, e.customer_id::text, e.event_name, e.occurred_at, e.properties::text, e.quantity FROM usage_events e
WHERE e.tenant_id = %(tenant)s AND e.outcome = 'metered'
  AND coalesce((SELECT c.kind = 'restore' FROM usage_corrections c
                WHERE c.tenant_id = e.tenant_id AND c.event_id = e.id ORDER BY c.id DESC LIMIT 1), true)
"""

_OF_CUSTOMER: LiteralString = (
    _COLUMNS + " AND e.customer_id = %(customer)s AND e.occurred_at >= %(first)s AND e.occurred_at < %(until)s"
)

_OF_HOUR: LiteralString = _COLUMNS + " AND e.occurred_at >= %(first)s AND e.occurred_at < %(until)s"

_OF_METER: LiteralString = (
    _COLUMNS + " AND e.event_name = ANY(%(names)s) AND e.occurred_at >= %(first)s AND e.id >= %(least)s LIMIT %(most)s"
)
