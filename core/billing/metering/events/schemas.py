"""Metered events on the wire."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, WithJsonSchema

from core.foundation.fields import named
from core.foundation.schemas import Answer, Body, Instant

_EVENT: dict[str, Any] = {
    "description": "An event. One that is not as described here is refused by itself, and harms no other.",
    "examples": [
        {
            "idempotencyKey": "request-4711",
            "eventName": "api_call",
            "externalId": "customer-17",
            "occurredAt": "2026-11-21T12:00:00Z",
            "properties": {"region": "eu", "bytes": 1200},
        }
    ],
    "x-members": {
        "idempotencyKey": "required; 1 to 200 characters; once for ever in the tenant, with reconciled calls",
        "eventName": "required; 1 to 100 characters; one that no meter counts is kept",
        "customerId": "our id of the customer",
        "externalId": "the tenant's own id of the customer, made at first use; the tenant itself without either",
        "occurredAt": "an instant with its offset; the tenant's now when left out",
        "quantity": "what meters without a property add up; a number or a decimal text, 0 or more",
        "properties": "up to 50 texts (1,000 characters), numbers, booleans and nulls; 8,000 bytes in all",
    },
}


class EventBatch(Body):
    """1 to 1,000 events."""

    events: Annotated[
        list[Any],
        Field(min_length=1, max_length=1_000),
        WithJsonSchema({"type": "array", "minItems": 1, "maxItems": 1_000, "items": _EVENT}),
        named("usage_batch_size"),
    ]


class EventResult(Answer):
    """What became of one event. `meters` is how many meters count it; `code` and `detail` say why it was refused."""

    index: int
    idempotency_key: str | None
    status: Literal["accepted", "duplicate", "refused"]
    usage_event_id: UUID | None = None
    meters: int | None = None
    code: str | None = None
    detail: str | None = None


class BatchAnswer(Answer):
    """What became of each event, in the order in which they were sent."""

    accepted: int
    duplicates: int
    refused: int
    data: list[EventResult]


class CorrectionAnswer(Answer):
    """A line of an event's trail: who said what of it, why and when."""

    correction_id: UUID
    kind: Literal["void", "replace", "restore"]
    replacement_id: UUID | None
    backfill_id: UUID | None
    reason: str
    corrected_by: UUID
    occurred_at: Instant
    recorded_at: Instant


class MeteredEvent(Answer):
    """A metered event as it was sent. `counts` is false once it was voided or replaced."""

    usage_event_id: UUID
    idempotency_key: str
    event_name: str
    customer_id: UUID
    occurred_at: Instant
    recorded_at: Instant
    quantity: str | None
    properties: dict[str, Any]
    counts: bool


class MeteredEventDetail(MeteredEvent):
    """With its trail, and the backfill that brought it."""

    backfill_id: UUID | None
    corrections: list[CorrectionAnswer]
