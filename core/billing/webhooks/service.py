"""What the payment provider tells us: verified, stored once, and applied by a job exactly once."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.gateway import payment_provider
from core.billing.payments.providers.base import ProviderEvent
from core.billing.payments.providers.errors import InvalidSignature, MalformedProviderEvent
from core.billing.webhooks import repository
from core.foundation.errors import CloudBillError, Conflict, NotFound
from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.foundation.settings import Settings

WEBHOOK_EVENTS = Counter(
    "cloudbill_webhook_events_total", "Events of the payment provider, by what became of them.", ["state"]
)


class WrongMode(CloudBillError):
    """A live event at a test installation, or the reverse: it is not about our money."""

    status = 400
    code = "livemode_mismatch"
    title = "The event is of the other mode"


class EventNotFound(NotFound):
    """No such event."""

    code = "webhook_event_not_found"
    title = "No such event"


class EventNotReplayable(Conflict):
    """It was applied, or will be."""

    code = "webhook_event_not_replayable"
    title = "The event cannot be replayed"


def verify(
    settings: Settings, body: bytes, *, signature: str | None, now: datetime
) -> tuple[ProviderEvent, dict[str, Any]]:
    """The envelope and the whole of what the provider signed. Raises InvalidSignature, MalformedProviderEvent,
    WrongMode, PaymentProviderUnavailable. `now` is wall time.
    """
    try:
        envelope = payment_provider(settings).verify_envelope(body, signature=signature, now=now)
    except InvalidSignature:
        # Strangers do this, and so does a secret that was changed on one side only.
        WEBHOOK_EVENTS.labels("refused").inc()
        raise
    if envelope.is_live != settings.stripe_is_live:
        raise WrongMode("The event's mode is not that of the installation's Stripe key.")
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedProviderEvent("The event is not JSON.") from None
    return envelope, cast("dict[str, Any]", _storable(payload))


async def receive(session: AsyncSession, settings: Settings, envelope: ProviderEvent, payload: dict[str, Any]) -> None:
    """Stores the event and has it applied, in one transaction; one that is known is left alone."""
    event_id = new_id()
    stored = await repository.store(
        session,
        event_id=event_id,
        account_id=envelope.account_id or settings.stripe_account_id,
        provider_id=envelope.event_id,
        event_type=envelope.provider_type,
        payload=payload,
        created_at=envelope.created_at,
    )
    if stored:
        await defer(session, "webhooks:apply", event_id=str(event_id))
    WEBHOOK_EVENTS.labels("received" if stored else "duplicate").inc()


async def replay(session: AsyncSession, event_id: UUID) -> None:
    """Has a parked or ignored event applied again. Raises EventNotFound, EventNotReplayable."""
    state = await repository.reopen(session, event_id)
    if state is None:
        raise EventNotFound("There is no such event.")
    if state == "removed":
        raise EventNotReplayable("What it said was removed: it is too old, or the person it was about was erased.")
    if state not in ("parked", "ignored"):
        raise EventNotReplayable(f"The event is {state}. Only a parked or ignored one can be replayed.")
    await defer(session, "webhooks:apply", event_id=str(event_id))


def _storable(value: Any) -> Any:
    """The same without NUL, which no text in the database may hold."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_storable(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in cast("dict[str, Any]", value).items()}
    return value
