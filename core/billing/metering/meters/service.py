"""Meters are made, changed by a new version, and archived; what was counted before keeps its definition.

An event is counted by the version in force when it occurred. So a period in which a definition changes is counted by
the old one until the change and by the new one from it on; the aggregation never changes, so the parts go together.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.metering.events.recount import MOST_RECOUNTED, TooMany, recount_meter
from core.billing.metering.events.service import LATE
from core.billing.metering.meters import repository
from core.billing.metering.meters.errors import MeterArchived, MeterCodeTaken, MeterInUse, MeterNotFound, TooMuchToCount
from core.billing.metering.models import Meter, MeterVersion
from core.foundation.database import driver_connection
from core.foundation.errors import InvalidInput
from core.foundation.ids import earliest_id, new_id

_AHEAD = timedelta(minutes=15)
"""More than an event may lie ahead of our clocks, and our clocks of each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a version says."""

    event_name: str
    property: str | None
    filters: list[dict[str, Any]]
    dimensions: list[str]


async def create_meter(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    code: str,
    name: str,
    aggregation: str,
    terms: Terms,
    counts_from: datetime | None,
    by: UUID,
    now: datetime,
) -> Row[Any]:
    """A meter whose first version counts from an instant in the past: without one as far back as late events are taken,
    so that none is accepted and counted by nothing. Raises MeterCodeTaken, TooMuchToCount.
    """
    if counts_from is not None and counts_from > now:
        raise InvalidInput("countsFrom", "must not lie in the future")
    await repository.lock_definitions(session)
    meter = Meter(tenant_id=tenant_id, id=new_id(), code=code, name=name, aggregation=aggregation, created_at=now)
    try:
        async with session.begin_nested():
            session.add(meter)
    except IntegrityError:
        raise MeterCodeTaken(code) from None
    since = counts_from or await _as_far_back_as_can_be_counted(session, tenant_id, now=now)
    await _add_version(session, meter.id, terms, tenant_id=tenant_id, version=1, since=since, by=by)
    await _recount(session, meter.id, tenant_id=tenant_id, since=since)
    return await get_meter(session, tenant_id, meter_id=meter.id)


async def change_meter(
    session: AsyncSession,
    meter_id: UUID,
    *,
    tenant_id: UUID,
    name: str | None,
    terms: Terms,
    since: datetime | None,
    by: UUID,
    now: datetime,
) -> Row[Any]:
    """Another name, and another version where the terms differ. Raises MeterNotFound, MeterArchived, TooMuchToCount."""
    if since is not None and since < now:
        raise InvalidInput("effectiveFrom", "must not lie in the past: what was counted keeps its definition")
    await repository.lock_definitions(session)
    meter = await get_meter(session, tenant_id, meter_id=meter_id)
    if meter.archived_at is not None:
        raise MeterArchived
    if name is not None:
        await session.execute(
            text("UPDATE meters SET name = :name WHERE tenant_id = :tenant AND id = :id"),
            {"name": name, "tenant": tenant_id, "id": meter_id},
        )
    if terms != terms_of(meter):
        begins = max(since or now, meter.effective_from)
        await _add_version(
            session, meter_id, terms, tenant_id=tenant_id, version=meter.version + 1, since=begins, by=by
        )
        await _recount(session, meter_id, tenant_id=tenant_id, since=begins)
    return await get_meter(session, tenant_id, meter_id=meter_id)


async def archive_meter(session: AsyncSession, meter_id: UUID, *, tenant_id: UUID, now: datetime) -> Row[Any]:
    """Counts nothing that occurs from now on; what was counted stays. Again: the same. Raises MeterNotFound."""
    await repository.lock_definitions(session)
    meter = await get_meter(session, tenant_id, meter_id=meter_id)
    if meter.archived_at is None:
        await session.execute(
            text("UPDATE meters SET archived_at = :now WHERE tenant_id = :tenant AND id = :id"),
            {"now": now, "tenant": tenant_id, "id": meter_id},
        )
        await _recount(session, meter_id, tenant_id=tenant_id, since=now)
    return await get_meter(session, tenant_id, meter_id=meter_id)


async def delete_meter(session: AsyncSession, meter_id: UUID, *, tenant_id: UUID, now: datetime) -> Row[Any]:
    """Archives a meter that no plan ever priced. Raises MeterInUse, MeterNotFound."""
    meter = await get_meter(session, tenant_id, meter_id=meter_id)
    plans = await repository.count_plans(session, tenant_id, meter_id)
    if plans:
        raise MeterInUse(meter.code, plans)
    return await archive_meter(session, meter_id, tenant_id=tenant_id, now=now)


async def get_meter(
    session: AsyncSession, tenant_id: UUID, *, meter_id: UUID | None = None, code: str | None = None
) -> Row[Any]:
    """A meter by id or code with its newest version. Raises MeterNotFound."""
    found = await repository.find_meter(session, tenant_id, meter_id=meter_id, code=code)
    if found is None:
        raise MeterNotFound
    return found


def terms_of(meter: Row[Any]) -> Terms:
    """What the newest version says."""
    return Terms(
        event_name=meter.event_name, property=meter.property, filters=meter.filters, dimensions=list(meter.dimensions)
    )


async def _add_version(
    session: AsyncSession, meter_id: UUID, terms: Terms, *, tenant_id: UUID, version: int, since: datetime, by: UUID
) -> None:
    session.add(
        MeterVersion(
            tenant_id=tenant_id,
            meter_id=meter_id,
            version=version,
            event_name=terms.event_name,
            property=terms.property,
            filters=terms.filters,
            dimensions=terms.dimensions,
            effective_from=since,
            created_by=by,
        )
    )
    await session.flush()


async def _as_far_back_as_can_be_counted(session: AsyncSession, tenant_id: UUID, *, now: datetime) -> datetime:
    """Where so much is stored since then that counting it would keep batches waiting, now."""
    since = now - LATE
    least = await _least_id(session, tenant_id, since=since)
    stored = await repository.count_events(session, tenant_id, since=since, least=least, most=MOST_RECOUNTED + 1)
    return since if stored <= MOST_RECOUNTED else now


async def _least_id(session: AsyncSession, tenant_id: UUID, *, since: datetime) -> UUID | None:
    """No event that occurred since then has a smaller id, as far as that is known."""
    is_test = await session.scalar(text("SELECT is_test FROM tenants WHERE id = :tenant"), {"tenant": tenant_id})
    # Ids are made by the wall clock: they bound the events of a tenant that lives on it.
    hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return None if is_test else earliest_id(hour - _AHEAD)


async def _recount(session: AsyncSession, meter_id: UUID, *, tenant_id: UUID, since: datetime) -> None:
    """Events that came in already and occurred since then: few, unless a definition begins in the past."""
    definitions = await repository.load_definitions(session, tenant_id, meter_id=meter_id)
    try:
        await recount_meter(
            await driver_connection(session),
            definitions,
            tenant_id=tenant_id,
            meter_id=meter_id,
            since=since,
            earliest_id=await _least_id(session, tenant_id, since=since),
        )
    except TooMany:
        raise TooMuchToCount(MOST_RECOUNTED) from None
