"""/notification/webhooks: where a tenant is called, and what became of every call."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response

from core.billing.notifications.webhooks import repository, service
from core.billing.notifications.webhooks.calling import body_of
from core.billing.notifications.webhooks.errors import (
    DeliveryNotFound,
    TooManyWebhooks,
    WebhookAddressRefused,
    WebhookDisabled,
    WebhookNotFound,
)
from core.billing.notifications.webhooks.models import WebhookDelivery, WebhookEndpoint
from core.billing.notifications.webhooks.schemas import (
    AttemptAnswer,
    DeliveryAnswer,
    DeliveryDetail,
    NewWebhook,
    Replay,
    Replayed,
    Rotation,
    TestSent,
    WebhookAnswer,
    WebhookChange,
    WebhooksAnswer,
    WebhookWithSecret,
)
from core.billing.notifications.webhooks.spreading import TEST
from core.foundation.clock import wall_now
from core.foundation.ids import parse_id
from core.foundation.outbox import KINDS, OutboxEvent
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.foundation.schemas import Page
from core.identity.scope import Reading, Writing

router = APIRouter(prefix="/notification", tags=["notification"])

State = Annotated[str | None, Query(pattern="^(pending|delivered|failed|canceled)$")]


@router.post(
    "/webhooks",
    operation_id="create_webhook",
    status_code=201,
    responses=refusals(WebhookAddressRefused, TooManyWebhooks),
)
async def create_webhook(request: Request, scope: Writing, body: NewWebhook) -> WebhookWithSecret:
    """Have facts sent to an address, signed as Standard Webhooks says. Keep `secret`: it is shown this once."""
    settings = runtime(request).settings
    await service.check_address(settings, body.url)
    async with scope.writing() as unit:
        row, secret = await service.create_endpoint(
            unit.session,
            settings,
            tenant_id=unit.tenant_id,
            url=body.url,
            description=body.description,
            kinds=body.kinds,
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )
        return WebhookWithSecret(**_shown(row).model_dump(), secret=secret)


@router.get("/webhooks", operation_id="list_webhooks")
async def list_webhooks(scope: Reading) -> WebhooksAnswer:
    """The endpoints, oldest first."""
    async with scope.reading() as unit:
        rows = await repository.list_endpoints(unit.session, unit.tenant_id)
    return WebhooksAnswer(data=[_shown(row) for row in rows], kinds=[kind for kind in KINDS if kind != TEST])


@router.get("/webhooks/{webhook_id}", operation_id="get_webhook", responses=refusals(WebhookNotFound))
async def get_webhook(scope: Reading, webhook_id: UUID) -> WebhookAnswer:
    """One endpoint."""
    async with scope.reading() as unit:
        return _shown(await service.get_endpoint(unit.session, unit.tenant_id, webhook_id))


@router.patch(
    "/webhooks/{webhook_id}",
    operation_id="change_webhook",
    responses=refusals(WebhookNotFound, WebhookAddressRefused),
)
async def change_webhook(request: Request, scope: Writing, webhook_id: UUID, body: WebhookChange) -> WebhookAnswer:
    """Another address, other kinds; disabled (what waits is canceled), or active again: then replay what it missed."""
    changes = body.model_dump(exclude_unset=True)
    if "url" in changes:
        await service.check_address(runtime(request).settings, body.url)
    async with scope.writing() as unit:
        row = await service.change_endpoint(
            unit.session,
            tenant_id=unit.tenant_id,
            endpoint_id=webhook_id,
            changes=changes,
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )
        return _shown(row)


@router.delete(
    "/webhooks/{webhook_id}",
    operation_id="delete_webhook",
    status_code=204,
    response_class=Response,
    responses=refusals(WebhookNotFound),
)
async def delete_webhook(scope: Writing, webhook_id: UUID) -> None:
    """It gets nothing more; its log stays."""
    async with scope.writing() as unit:
        await service.delete_endpoint(
            unit.session,
            tenant_id=unit.tenant_id,
            endpoint_id=webhook_id,
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )


@router.post("/webhooks/{webhook_id}/secret", operation_id="rotate_webhook_secret", responses=refusals(WebhookNotFound))
async def rotate_webhook_secret(
    request: Request, scope: Writing, webhook_id: UUID, body: Rotation
) -> WebhookWithSecret:
    """A new secret, shown this once. For `overlapHours` calls carry a signature by the former one, too."""
    async with scope.writing() as unit:
        row, secret = await service.rotate_secret(
            unit.session,
            runtime(request).settings,
            tenant_id=unit.tenant_id,
            endpoint_id=webhook_id,
            overlap=timedelta(hours=body.overlap_hours),
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )
        return WebhookWithSecret(**_shown(row).model_dump(), secret=secret)


@router.post(
    "/webhooks/{webhook_id}/test",
    operation_id="test_webhook",
    status_code=202,
    responses=refusals(WebhookNotFound, WebhookDisabled),
)
async def test_webhook(scope: Writing, webhook_id: UUID) -> TestSent:
    """Sends a `webhook.test` there, whatever the endpoint listens to."""
    async with scope.writing() as unit:
        test_id = await service.send_test(unit.session, tenant_id=unit.tenant_id, endpoint_id=webhook_id, now=unit.now)
    return TestSent(test_id=str(test_id))


@router.post(
    "/webhooks/{webhook_id}/replay",
    operation_id="replay_webhooks",
    status_code=202,
    responses=refusals(WebhookNotFound, WebhookDisabled),
)
async def replay_webhooks(scope: Writing, webhook_id: UUID, body: Replay) -> Replayed:
    """Sends facts recorded since then (90 days at most) again: those that did not get through, or `all`; also those
    from before the endpoint was there. In order for each object, each under the `webhook-id` it had."""
    async with scope.writing() as unit:
        replayed = await service.replay_since(
            unit.session,
            tenant_id=unit.tenant_id,
            endpoint_id=webhook_id,
            since=body.since,
            undelivered_only=not body.all,
            wall=wall_now(),
        )
    return Replayed(replayed=replayed)


@router.get("/deliveries", operation_id="list_webhook_deliveries")
async def list_webhook_deliveries(
    scope: Reading,
    webhook_id: Annotated[UUID | None, Query(alias="webhookId")] = None,
    state: State = None,
    kind: Annotated[str | None, Query(max_length=60)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliveryAnswer]:
    """The log of all endpoints or of one, newest first."""
    before = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as unit:
        rows = await repository.list_deliveries(
            unit.session,
            unit.tenant_id,
            endpoint_id=webhook_id,
            state=state,
            kind=kind,
            before=before,
            limit=limit + 1,
        )
    page, last = cut(rows, limit)
    shown = [DeliveryAnswer.model_validate(_delivery(*row)) for row in page]
    return Page(data=shown, next_cursor=str(last[0].id) if last else None)


@router.get("/deliveries/{delivery_id}", operation_id="get_webhook_delivery", responses=refusals(DeliveryNotFound))
async def get_webhook_delivery(scope: Reading, delivery_id: UUID) -> DeliveryDetail:
    """One delivery: what is sent, and every call with its answer."""
    async with scope.reading() as unit:
        found = await repository.find_delivery(unit.session, unit.tenant_id, delivery_id)
        if found is None:
            raise DeliveryNotFound
        calls = await repository.list_attempts(unit.session, unit.tenant_id, delivery_id)
    return DeliveryDetail.model_validate(
        {
            **_delivery(*found),
            "body": orjson.loads(body_of(found[1])),
            "calls": [
                AttemptAnswer(
                    number=call.number,
                    attempted_at=call.attempted_at,
                    milliseconds=call.milliseconds,
                    status=call.status,
                    error=call.error,
                    answer=call.answer,
                )
                for call in calls
            ],
        }
    )


@router.post(
    "/deliveries/{delivery_id}/replay",
    operation_id="replay_webhook_delivery",
    status_code=202,
    responses=refusals(DeliveryNotFound, WebhookDisabled),
)
async def replay_webhook_delivery(scope: Writing, delivery_id: UUID) -> DeliveryAnswer:
    """Sends one delivery again, under the same `webhook-id`."""
    async with scope.writing() as unit:
        await service.replay_one(unit.session, tenant_id=unit.tenant_id, delivery_id=delivery_id)
        found = await repository.find_delivery(unit.session, unit.tenant_id, delivery_id)
        assert found is not None
        return DeliveryAnswer.model_validate(_delivery(*found))


def _shown(row: WebhookEndpoint) -> WebhookAnswer:
    return WebhookAnswer(
        webhook_id=str(row.id),
        url=row.url,
        description=row.description,
        kinds=row.kinds,
        state=row.state,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        former_secret_until=row.former_until if row.former_until and row.former_until > wall_now() else None,
        created_at=row.created_at,
    )


def _delivery(row: WebhookDelivery, event: OutboxEvent, endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "delivery_id": str(row.id),
        "webhook_id": str(row.endpoint_id),
        "url": endpoint.url,
        "event_id": str(row.event_id),
        "kind": event.kind,
        "subject_id": str(row.subject_id),
        "state": row.state,
        "attempts": row.attempts,
        "next_attempt_at": row.next_attempt_at,
        "last_status": row.last_status,
        "last_error": row.last_error,
        "occurred_at": event.occurred_at,
        "created_at": row.created_at,
        "closed_at": row.closed_at,
    }
