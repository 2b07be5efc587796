"""POST /webhooks/stripe, and what became of each event."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request

from core.billing.payments.errors import PaymentProviderUnavailable
from core.billing.payments.providers.errors import InvalidSignature, MalformedProviderEvent
from core.billing.webhooks import repository, service
from core.billing.webhooks.schemas import ProviderEventAnswer, ProviderEventReopened, Received
from core.foundation.clock import wall_now
from core.foundation.ids import parse_id
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.foundation.schemas import Page
from core.identity.scope import Installation

router = APIRouter(tags=["payments"])

State = Annotated[str | None, Query(alias="state", pattern="^(received|applied|ignored|parked)$")]


@router.post(
    "/webhooks/stripe",
    summary="Stripe's events",
    # Read raw, since the signature is over the bytes: the framework does not see the body.
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    },
    operation_id="receive_stripe_event",
    responses=refusals(InvalidSignature, service.WrongMode, MalformedProviderEvent, PaymentProviderUnavailable),
)
async def receive_stripe_event(
    request: Request, signature: Annotated[str | None, Header(alias="Stripe-Signature")] = None
) -> Received:
    """Signed by Stripe over the raw body. Answered once it is stored; a job applies it."""
    held = runtime(request)
    body = await request.body()
    envelope, payload = service.verify(held.settings, body, signature=signature, now=wall_now())
    async with held.database.nobody() as session:
        await service.receive(session, held.settings, envelope, payload)
    return Received()


@router.get(
    "/payment/webhook-events",
    operation_id="list_webhook_events",
    summary="What the payment provider told us, newest first",
)
async def list_webhook_events(
    scope: Installation,
    state: State = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Page[ProviderEventAnswer]:
    before = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as session:
        found = await repository.list_events(session, state=state, before=before, limit=limit)
    shown = [
        ProviderEventAnswer(
            event_id=str(row.id),
            provider_event_id=row.provider_id,
            type=row.type,
            status=row.state,
            attempts=row.attempts,
            reason=row.last_error,
            tenant_id=row.slug,
            created_at=row.provider_created_at,
            received_at=row.received_at,
            closed_at=row.closed_at,
        )
        for row in found[:limit]
    ]
    return Page(data=shown, next_cursor=shown[-1].event_id if len(found) > limit else None)


@router.post(
    "/payment/webhook-events/{event_id}/replay",
    summary="Apply a parked or ignored event again",
    operation_id="replay_webhook_event",
    responses=refusals(service.EventNotFound, service.EventNotReplayable),
)
async def replay_webhook_event(scope: Installation, event_id: UUID) -> ProviderEventReopened:
    async with scope.database.nobody() as session:
        await service.replay(session, event_id)
    return ProviderEventReopened(event_id=str(event_id))
