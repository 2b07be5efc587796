"""From a fact to one delivery for each endpoint that listens to it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications.webhooks import repository
from core.billing.notifications.webhooks.models import WebhookEndpoint
from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.foundation.outbox import OutboxEvent

TEST = "webhook.test"


async def list_listening(session: AsyncSession, tenant_id: UUID) -> list[WebhookEndpoint]:
    """The endpoints that get anything at all."""
    return await repository.list_endpoints(session, tenant_id, state="active")


async def spread(
    session: AsyncSession,
    event: OutboxEvent,
    endpoints: Sequence[WebhookEndpoint],
    *,
    wall: datetime,
    calls: bool = True,
) -> int:
    """Makes the deliveries of a fact and has them called; how many are new."""
    made = 0
    for endpoint in endpoints:
        if not listens(endpoint, event):
            continue
        delivery_id = await repository.add_delivery(
            session,
            {
                "tenant_id": event.tenant_id,
                "id": new_id(),
                "endpoint_id": endpoint.id,
                "event_id": event.id,
                "subject_id": event.subject_id,
                "recorded_at": event.recorded_at,
                "state": "pending",
                "next_attempt_at": wall,
                "created_at": wall,
            },
        )
        if delivery_id is not None:
            made += 1
            if calls:
                await call_soon(session, event.tenant_id, delivery_id)
    return made


def listens(endpoint: WebhookEndpoint, event: OutboxEvent) -> bool:
    """A test is for the endpoint that is tested, whatever it listens to."""
    if event.kind == TEST:
        return event.subject_id == endpoint.id
    return not endpoint.kinds or event.kind in endpoint.kinds


async def call_soon(session: AsyncSession, tenant_id: UUID, delivery_id: UUID, *, at: datetime | None = None) -> None:
    """Has the endpoint called, now or at that instant of the wall clock."""
    await defer(session, "notifications:call", at=at, tenant_id=str(tenant_id), delivery_id=str(delivery_id))
