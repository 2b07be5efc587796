"""The statements of a batch, on the driver itself: read what it depends on, stage, insert, add to what is counted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
import psycopg

from core.billing.metering.events.tallies import BEFORE_ALL, Counted, Tally, TallyKey, hour_begin
from core.foundation.ids import new_id
from core.identity.tenants.customers import is_erased_name

Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Known:
    """A customer: its id, the tenant's own for it, and from when events of it are taken."""

    id: str
    external_id: str
    is_self: bool
    created_at: datetime
    subscribed_at: datetime | None
    begins_at: datetime = field(init=False)
    """Nothing of it occurred before; one that is not the tenant itself begins with its first subscription."""
    is_erased: bool = field(init=False)
    """Nothing new is counted for whoever it was."""

    def __post_init__(self) -> None:
        begins_at = self.subscribed_at or BEFORE_ALL
        object.__setattr__(self, "begins_at", max(begins_at, self.created_at) if self.is_self else begins_at)
        object.__setattr__(self, "is_erased", is_erased_name(self.external_id, self.id))


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


async def insert_staged(connection: Connection, staged: int, *, tenant_id: UUID) -> set[str] | None:
    """Stores what was staged, each key once for ever. The ids of those stored, or None for all of them."""
    parameters = {"tenant": tenant_id}
    keyed = await connection.execute(_KEYS, parameters, prepare=True)
    if keyed.rowcount == staged:
        await connection.execute(_EVENTS, parameters, prepare=True)
        return None
    cursor = await connection.execute(_NEW_EVENTS, parameters, prepare=True)
    return {row[0] for row in await cursor.fetchall()}


async def first_uses(connection: Connection, keys: Sequence[str]) -> dict[str, FirstUse]:
    """What these keys were first used for."""
    cursor = await connection.execute(_FIRST_USES, [list(keys)])
    return {key: FirstUse(event_id, hashed) for key, event_id, hashed in await cursor.fetchall()}


Span = tuple[str, datetime, datetime]
"""A customer's id, and when the first and the last of what came in or was amended of it occurred."""


async def note_late(connection: Connection, spans: Sequence[Span], *, now: datetime) -> None:
    """Notes what is on a bill of these times already, so that it is looked at again once the tenant's grace is over."""
    if spans:
        customers, first, last = zip(*spans, strict=True)
        written = _array(customers), _texts(list(map(str, first))), _texts(list(map(str, last)))
        await connection.execute(_LATE, [now, *written], prepare=True)


async def add_tallies(
    connection: Connection,
    counted: Counted,
    *,
    hours: Iterable[int],
    commits: bool = False,
    late: Sequence[Span] = (),
    now: datetime | None = None,
) -> None:
    """Adds to the aggregates, by their keys in order, so that two batches do not wait for each other in a circle.

    Notes `hours` as to be checked, and what is `late`. With `commits` the commit goes with it in one message:
    aggregates are shared by many batches, and none waits for a process that is busy between its last statement and its
    commit.
    """
    ordered = sorted(counted.tallies.items(), key=_key)
    values = [
        (meter, customer, str(hour_begin(hour).date()), version, group, value, 1 << hour % 24)
        for (meter, customer, hour, version, group), one in ordered
        for value in one.values or ()
    ]
    touched = [hour_begin(hour) for hour in sorted(set(hours))]
    async with connection.pipeline():
        if late and now is not None:
            await note_late(connection, late, now=now)
        if touched:
            await connection.execute(_TOUCH, [touched], prepare=True)
        if ordered:
            await connection.execute(_TALLY, _columns(ordered), prepare=True)
        if values:
            await connection.execute(_DISTINCT, [orjson.dumps(values).decode()], prepare=True)
        if commits:
            await connection.execute("COMMIT")


def _columns(ordered: Sequence[tuple[TallyKey, Tally]]) -> tuple[str, ...]:
    begins = {key[2]: str(hour_begin(key[2])) for key, _ in ordered}
    return (
        _array([key[0] for key, _ in ordered]),
        _array([key[1] for key, _ in ordered]),
        _texts([begins[key[2]] for key, _ in ordered]),
        _array([key[3] for key, _ in ordered]),
        _texts([key[4] for key, _ in ordered]),
        _array([one.events for _, one in ordered]),
        _array([one.total for _, one in ordered]),
        _array([one.peak for _, one in ordered]),
        _array([one.last for _, one in ordered]),
        _texts([None if one.last_at is None else str(one.last_at) for _, one in ordered]),
        _array([one.last_event_id for _, one in ordered]),
    )


def _key(item: tuple[TallyKey, object]) -> TallyKey:
    return item[0]


def _array(values: Iterable[object]) -> str:
    """An array as PostgreSQL reads it, of ids and numbers."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _texts(values: Sequence[str | None]) -> str:
    """An array as PostgreSQL reads it, of texts without control characters: they are quoted as JSON quotes them."""
    return "{" + ",".join(["NULL" if value is None else orjson.dumps(value).decode() for value in values]) + "}"


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

_KEYS: LiteralString = """
INSERT INTO usage_keys (tenant_id, key, input_hash, event_id, event_occurred_at, is_metered)
SELECT %(tenant)s, key, input_hash, id, occurred_at, true FROM staged_usage
ON CONFLICT (tenant_id, key) DO NOTHING
"""

_EVENTS: LiteralString = """
INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, quantity,
                          properties)
SELECT %(tenant)s, id, occurred_at, customer_id, key, 'metered', event_name, quantity, properties FROM staged_usage
"""

# Those whose key is theirs: ids are made anew for every attempt.
_NEW_EVENTS: LiteralString = """
INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, quantity,
                          properties)
SELECT %(tenant)s, s.id, s.occurred_at, s.customer_id, s.key, 'metered', s.event_name, s.quantity, s.properties
FROM staged_usage s, LATERAL (
    SELECT FROM usage_keys WHERE tenant_id = %(tenant)s AND key = s.key AND event_id = s.id OFFSET 0) k
RETURNING id::text
"""

_FIRST_USES: LiteralString = """
SELECT k.key, k.event_id::text, encode(k.input_hash, 'hex')
FROM unnest(%s::text[]) AS named (key), LATERAL (
    SELECT * FROM usage_keys WHERE tenant_id = app_tenant() AND key = named.key OFFSET 0) k
"""

_TALLY: LiteralString = """
INSERT INTO usage_aggregates AS a (tenant_id, meter_id, customer_id, bucket, version, dimensions, events, total, peak,
                                   last, last_at, last_event_id)
SELECT app_tenant(), t.* FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::bigint[], %s::text[], %s::bigint[],
                                     %s::numeric[], %s::numeric[], %s::numeric[], %s::timestamptz[], %s::uuid[]) AS t
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

# Nearly always of nobody: one look at an index a customer. What is on a draft is noted too, and found right later.
_LATE: LiteralString = """
INSERT INTO late_usage (tenant_id, item_id, noted_at, due_at)
SELECT app_tenant(), i.id, t.now,
       t.now + make_interval(hours => coalesce((SELECT grace_hours FROM invoice_settings
                                                WHERE tenant_id = app_tenant()), 1)::integer)
FROM (SELECT *, %s::timestamptz AS now
      FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) AS u (customer_id, first_at, last_at)) t,
LATERAL (
    SELECT id FROM invoice_items
    WHERE tenant_id = app_tenant() AND customer_id = t.customer_id AND kind = 'usage' AND invoice_id IS NOT NULL
      AND period_end > t.first_at AND period_start <= t.last_at OFFSET 0) i
ORDER BY 2
ON CONFLICT DO NOTHING
"""
