"""What a meter counted of a customer, from the events themselves as they were known at an instant; for invoices.

The instant is the server's (`recorded_at`), since it is about what had come in. Who takes one holds the tenant's
definitions alone (meters.repository.lock_definitions): then nothing comes in any more before it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any, LiteralString, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.metering.events.recount import measured_of
from core.billing.metering.events.tallies import Fact, Tally
from core.billing.metering.meters.definitions import EXACT, Definitions
from core.billing.metering.meters.errors import MeterNotFound
from core.billing.metering.usage.quantities import Part
from core.foundation.database import driver_connection

_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class RawUsage:
    """A quantity with what it was counted from: how many events were read, and the digest of them and what amends them.

    `amounts` are the counted events' own, for prices by the transaction; kept only where they were asked for.
    """

    quantity: Decimal
    events: int
    digest: str
    amounts: tuple[Decimal, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A customer's time."""

    customer_id: UUID
    start: datetime
    end: datetime


async def raw_usage(
    session: AsyncSession,
    definitions: Definitions,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    start: datetime,
    end: datetime,
    as_of: datetime,
    with_amounts: bool = False,
) -> RawUsage:
    """All definitions are of one meter. Raises MeterNotFound."""
    span = Span(customer_id, start, end)
    found = await raw_usage_of(
        session, definitions, [span], tenant_id=tenant_id, as_of=as_of, with_amounts=with_amounts
    )
    return found[0]


async def raw_usage_of(
    session: AsyncSession,
    definitions: Definitions,
    spans: Sequence[Span],
    *,
    tenant_id: UUID,
    as_of: datetime,
    with_amounts: bool = False,
) -> list[RawUsage]:
    """Of each span by one statement. All definitions are of one meter. Raises MeterNotFound."""
    if not definitions.all:
        raise MeterNotFound
    aggregation = definitions.all[0].aggregation
    counts = [_Count(str(span.customer_id)) for span in spans]
    where: dict[str, Any] = {
        "tenant": tenant_id,
        "customers": [span.customer_id for span in spans],
        "starts": [span.start for span in spans],
        "ends": [span.end for span in spans],
        "names": sorted({one.event_name for one in definitions.all}),
        "as_of": as_of,
    }
    connection = await driver_connection(session)
    async with connection.cursor(name="raw_usage") as cursor:
        cursor.itersize = _PAGE
        await cursor.execute(_EVENTS, where)
        with localcontext(EXACT):
            while rows := await cursor.fetchmany(_PAGE):
                for row in cast("list[tuple[Any, ...]]", rows):
                    place: int = row[0] - 1
                    counts[place].add(definitions, aggregation, row[1:], with_amounts=with_amounts)
    return [one.result(aggregation) for one in counts]


class _Count:
    """What was read of one span so far."""

    def __init__(self, customer_id: str) -> None:
        self._customer_id = customer_id
        self._digest = hashlib.sha256()
        self._events = 0
        self._tally = Tally()
        self._amounts: list[Decimal] = []

    def add(self, definitions: Definitions, aggregation: str, row: Sequence[Any], *, with_amounts: bool) -> None:
        event_id, name, at, properties, quantity, corrections = row
        self._events += 1
        occurred_at = at.astimezone(UTC)
        # Each field with its length before it: no two events read alike.
        for value in (event_id, name, occurred_at.isoformat(), properties, str(quantity), corrections):
            self._digest.update(f"{len(value)}:{value}".encode())
        if corrections and not corrections.endswith("restore"):
            return
        read = json.loads(properties, parse_float=Decimal)
        fact: Fact = (event_id, self._customer_id, name, occurred_at, read, quantity)
        for _, _, amount in measured_of(definitions, fact)[1]:
            self._tally.add(aggregation, amount, occurred_at, event_id)
            if with_amounts and isinstance(amount, Decimal):
                self._amounts.append(amount)

    def result(self, aggregation: str) -> RawUsage:
        part = Part(None, (), self._tally)
        return RawUsage(part.quantity(aggregation), self._events, self._digest.hexdigest(), tuple(self._amounts))


_EVENTS: LiteralString = """
SELECT asked.place, e.*
FROM unnest(%(customers)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
     WITH ORDINALITY AS asked (customer_id, start_at, end_at, place), LATERAL (
    SELECT e.id::text, e.event_name, e.occurred_at, e.properties::text, e.quantity,
           coalesce((SELECT string_agg(c.id::text || c.kind, ',' ORDER BY c.id) FROM usage_corrections c
                     WHERE c.tenant_id = e.tenant_id AND c.event_id = e.id AND c.recorded_at <= %(as_of)s), '')
    FROM usage_events e
    WHERE e.tenant_id = %(tenant)s AND e.customer_id = asked.customer_id AND e.outcome = 'metered'
      AND e.event_name = ANY(%(names)s) AND e.occurred_at >= asked.start_at AND e.occurred_at < asked.end_at
      AND e.recorded_at <= %(as_of)s OFFSET 0) e
ORDER BY asked.place, e.occurred_at, e.id::uuid
"""
