"""Bodies of what the payment provider told us."""

from typing import Literal

from core.foundation.schemas import Answer, Instant


class Received(Answer):
    """The event is stored; it will be applied."""

    received: Literal[True] = True


class ProviderEventAnswer(Answer):
    """An event of the provider's. `reason` is why it was ignored, or what went wrong last."""

    event_id: str
    provider_event_id: str
    type: str
    status: str
    attempts: int
    reason: str | None
    tenant_id: str | None
    created_at: Instant
    received_at: Instant
    closed_at: Instant | None


class ProviderEventReopened(Answer):
    """The event is applied again."""

    event_id: str
    status: Literal["received"] = "received"
