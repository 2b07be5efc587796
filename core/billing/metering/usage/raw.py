"""What a meter counted of a customer, from the events themselves as they were known at an instant; for invoices.

The instant is the server's (`recorded_at`), since it is about what had come in. Who takes one holds the tenant's
definitions alone (meters.repository.lock_definitions): then nothing comes in any more before it.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import LiteralString
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
    if not definitions.all:
        raise MeterNotFound
    aggregation = definitions.all[0].aggregation
    names = sorted({one.event_name for one in definitions.all})
    digest = hashlib.sha256()
    events, tally, amounts = 0, Tally(), list[Decimal]()
    connection = await driver_connection(session)
    async with connection.cursor(name="raw_usage") as cursor:
        await cursor.execute(
            _EVENTS,
            {"tenant": tenant_id, "customer": customer_id, "names": names, "start": start, "end": end, "as_of": as_of},
        )
        with localcontext(EXACT):
            while rows := await cursor.fetchmany(_PAGE):
                for event_id, name, at, properties, quantity, corrections in rows:
                    events += 1
                    occurred_at = at.astimezone(UTC)
                    # Each field with its length before it: no two events read alike.
                    for value in (event_id, name, occurred_at.isoformat(), properties, str(quantity), corrections):
                        digest.update(f"{len(value)}:{value}".encode())
                    if corrections and not corrections.endswith("restore"):
                        continue
                    fact: Fact = (
                        event_id, str(customer_id), name, occurred_at, json.loads(properties, parse_float=Decimal),
                        quantity,
                    )  # fmt: skip
                    for _, _, amount in measured_of(definitions, fact)[1]:
                        tally.add(aggregation, amount, occurred_at, event_id)
                        if with_amounts and isinstance(amount, Decimal):
                            amounts.append(amount)
    part = Part(None, (), tally)
    return RawUsage(part.quantity(aggregation), events, digest.hexdigest(), tuple(amounts))


_EVENTS: LiteralString = """
SELECT e.id::text, e.event_name, e.occurred_at, e.properties::text, e.quantity,
       coalesce((SELECT string_agg(c.id::text || c.kind, ',' ORDER BY c.id) FROM usage_corrections c
                 WHERE c.tenant_id = e.tenant_id AND c.event_id = e.id AND c.recorded_at <= %(as_of)s), '')
FROM usage_events e
WHERE e.tenant_id = %(tenant)s AND e.customer_id = %(customer)s AND e.outcome = 'metered'
  AND e.event_name = ANY(%(names)s) AND e.occurred_at >= %(start)s AND e.occurred_at < %(end)s
  AND e.recorded_at <= %(as_of)s
ORDER BY e.occurred_at, e.id
"""
