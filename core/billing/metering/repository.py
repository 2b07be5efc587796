"""Usage events: every SELECT of the metering room."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def list_events(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    outcome: str | None,
    customer_id: UUID | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Events, newest first. Of the refused ones only those that are still unpaid, when they are asked for."""
    occurred_at, event_id = before or (None, None)
    where = {
        "tenant": tenant_id,
        "outcome": outcome,
        "customer": customer_id,
        "at": occurred_at,
        "id": event_id,
        "limit": limit,
    }
    return (await session.execute(_EVENTS, where)).all()


async def find_event(session: AsyncSession, tenant_id: UUID, event_id: UUID) -> Row[Any] | None:
    """An event with its arithmetic."""
    return (await session.execute(_EVENT, {"tenant": tenant_id, "id": event_id})).one_or_none()


async def sum_by_model(
    session: AsyncSession, tenant_id: UUID, *, since: datetime, until: datetime
) -> Sequence[Row[Any]]:
    """model, calls, input_tokens, cached_tokens, output_tokens, amount_micro; the dearest first."""
    return (await session.execute(_BY_MODEL, {"tenant": tenant_id, "since": since, "until": until})).all()


async def sum_by_day(session: AsyncSession, tenant_id: UUID, *, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """day, calls, amount_micro."""
    return (await session.execute(_BY_DAY, {"tenant": tenant_id, "since": since, "until": until})).all()


async def get_currency(session: AsyncSession, tenant_id: UUID) -> str:
    """What the tenant is charged in."""
    return (await session.execute(_CURRENCY, {"tenant": tenant_id})).scalar_one()


_COLUMNS = """
SELECT e.id, e.occurred_at, e.recorded_at, e.customer_id, e.model, e.input_tokens, e.cached_tokens, e.output_tokens,
       e.amount_micro, e.currency, e.price_book_version, e.outcome, e.transaction_id, e.hold_id, e.idempotency_key,
       CASE WHEN e.outcome = 'refused' AND k.event_id <> e.id THEN k.event_id END AS superseded_by, e.arithmetic
FROM usage_events e
LEFT JOIN usage_keys k ON k.tenant_id = e.tenant_id AND k.key = e.idempotency_key AND e.outcome = 'refused'
WHERE e.tenant_id = :tenant AND e.outcome <> 'metered'
"""

_EVENTS = text(
    _COLUMNS
    + """
  AND (CAST(:at AS timestamptz) IS NULL OR (e.occurred_at, e.id) < (:at, CAST(:id AS uuid)))
  AND (CAST(:outcome AS text) IS NULL OR e.outcome = :outcome)
  AND (CAST(:outcome AS text) IS DISTINCT FROM 'refused' OR k.transaction_id IS NULL)
  AND (CAST(:customer AS uuid) IS NULL OR e.customer_id = :customer)
ORDER BY e.occurred_at DESC, e.id DESC LIMIT :limit
"""
)

_EVENT = text(_COLUMNS + " AND e.id = :id")

_SETTLED = """
FROM usage_events
WHERE tenant_id = :tenant AND outcome = 'settled' AND occurred_at >= :since AND occurred_at < :until
"""

_BY_MODEL = text(
    """
SELECT model, count(*) AS calls, sum(input_tokens)::bigint AS input_tokens, sum(cached_tokens)::bigint AS cached_tokens,
       sum(output_tokens)::bigint AS output_tokens, sum(amount_micro)::bigint AS amount_micro
"""
    + _SETTLED
    + "GROUP BY model ORDER BY amount_micro DESC, model"
)

_BY_DAY = text(
    """
SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, count(*) AS calls, sum(amount_micro)::bigint AS amount_micro
"""
    + _SETTLED
    + "GROUP BY day ORDER BY day"
)

_CURRENCY = text("SELECT currency FROM tenants WHERE id = :tenant")
