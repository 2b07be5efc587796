"""Amendments and backfills on the wire."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, WithJsonSchema, model_validator

from core.foundation.schemas import Answer, Body, Instant, Text

Reason = Annotated[Text, Field(min_length=3, max_length=500)]


class Amendment(Body):
    """What is said of an event, and why.

    `void`: it does not count. `replace`: another counts instead, made of what `replacement` gives and of the event for
    the rest. `restore`: it was voided and counts again.
    """

    kind: Literal["void", "replace", "restore"]
    reason: Reason
    replacement: Annotated[
        dict[str, Any] | None,
        Field(description="Members of an event (POST /billing/usage/events); `idempotencyKey` is needed."),
    ] = None

    @model_validator(mode="after")
    def _replacement_fits(self) -> Self:
        if (self.kind == "replace") != (self.replacement is not None):
            raise ValueError("replacement must be given for the kind replace, and for no other")
        return self


class NewBackfill(Body):
    """Late events, however old, with the reason why they come in now: all of them are taken, or none."""

    reason: Reason
    events: Annotated[
        list[Any],
        Field(min_length=1, max_length=5_000),
        WithJsonSchema(
            {
                "type": "array",
                "minItems": 1,
                "maxItems": 5_000,
                "items": {"description": "An event as of POST /billing/usage/events."},
            }
        ),
    ]


class Reverting(Body):
    """Why a backfill is taken back."""

    reason: Reason


class UsageChange(Answer):
    """What a meter counts of a customer in a month (UTC), before and after. `customerId` is null for a new customer
    in a preview, which makes none."""

    customer_id: UUID | None
    external_id: str | None = None
    meter: str
    start: Instant
    end: Instant
    before: str
    after: str


class BackfillAnswer(Answer):
    """A backfill and what it changed when it was applied. `backfillId` is null in a preview."""

    backfill_id: UUID | None
    status: Literal["previewed", "applied", "reverted"]
    reason: str
    events: int
    duplicates: int = 0
    changes: list[UsageChange]
    created_by: UUID
    occurred_at: Instant
    reverted_at: Instant | None = None
    reverted_by: UUID | None = None
    revert_reason: str | None = None
    replayed: bool = False


class AmendmentAnswer(Answer):
    """The line that was added to the event's trail."""

    usage_event_id: UUID
    kind: Literal["void", "replace", "restore"]
    correction_id: UUID
    replacement_id: UUID | None
    counts: bool
    replayed: bool = False
