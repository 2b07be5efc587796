"""Bodies of /notification/webhooks."""

from typing import Annotated, Any, Literal

from pydantic import Field

from core.foundation.schemas import Answer, Body, Instant, InstantInput, StrictBoolean, StrictInteger, Text

Url = Annotated[Text, Field(min_length=1, max_length=2000, examples=["https://example.com/hooks"])]
Description = Annotated[Text, Field(max_length=200)]
KindsField = Annotated[list[Annotated[Text, Field(max_length=60)]], Field(max_length=60)]


class NewWebhook(Body):
    """An endpoint; without `kinds` it is told of everything."""

    url: Url
    description: Description | None = None
    kinds: KindsField = []


class WebhookChange(Body):
    """What is given is changed."""

    url: Url = ""
    description: Description | None = None
    kinds: KindsField = []
    state: Literal["active", "disabled"] = "active"


class Rotation(Body):
    """How long calls are signed with the former secret, too."""

    overlap_hours: Annotated[StrictInteger, Field(ge=0, le=168)] = 24


class Replay(Body):
    """Facts recorded since then; `all`: those that were delivered, too."""

    since: InstantInput
    all: StrictBoolean = False


class WebhookAnswer(Answer):
    """An endpoint. `failingSince`: nothing has worked since then."""

    webhook_id: str
    url: str
    description: str | None
    kinds: list[str]
    state: str
    disabled_reason: str | None
    failing_since: Instant | None
    former_secret_until: Instant | None
    created_at: Instant


class WebhookWithSecret(WebhookAnswer):
    """`secret` is shown this once."""

    secret: str


class WebhooksAnswer(Answer):
    """All endpoints of the tenant, and the kinds of facts that there are."""

    data: list[WebhookAnswer]
    kinds: list[str]


class TestSent(Answer):
    """A `webhook.test` is on its way."""

    test_id: str


class Replayed(Answer):
    """How many deliveries go out again, or for the first time."""

    replayed: int


class DeliveryAnswer(Answer):
    """A fact on its way to an endpoint. `eventId` is the `webhook-id` of every call."""

    delivery_id: str
    webhook_id: str
    url: str
    event_id: str
    kind: str
    subject_id: str
    state: str
    attempts: int
    next_attempt_at: Instant | None
    last_status: int | None
    last_error: str | None
    occurred_at: Instant
    created_at: Instant
    closed_at: Instant | None


class AttemptAnswer(Answer):
    """A call; `answer` is the first part of what came back."""

    number: int
    attempted_at: Instant
    milliseconds: int
    status: int | None
    error: str | None
    answer: str | None


class DeliveryDetail(DeliveryAnswer):
    """With the body that is sent and every call."""

    body: dict[str, Any]
    calls: list[AttemptAnswer]
