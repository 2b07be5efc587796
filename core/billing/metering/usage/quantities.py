"""What a meter counted of a customer in a period: whole hours from the aggregates, parts of hours from the events.

So a period may begin and end at any instant, and asking costs what its hours cost, however many events there are. A
meter of unique values costs what its distinct values cost.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.metering.events.recount import measured_of, read_facts
from core.billing.metering.events.tallies import Tally, add_up, hour_begin, hour_of
from core.billing.metering.meters.definitions import EXACT, Definitions, plain, typed
from core.billing.metering.meters.errors import MeterNotFound
from core.billing.metering.meters.repository import load_definitions
from core.foundation.database import driver_connection

Interval = Literal["hour", "day"]
HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Part:
    """What was counted of one group in one interval. `begin` is None without intervals."""

    begin: datetime | None
    group: tuple[Any, ...]
    tally: Tally = field(default_factory=Tally)

    def quantity(self, aggregation: str) -> Decimal:
        """As the meter's aggregation has it; zero where there was nothing."""
        match aggregation:
            case "count":
                return Decimal(self.tally.events)
            case "sum":
                return self.tally.total or Decimal(0)
            case "max":
                return self.tally.peak or Decimal(0)
            case "latest":
                return self.tally.last or Decimal(0)
            case _:
                return Decimal(len(self.tally.values or ()))


async def usage_of(
    session: AsyncSession,
    tenant_id: UUID,
    customer_id: UUID,
    meter_id: UUID,
    start: datetime,
    end: datetime,
    dimensions: Mapping[str, Any] | None = None,
) -> Decimal:
    """The quantity of a meter from `start` until before `end`, of events as amended; for rating.

    `dimensions` keeps to the groups that have these values, by their type: 1 is neither "1" nor true. Raises
    MeterNotFound.
    """
    definitions = await load_definitions(session, tenant_id, meter_id=meter_id)
    parts = await parts_of(
        session, definitions, tenant_id=tenant_id, customer_id=customer_id, start=start, end=end, where=dimensions
    )
    return parts[0].quantity(definitions.all[0].aggregation) if parts else Decimal(0)


async def parts_of(
    session: AsyncSession,
    definitions: Definitions,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    start: datetime,
    end: datetime,
    where: Mapping[str, Any] | None = None,
    group_by: Sequence[str] = (),
    interval: Interval | None = None,
) -> list[Part]:
    """A period of one meter (all definitions are its), in parts by interval and group. Raises MeterNotFound."""
    if not definitions.all:
        raise MeterNotFound
    parts = _Parts(definitions, where or {}, group_by, interval)
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first = hour_of(start) + (start != hour_begin(hour_of(start)))
    last = hour_of(end)
    edges = [(start, end)] if first > last else [(start, hour_begin(first)), (hour_begin(last), end)]
    with localcontext(EXACT):
        if first < last:
            scope = {
                "tenant": tenant_id,
                "meter": definitions.all[0].meter_id,
                "customer": customer_id,
                "first": hour_begin(first),
                "until": hour_begin(last),
            }
            await _add_hours(session, parts, scope)
        connection = await driver_connection(session)
        for since, until in edges:
            if since < until:
                facts = await read_facts(
                    connection,
                    tenant_id=tenant_id,
                    customer_id=customer_id,
                    names=sorted(definitions.by_event),
                    since=since,
                    until=until,
                )
                counted = add_up(measured_of(definitions, fact) for fact in facts)
                for (_, _, hour, version, group), tally in counted.tallies.items():
                    parts.add(hour_begin(hour), version, group, tally)
    return parts.found()


def shown(quantity: Decimal) -> str:
    """A quantity as a plain decimal text without trailing zeros."""
    text_form = f"{quantity:f}"
    return text_form.rstrip("0").rstrip(".") if "." in text_form else text_form


class _Parts:
    """Tallies merged by interval and group."""

    def __init__(
        self, definitions: Definitions, where: Mapping[str, Any], group_by: Sequence[str], interval: Interval | None
    ) -> None:
        self.aggregation = definitions.all[0].aggregation
        self.interval: Interval | None = interval
        self._dimensions = {one.version: one.dimensions for one in definitions.all}
        self._where = {name: typed(wanted) for name, wanted in where.items()}
        self._group_by = group_by
        self._parts: dict[tuple[datetime | None, str], Part] = {}

    def add(self, at: datetime | None, version: int, group: str, tally: Tally) -> None:
        """Adds what was counted in the hour or interval that begins at `at`."""
        values = dict(zip(self._dimensions[version], json.loads(group, parse_float=Decimal), strict=True))
        if any(name not in values or typed(values[name]) != wanted for name, wanted in self._where.items()):
            return
        shown = tuple(values.get(name) for name in self._group_by)
        begin = None if self.interval is None or at is None else _begin(at, self.interval)
        key = (begin, orjson.dumps([plain(value) for value in shown]).decode())
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = Part(begin, shown)
        _merge(part.tally, tally)

    def found(self) -> list[Part]:
        """In the order of time and group."""
        return [self._parts[key] for key in sorted(self._parts, key=lambda key: (str(key[0]), key[1]))]


def _begin(at: datetime, interval: Interval) -> datetime:
    at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return at.replace(hour=0) if interval == "day" else at


def _merge(into: Tally, other: Tally) -> None:
    into.events += other.events
    if other.total is not None:
        into.total = other.total if into.total is None else into.total + other.total
    if other.peak is not None and (into.peak is None or other.peak > into.peak):
        into.peak = other.peak
    if other.last_at is not None and (
        into.last_at is None or (other.last_at, other.last_event_id or "") > (into.last_at, into.last_event_id or "")
    ):
        into.last, into.last_at, into.last_event_id = other.last, other.last_at, other.last_event_id
    if other.values:
        into.values = (into.values or set()) | other.values


async def _add_hours(session: AsyncSession, parts: _Parts, scope: Mapping[str, Any]) -> None:
    unit = parts.interval or "none"
    for row in await session.execute(_HOURS, {**scope, "unit": unit}):
        tally = Tally(
            events=int(row.events),
            total=row.total,
            peak=row.peak,
            last=row.last,
            last_at=row.last_at,
            last_event_id=row.last_event_id,
        )
        parts.add(row.begin, row.version, row.dimensions, tally)
    if parts.aggregation != "unique":
        return
    first, until = scope["first"], scope["until"]
    for row in await session.execute(_VALUES, {**scope, "first": first.date(), "until": (until - HOUR).date()}):
        midnight = datetime(row.day.year, row.day.month, row.day.day, tzinfo=UTC)
        met = [at for hour in range(24) if row.hours & 1 << hour and first <= (at := midnight + hour * HOUR) < until]
        for at in met if parts.interval == "hour" else met[:1]:
            parts.add(at, row.version, row.dimensions, Tally(values={row.value}))


_HOURS = text("""
SELECT CASE CAST(:unit AS text) WHEN 'hour' THEN bucket WHEN 'day' THEN date_trunc('day', bucket, 'UTC') END AS begin,
       version, dimensions, sum(events) AS events, sum(total) AS total, max(peak) AS peak,
       (array_agg(last ORDER BY last_at DESC, last_event_id DESC) FILTER (WHERE last_at IS NOT NULL))[1] AS last,
       max(last_at) AS last_at,
       (array_agg(last_event_id::text ORDER BY last_at DESC, last_event_id DESC)
        FILTER (WHERE last_at IS NOT NULL))[1] AS last_event_id
FROM usage_aggregates
WHERE tenant_id = :tenant AND meter_id = :meter AND customer_id = :customer AND bucket >= :first AND bucket < :until
GROUP BY 1, version, dimensions
""")

_VALUES = text("""
SELECT day, version, dimensions, value, hours FROM usage_distinct
WHERE tenant_id = :tenant AND meter_id = :meter AND customer_id = :customer AND day >= :first AND day <= :until
""")
