"""Nothing accepted is uncounted: hours that were written are counted anew from their events and compared.

A batch notes the hours that it wrote to. They are taken over here as checks to be done; each check counts its hour in
one snapshot, in which events and aggregates belong together, and says what differs. A check that is cut off is done by
the next run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import structlog
from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.metering.events.recount import count_hour
from core.billing.metering.events.storing import Connection
from core.billing.metering.events.tallies import Counted, Tally, TallyKey, hour_of
from core.billing.metering.meters.repository import load_definitions, lock_definitions
from core.foundation.database import Database, driver_connection
from core.foundation.ids import new_id

CHECKED = Gauge(
    "cloudbill_usage_checked_events", "Countings of metered events in the hours checked last day.", ["side"]
)
DIFFERING = Gauge("cloudbill_usage_hours_differing", "Hours whose aggregates were not as counted from their events.")
UNCHECKED = Gauge("cloudbill_usage_hours_unchecked", "Hours of usage that were written and not checked since.")

_LOG: structlog.stdlib.BoundLogger = structlog.get_logger("metering")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An hour's countings by its events and by the aggregates, and which aggregates differ."""

    accepted: int
    aggregated: int
    differing: tuple[TallyKey, ...]


async def check_all(database: Database, *, now: datetime) -> int:
    """Checks every hour that was written since the last time; how many there were."""
    async with database.reading() as session:
        tenants = (await session.scalars(_TENANTS)).all()
    done = 0
    for tenant_id in tenants:
        try:
            done += await check_tenant(database, tenant_id, now=now)
        except Exception:
            _LOG.exception("usage_check_failed", tenant_id=str(tenant_id))
    return done


async def check_tenant(database: Database, tenant_id: UUID, *, now: datetime) -> int:
    """Checks the hours of one tenant."""
    async with database.tenant(tenant_id) as session:
        # Alone for a moment: every batch that noted an hour has been committed, so its events will be seen.
        await lock_definitions(session)
        hours = (await session.scalars(_TAKE, {"tenant": tenant_id})).all()
        for hour in hours:
            await session.execute(_DUE, {"tenant": tenant_id, "id": new_id(), "bucket": hour, "now": now})
    async with database.tenant(tenant_id) as session:
        due = (await session.execute(_OPEN, {"tenant": tenant_id})).all()
    for check in due:
        found = await check_hour(database, tenant_id, hour_of(check.bucket.astimezone(UTC)))
        if found.differing:
            _LOG.error(
                "usage_differs", tenant_id=str(tenant_id), hour=check.bucket.isoformat(), keys=found.differing[:5]
            )
        async with database.tenant(tenant_id) as session:
            result = {
                "tenant": tenant_id,
                "id": check.id,
                "now": now,
                "accepted": found.accepted,
                "aggregated": found.aggregated,
                "differing": len(found.differing),
            }
            await session.execute(_DONE, result)
    return len(due)


async def check_hour(database: Database, tenant_id: UUID, hour: int) -> Checked:
    """Counts an hour anew and compares it, in one snapshot."""
    async with (
        database.app.connect() as opened,
        (await opened.execution_options(isolation_level="REPEATABLE READ")).begin(),
        AsyncSession(bind=opened) as session,
    ):
        await session.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(tenant_id)})
        definitions = await load_definitions(session, tenant_id)
        connection = await driver_connection(session)
        counted = await count_hour(connection, definitions, tenant_id=tenant_id, hour=hour)
        stored = await _stored(connection, hour)
    return compare(counted, stored)


def compare(counted: Counted, stored: Mapping[TallyKey, Tally]) -> Checked:
    """What the events come to against what is stored."""
    differing = [
        key
        for key in sorted(counted.tallies.keys() | stored.keys())
        if _figures(counted.tallies.get(key)) != _figures(stored.get(key))
    ]
    return Checked(
        accepted=counted.countings,
        aggregated=sum(one.events for one in stored.values()),
        differing=tuple(differing),
    )


async def count_differing(session: AsyncSession, *, now: datetime) -> int:
    """Hours that differed when they were last looked at, in the last day; as the reading operator."""
    row = (await session.execute(_FIGURES, {"since": now - timedelta(days=1)})).one()
    return int(row.differing)


async def measure(session: AsyncSession, *, now: datetime) -> None:
    """Brings the gauges of this process up to date; as the reading operator."""
    row = (await session.execute(_FIGURES, {"since": now - timedelta(days=1)})).one()
    CHECKED.labels("accepted").set(row.accepted)
    CHECKED.labels("aggregated").set(row.aggregated)
    DIFFERING.set(row.differing)
    UNCHECKED.set(row.unchecked)


def _figures(tally: Tally | None) -> tuple[Any, ...] | None:
    if tally is None:
        return None
    return (
        tally.events,
        tally.total,
        tally.peak,
        tally.last,
        tally.last_at,
        tally.last_event_id,
        frozenset(tally.values or ()),
    )


async def _stored(connection: Connection, hour: int) -> dict[TallyKey, Tally]:
    found: dict[TallyKey, Tally] = {}
    parameters = {"hour": hour, "bit": 1 << hour % 24}
    cursor = await connection.execute(_AGGREGATES, parameters)
    for meter, customer, version, group, events, total, peak, last, last_at, last_event_id in await cursor.fetchall():
        found[(meter, customer, hour, version, group)] = Tally(
            events=events,
            total=total,
            peak=peak,
            last=last,
            last_at=last_at and last_at.astimezone(UTC),
            last_event_id=last_event_id,
        )
    cursor = await connection.execute(_VALUES, parameters)
    for meter, customer, version, group, value in await cursor.fetchall():
        tally = found.setdefault((meter, customer, hour, version, group), Tally())
        tally.values = (tally.values or set()) | {value}
    return found


_TENANTS = text("SELECT tenant_id FROM usage_touched UNION SELECT tenant_id FROM usage_checks WHERE checked_at IS NULL")

_TAKE = text("DELETE FROM usage_touched WHERE tenant_id = :tenant RETURNING bucket")

_DUE = text("INSERT INTO usage_checks (tenant_id, id, bucket, due_at) VALUES (:tenant, :id, :bucket, :now)")

_OPEN = text("SELECT id, bucket FROM usage_checks WHERE tenant_id = :tenant AND checked_at IS NULL ORDER BY id")

_DONE = text("""
UPDATE usage_checks SET checked_at = :now, accepted = :accepted, aggregated = :aggregated, differing = :differing
WHERE tenant_id = :tenant AND id = :id
""")

# Of an hour that was checked more than once the last check counts.
_FIGURES = text("""
SELECT coalesce(sum(c.accepted), 0) AS accepted, coalesce(sum(c.aggregated), 0) AS aggregated,
       count(*) FILTER (WHERE c.differing > 0) AS differing,
       count(*) FILTER (WHERE c.checked_at IS NULL) + (SELECT count(*) FROM usage_touched) AS unchecked
FROM (SELECT DISTINCT ON (tenant_id, bucket) * FROM usage_checks
      WHERE checked_at IS NULL OR checked_at >= :since ORDER BY tenant_id, bucket, id DESC) AS c
""")

_AGGREGATES: LiteralString = """
SELECT meter_id::text, customer_id::text, version, dimensions, events, total, peak, last, last_at, last_event_id::text
FROM usage_aggregates
WHERE tenant_id = app_tenant() AND bucket = to_timestamp(%(hour)s::bigint * 3600)
"""

_VALUES: LiteralString = """
SELECT meter_id::text, customer_id::text, version, dimensions, value FROM usage_distinct
WHERE tenant_id = app_tenant() AND day = (to_timestamp(%(hour)s::bigint * 3600) AT TIME ZONE 'UTC')::date
  AND hours & %(bit)s <> 0
"""
