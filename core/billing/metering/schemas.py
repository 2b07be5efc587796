"""Usage on the wire."""

import datetime
from typing import Any, Literal
from uuid import UUID

from core.foundation.schemas import Answer, Credits, Instant

UsageOutcome = Literal["settled", "refused"]


class UsageEventAnswer(Answer):
    """A metered call. `charged` is what it cost, or for a refused one what it would have.

    A refused one was delivered and not paid: send it again with its key. `supersededBy` is then its settled event.
    """

    usage_event_id: UUID
    occurred_at: Instant
    recorded_at: Instant
    customer_id: UUID
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    charged: Credits
    currency: str
    price_book_version: int
    outcome: UsageOutcome
    transaction_id: UUID | None
    hold_id: UUID | None
    idempotency_key: str
    superseded_by: UUID | None


class UsageEventDetail(UsageEventAnswer):
    """With all that recomputes the charge: price book, counts, unit prices, the exact sum and how it was rounded."""

    arithmetic: dict[str, Any]


class ModelUsage(Answer):
    """A model's settled calls."""

    model: str
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    charged: Credits


class DayUsage(Answer):
    """A day's settled calls, in UTC."""

    date: datetime.date
    calls: int
    charged: Credits


class UsageSummary(Answer):
    """Settled calls from `from` until before `to`."""

    currency: str
    total: Credits
    calls: int
    by_model: list[ModelUsage]
    by_day: list[DayUsage]
