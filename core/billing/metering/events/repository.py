"""Metered events as they are shown: every SELECT of single events and their trail."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession


async def list_events(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    customer_id: UUID | None,
    event_name: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Metered events, the last that came in first."""
    where = {
        "tenant": tenant_id,
        "id": None,
        "customer": customer_id,
        "name": event_name,
        "before": before,
        "limit": limit,
    }
    return (await session.execute(_EVENTS, where)).all()


async def find_event(session: AsyncSession, tenant_id: UUID, event_id: UUID) -> Row[Any] | None:
    """A metered event, whether it counts, and the backfill that brought it."""
    where = {"tenant": tenant_id, "id": event_id, "customer": None, "name": None, "before": None, "limit": 1}
    return (await session.execute(_EVENTS, where)).one_or_none()


async def list_corrections(session: AsyncSession, tenant_id: UUID, event_id: UUID) -> Sequence[RowMapping]:
    """What was said of an event, in order."""
    return (await session.execute(_CORRECTIONS, {"tenant": tenant_id, "id": event_id})).mappings().all()


_EVENTS = text("""
SELECT e.id, e.idempotency_key, e.event_name, e.customer_id, e.occurred_at, e.recorded_at, e.quantity, e.properties,
       e.properties::text AS properties_text,
       coalesce((SELECT c.kind = 'restore' FROM usage_corrections c
                 WHERE c.tenant_id = e.tenant_id AND c.event_id = e.id ORDER BY c.id DESC LIMIT 1), true) AS counts,
       (SELECT b.backfill_id FROM usage_backfill_events b
        WHERE b.tenant_id = e.tenant_id AND b.event_id = e.id) AS backfill_id
FROM usage_events e
WHERE e.tenant_id = :tenant AND e.outcome = 'metered'
  AND (CAST(:id AS uuid) IS NULL OR e.id = :id)
  AND (CAST(:before AS uuid) IS NULL OR e.id < :before)
  AND (CAST(:customer AS uuid) IS NULL OR e.customer_id = :customer)
  AND (CAST(:name AS text) IS NULL OR e.event_name = :name)
ORDER BY e.id DESC LIMIT :limit
""")

_CORRECTIONS = text("""
SELECT id AS correction_id, kind, replacement_id, backfill_id, reason, corrected_by, occurred_at, recorded_at
FROM usage_corrections WHERE tenant_id = :tenant AND event_id = :id ORDER BY id
""")
