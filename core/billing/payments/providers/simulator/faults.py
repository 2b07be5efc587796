"""Answers that go wrong on request: refused, slow, or lost after the work was done."""

from pydantic import BaseModel, ConfigDict, Field

from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.store import Store

_CONTROL = "fault"
_KINDS = {429: "invalid_request_error"}


class Fault(BaseModel):
    """What befalls the next `count` requests: `status` instead of the answer (None: the true one), before or, where
    `executed`, after the work; `latency_seconds` later (its idempotency key counts as in use meanwhile)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(1, ge=0)
    status: int | None = Field(None, ge=400, le=599)
    executed: bool = True
    latency_seconds: float = Field(0.0, ge=0, le=600)


def plan(store: Store, fault: Fault | None) -> None:
    """Replaces what was planned before; None ends it."""
    store.write_control(_CONTROL, fault.model_dump() if fault else None)


def take(store: Store) -> Fault | None:
    """The fault for this request, counted down."""
    planned = store.read_control(_CONTROL)
    if not planned:
        return None
    fault = Fault.model_validate(planned)
    plan(store, fault.model_copy(update={"count": fault.count - 1}) if fault.count > 1 else None)
    return fault


def refusal(fault: Fault) -> Refusal:
    """The error that the client sees."""
    status = fault.status or 500
    return Refusal(
        "Too many requests hit the API too quickly." if status == 429 else "An unknown error occurred",
        status=status,
        kind=_KINDS.get(status, "api_error"),
        code="rate_limit" if status == 429 else None,
    )
