"""Every SELECT on endpoints, deliveries and calls."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from core.foundation.outbox import OutboxEvent


async def list_endpoints(session: AsyncSession, tenant_id: UUID, *, state: str | None = None) -> list[WebhookEndpoint]:
    """The tenant's endpoints, oldest first; deleted ones are left out."""
    statement = select(WebhookEndpoint).where(
        WebhookEndpoint.tenant_id == tenant_id,
        WebhookEndpoint.state == state if state else WebhookEndpoint.state != "deleted",
    )
    return list(await session.scalars(statement.order_by(WebhookEndpoint.id)))


async def find_endpoint(
    session: AsyncSession, tenant_id: UUID, endpoint_id: UUID, *, locked: bool = False
) -> WebhookEndpoint | None:
    """An endpoint that is not deleted."""
    statement = select(WebhookEndpoint).where(
        WebhookEndpoint.tenant_id == tenant_id, WebhookEndpoint.id == endpoint_id, WebhookEndpoint.state != "deleted"
    )
    return (await session.scalars(statement.with_for_update() if locked else statement)).one_or_none()


async def add_delivery(session: AsyncSession, values: dict[str, Any]) -> UUID | None:
    """The delivery's id; None where the endpoint has one of this fact."""
    statement = insert(WebhookDelivery).values(values).on_conflict_do_nothing().returning(WebhookDelivery.id)
    return (await session.execute(statement)).scalar_one_or_none()


async def find_delivery(
    session: AsyncSession, tenant_id: UUID, delivery_id: UUID, *, locked: bool = False
) -> tuple[WebhookDelivery, OutboxEvent, WebhookEndpoint] | None:
    """A delivery, its fact and its endpoint."""
    statement = _joined().where(WebhookDelivery.tenant_id == tenant_id, WebhookDelivery.id == delivery_id)
    if locked:
        statement = statement.with_for_update(of=WebhookDelivery)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


async def list_deliveries(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    endpoint_id: UUID | None,
    state: str | None,
    kind: str | None,
    before: UUID | None,
    limit: int,
) -> list[tuple[WebhookDelivery, OutboxEvent, WebhookEndpoint]]:
    """The log, newest first."""
    statement = _joined().where(WebhookDelivery.tenant_id == tenant_id)
    for column, wanted in (
        (WebhookDelivery.endpoint_id, endpoint_id),
        (WebhookDelivery.state, state),
        (OutboxEvent.kind, kind),
    ):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if before is not None:
        statement = statement.where(WebhookDelivery.id < before)
    rows = await session.execute(statement.order_by(WebhookDelivery.id.desc()).limit(limit))
    return [(row[0], row[1], row[2]) for row in rows]


async def first_pending(
    session: AsyncSession, tenant_id: UUID, *, endpoint_id: UUID, subject_id: UUID
) -> WebhookDelivery | None:
    """The delivery of an object whose turn it is."""
    statement = (
        select(WebhookDelivery)
        .where(
            WebhookDelivery.tenant_id == tenant_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.subject_id == subject_id,
            WebhookDelivery.state == "pending",
        )
        .order_by(WebhookDelivery.recorded_at, WebhookDelivery.event_id)
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def list_heads(session: AsyncSession, tenant_id: UUID, endpoint_id: UUID) -> list[UUID]:
    """Of every object with deliveries that wait, the one whose turn it is."""
    statement = (
        select(WebhookDelivery.id)
        .ext(distinct_on(WebhookDelivery.subject_id))
        .where(
            WebhookDelivery.tenant_id == tenant_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.state == "pending",
        )
        .order_by(WebhookDelivery.subject_id, WebhookDelivery.recorded_at, WebhookDelivery.event_id)
    )
    return list(await session.scalars(statement))


_OVERDUE = text(
    """
    SELECT d.tenant_id, d.id FROM webhook_deliveries d
    JOIN webhook_endpoints e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id AND e.state = 'active'
    WHERE d.state = 'pending' AND d.next_attempt_at < :before
      AND NOT EXISTS (SELECT FROM webhook_deliveries f
                      WHERE f.tenant_id = d.tenant_id AND f.endpoint_id = d.endpoint_id
                        AND f.subject_id = d.subject_id AND f.state = 'pending'
                        AND (f.recorded_at, f.event_id) < (d.recorded_at, d.event_id))
      AND NOT EXISTS (SELECT FROM procrastinate_jobs j
                      WHERE j.task_name = 'notifications:call' AND j.status IN ('todo', 'doing')
                        AND j.args ->> 'delivery_id' = d.id::text)
    LIMIT 500
    """
)


async def list_overdue(session: AsyncSession, *, before: datetime) -> Sequence[Row[Any]]:
    """tenant_id, id of deliveries whose turn it is and that no job calls. Across tenants, as the operator."""
    return (await session.execute(_OVERDUE, {"before": before})).all()


async def cancel_pending(session: AsyncSession, tenant_id: UUID, endpoint_id: UUID, *, at: datetime) -> None:
    """What waits for an endpoint that gets nothing any more; a replay may fetch it later."""
    await session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.tenant_id == tenant_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.state == "pending",
        )
        .values(state="canceled", closed_at=at, next_attempt_at=None)
        .execution_options(synchronize_session=False)
    )


async def list_facts_since(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    kinds: Sequence[str],
    since: datetime,
    after: tuple[datetime, UUID] | None,
) -> list[OutboxEvent]:
    """Facts recorded since then that an endpoint would be told of, a thousand at a time, in their order."""
    statement = (
        select(OutboxEvent)
        .where(
            OutboxEvent.tenant_id == tenant_id,
            OutboxEvent.spread_at.is_not(None),
            OutboxEvent.recorded_at >= since,
            OutboxEvent.kind != "webhook.test",
        )
        .order_by(OutboxEvent.recorded_at, OutboxEvent.id)
        .limit(1000)
    )
    if kinds:
        statement = statement.where(OutboxEvent.kind.in_(kinds))
    if after is not None:
        statement = statement.where(tuple_(OutboxEvent.recorded_at, OutboxEvent.id) > after)
    return list(await session.scalars(statement))


async def reopen(
    session: AsyncSession, tenant_id: UUID, endpoint_id: UUID, event_ids: Sequence[UUID], *, undelivered_only: bool
) -> int:
    """Deliveries that are closed wait again with all their attempts; how many."""
    states = ("failed", "canceled") if undelivered_only else ("failed", "canceled", "delivered")
    result = await session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.tenant_id == tenant_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.event_id.in_(event_ids),
            WebhookDelivery.state.in_(states),
        )
        .values(state="pending", failures=0, closed_at=None, next_attempt_at=None)
        .returning(WebhookDelivery.id)
        .execution_options(synchronize_session=False)
    )
    return len(result.all())


async def list_attempts(session: AsyncSession, tenant_id: UUID, delivery_id: UUID) -> list[WebhookAttempt]:
    """The calls of a delivery, oldest first."""
    statement = (
        select(WebhookAttempt)
        .where(WebhookAttempt.tenant_id == tenant_id, WebhookAttempt.delivery_id == delivery_id)
        .order_by(WebhookAttempt.number)
    )
    return list(await session.scalars(statement))


async def count_endpoints(session: AsyncSession, tenant_id: UUID) -> int:
    """How many endpoints the tenant has."""
    statement = select(func.count()).where(WebhookEndpoint.tenant_id == tenant_id, WebhookEndpoint.state != "deleted")
    return await session.scalar(statement) or 0


def _joined() -> Select[WebhookDelivery, OutboxEvent, WebhookEndpoint]:
    return (
        select(WebhookDelivery, OutboxEvent, WebhookEndpoint)
        .join(
            OutboxEvent,
            and_(OutboxEvent.tenant_id == WebhookDelivery.tenant_id, OutboxEvent.id == WebhookDelivery.event_id),
        )
        .join(
            WebhookEndpoint,
            and_(
                WebhookEndpoint.tenant_id == WebhookDelivery.tenant_id,
                WebhookEndpoint.id == WebhookDelivery.endpoint_id,
            ),
        )
    )
