"""The statements of a batch, on the driver itself: read what it depends on, stage, insert, add to what is counted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
import psycopg

from core.billing.metering.events.tallies import Counted, hour_begin
from core.foundation.ids import new_id

Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Known:
    """A customer: its id, the tenant's own for it, and from when events of it are taken."""

    id: str
    external_id: str
    is_self: bool
    created_at: datetime
    subscribed_at: datetime | None


@dataclass(frozen=True, slots=True)
class FirstUse:
    """What a key was first used for; `input_hash` in hexadecimal."""

    event_id: str
    input_hash: str


async def read_dependencies(
    connection: Connection, external_ids: Sequence[str], customer_ids: Sequence[UUID], *, with_self: bool
) -> tuple[str | None, list[Known]]:
    """The tenant's definitions as JSON text and the customers; locks the definitions until the end."""
    found = await connection.execute(_READ, [list(external_ids), list(customer_ids), with_self], prepare=True)
    row = await found.fetchone()
    assert row is not None, "a function answers one row"
    definitions, customers = row[0]
    return definitions, [
        Known(one[0], one[1], one[2], datetime.fromisoformat(one[3]), one[4] and datetime.fromisoformat(one[4]))
        for one in customers or ()
    ]


async def make_customers(connection: Connection, external_ids: Sequence[str], *, now: datetime) -> dict[str, str]:
    """Our ids of customers that were never seen, made at this first use; safe when several make them at once."""
    names = sorted(external_ids)
    await connection.execute(_MAKE_CUSTOMERS, [now, [new_id() for _ in names], names])
    cursor = await connection.execute(_CUSTOMERS, [names])
    return dict(await cursor.fetchall())


async def stage(connection: Connection, rows: Iterable[str]) -> None:
    """COPY to a table of this transaction: COPY into a table with row security is refused."""
    await connection.execute(_STAGED)
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        await copy.write("".join(rows))


async def insert_staged(connection: Connection) -> set[str] | None:
    """Stores what was staged, each key once for ever. The ids of those stored, or None for all of them."""
    cursor = await connection.execute(_INSERT, prepare=True)
    found = await cursor.fetchone()
    assert found is not None, "a count is one row"
    staged, stored, ids = found
    return None if staged == stored else set(ids or ())


async def first_uses(connection: Connection, keys: Sequence[str]) -> dict[str, FirstUse]:
    """What these keys were first used for."""
    cursor = await connection.execute(_FIRST_USES, [list(keys)])
    return {key: FirstUse(event_id, hashed) for key, event_id, hashed in await cursor.fetchall()}


async def add_tallies(connection: Connection, counted: Counted) -> None:
    """Adds to the aggregates, by their keys in order, so that two batches do not wait for each other in a circle."""
    lines = [
        (
            *(meter, customer, hour_begin(hour), version, group),
            *(one.events, _text(one.total), _text(one.peak), _text(one.last), one.last_at, one.last_event_id),
        )
        for (meter, customer, hour, version, group), one in sorted(counted.tallies.items(), key=_key)
    ]
    if lines:
        await connection.execute(_TALLY, [orjson.dumps(lines).decode()], prepare=True)
    values = [
        (meter, customer, str(hour_begin(hour).date()), version, group, value, 1 << hour % 24)
        for (meter, customer, hour, version, group), one in sorted(counted.tallies.items(), key=_key)
        for value in sorted(one.values or ())
    ]
    if values:
        await connection.execute(_DISTINCT, [orjson.dumps(values).decode()], prepare=True)


async def touch(connection: Connection, hours: Iterable[int]) -> None:
    """Notes hours that are to be checked."""
    await connection.execute(_TOUCH, [[hour_begin(hour) for hour in sorted(set(hours))]], prepare=True)


def _key(item: tuple[tuple[str, str, int, int, str], object]) -> tuple[str, str, int, int, str]:
    return item[0]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


_READ: LiteralString = "SELECT read_metering(%s, %s, %s)"

_MAKE_CUSTOMERS: LiteralString = """
INSERT INTO customers (tenant_id, id, external_id, is_self, created_at)
SELECT app_tenant(), u.id, u.external_id, false, %s FROM unnest(%s::uuid[], %s::text[]) AS u (id, external_id)
ON CONFLICT (tenant_id, external_id) DO NOTHING
"""

_CUSTOMERS: LiteralString = """
SELECT external_id, id::text FROM customers WHERE tenant_id = app_tenant() AND external_id = ANY(%s)
"""

_STAGED: LiteralString = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_usage (
    id uuid, occurred_at timestamptz, customer_id uuid, key text, input_hash bytea, event_name text, quantity numeric,
    properties jsonb) ON COMMIT DELETE ROWS
"""

_COPY: LiteralString = "COPY staged_usage FROM STDIN"

_INSERT: LiteralString = """
WITH keyed AS (
    INSERT INTO usage_keys (tenant_id, key, input_hash, event_id, event_occurred_at, is_metered)
    SELECT app_tenant(), key, input_hash, id, occurred_at, true FROM staged_usage
    ON CONFLICT (tenant_id, key) DO NOTHING RETURNING event_id
), stored AS (
    INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, quantity,
                              properties)
    SELECT app_tenant(), s.id, s.occurred_at, s.customer_id, s.key, 'metered', s.event_name, s.quantity, s.properties
    FROM staged_usage s WHERE s.id IN (SELECT event_id FROM keyed)
    RETURNING id
)
SELECT (SELECT count(*) FROM staged_usage), count(*),
       CASE WHEN count(*) < (SELECT count(*) FROM staged_usage) THEN array_agg(id::text) END
FROM stored
"""

_FIRST_USES: LiteralString = """
SELECT k.key, k.event_id::text, encode(k.input_hash, 'hex')
FROM unnest(%s::text[]) AS named (key), LATERAL (
    SELECT * FROM usage_keys WHERE tenant_id = app_tenant() AND key = named.key OFFSET 0) k
"""

_TALLY: LiteralString = """
INSERT INTO usage_aggregates AS a (tenant_id, meter_id, customer_id, bucket, version, dimensions, events, total, peak,
                                   last, last_at, last_event_id)
SELECT app_tenant(), (t->>0)::uuid, (t->>1)::uuid, (t->>2)::timestamptz, (t->>3)::bigint, t->>4, (t->>5)::bigint,
       (t->>6)::numeric, (t->>7)::numeric, (t->>8)::numeric, (t->>9)::timestamptz, (t->>10)::uuid
FROM json_array_elements(%s::json) AS t
ON CONFLICT (tenant_id, meter_id, customer_id, bucket, version, dimensions) DO UPDATE SET
    events = a.events + excluded.events,
    total = a.total + excluded.total,
    peak = greatest(a.peak, excluded.peak),
    last = CASE WHEN (excluded.last_at, excluded.last_event_id) > (a.last_at, a.last_event_id)
                THEN excluded.last ELSE a.last END,
    last_event_id = CASE WHEN (excluded.last_at, excluded.last_event_id) > (a.last_at, a.last_event_id)
                         THEN excluded.last_event_id ELSE a.last_event_id END,
    last_at = greatest(a.last_at, excluded.last_at)
"""

_DISTINCT: LiteralString = """
INSERT INTO usage_distinct AS d (tenant_id, meter_id, customer_id, day, version, dimensions, value, hours)
SELECT app_tenant(), (t->>0)::uuid, (t->>1)::uuid, (t->>2)::date, (t->>3)::bigint, t->>4, t->>5,
       bit_or((t->>6)::integer)
FROM json_array_elements(%s::json) AS t
GROUP BY 2, 3, 4, 5, 6, 7 ORDER BY 2, 3, 4, 5, 6, 7
ON CONFLICT (tenant_id, meter_id, customer_id, day, version, dimensions, value) DO UPDATE
SET hours = d.hours | excluded.hours WHERE d.hours | excluded.hours <> d.hours
"""

_TOUCH: LiteralString = """
INSERT INTO usage_touched (tenant_id, bucket) SELECT app_tenant(), unnest(%s::timestamptz[]) ORDER BY 2
ON CONFLICT DO NOTHING
"""
