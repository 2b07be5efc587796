"""Meters: every SELECT."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.metering.meters.definitions import Definitions, read_definitions


async def list_meters(
    session: AsyncSession, tenant_id: UUID, *, archived: bool, after: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Meters with their newest version, by code; `archived` lists those that are, too."""
    where = {"tenant": tenant_id, "archived": archived, "after": after, "limit": limit}
    return (await session.execute(_METERS, where)).all()


async def find_meter(
    session: AsyncSession, tenant_id: UUID, *, meter_id: UUID | None = None, code: str | None = None
) -> Row[Any] | None:
    """A meter by its id or its code, with its newest version."""
    return (await session.execute(_METER, {"tenant": tenant_id, "id": meter_id, "code": code})).one_or_none()


async def list_versions(session: AsyncSession, tenant_id: UUID, meter_id: UUID) -> Sequence[Row[Any]]:
    """All versions of a meter, the first one first."""
    return (await session.execute(_VERSIONS, {"tenant": tenant_id, "id": meter_id})).all()


async def load_definitions(session: AsyncSession, tenant_id: UUID, *, meter_id: UUID | None = None) -> Definitions:
    """The tenant's definitions, or those of one meter."""
    rows = await session.execute(_DEFINITIONS, {"tenant": tenant_id, "id": meter_id})
    return read_definitions([tuple(row) for row in rows])


async def count_plans(session: AsyncSession, tenant_id: UUID, meter_id: UUID) -> int:
    """How many plans ever priced what the meter counts."""
    return await session.scalar(_PLANS, {"tenant": tenant_id, "meter": meter_id}) or 0


async def count_events(
    session: AsyncSession, tenant_id: UUID, *, since: datetime, least: UUID | None, most: int
) -> int:
    """How many metered events occurred since then, up to `most`; none of them has an id below `least`."""
    where = {"tenant": tenant_id, "since": since, "least": least or UUID(int=0), "most": most}
    return await session.scalar(_EVENTS, where) or 0


async def lock_definitions(session: AsyncSession) -> None:
    """Alone until the end: batches under way are waited for, and new ones wait."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(app_tenant()::text, 6))"))


_COLUMNS = """
SELECT m.id, m.code, m.name, m.aggregation, m.created_at, m.archived_at, v.version, v.event_name, v.property,
       v.filters, v.dimensions, v.effective_from
FROM meters m JOIN LATERAL (
    SELECT * FROM meter_versions v WHERE v.tenant_id = m.tenant_id AND v.meter_id = m.id
    ORDER BY v.version DESC LIMIT 1) v ON true
WHERE m.tenant_id = :tenant
"""

_PLANS = text("""
SELECT count(DISTINCT r.plan_id) FROM price_components c
JOIN prices r ON r.tenant_id = c.tenant_id AND r.id = c.price_id
WHERE c.tenant_id = :tenant AND c.meter_id = :meter
""")

_EVENTS = text("""
SELECT count(*) FROM (
    SELECT FROM usage_events WHERE tenant_id = :tenant AND id >= :least AND occurred_at >= :since
        AND outcome = 'metered' LIMIT :most) AS stored
""")

_METERS = text(
    _COLUMNS
    + """
  AND (:archived OR m.archived_at IS NULL) AND (CAST(:after AS text) IS NULL OR m.code > :after)
ORDER BY m.code LIMIT :limit
"""
)

_METER = text(_COLUMNS + " AND (m.id = CAST(:id AS uuid) OR m.code = CAST(:code AS text))")

_VERSIONS = text("""
SELECT version, event_name, property, filters, dimensions, effective_from
FROM meter_versions WHERE tenant_id = :tenant AND meter_id = :id ORDER BY version
""")

_DEFINITIONS = text("""
SELECT m.id, m.code, m.aggregation, v.version, v.event_name, v.property, v.filters, v.dimensions, v.effective_from,
       m.archived_at
FROM meters m JOIN meter_versions v ON v.tenant_id = m.tenant_id AND v.meter_id = m.id
WHERE m.tenant_id = :tenant AND (CAST(:id AS uuid) IS NULL OR m.id = :id)
""")
