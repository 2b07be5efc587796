"""Usage as it is asked for."""

from typing import Any
from uuid import UUID

from core.foundation.schemas import Answer, Instant


class UsageLine(Answer):
    """One group in one interval; `start` and `end` are those of the interval, or of the whole period."""

    start: Instant
    end: Instant
    dimensions: dict[str, Any]
    quantity: str
    events: int


class UsageAnswer(Answer):
    """What a meter counted of a customer from `start` until before `end`: in all, and by what was asked for."""

    meter: str
    aggregation: str
    customer_id: UUID
    start: Instant
    end: Instant
    quantity: str
    events: int
    lines: list[UsageLine]


class CustomerUsage(Answer):
    """What a meter counted of one customer."""

    customer_id: UUID
    quantity: str
    events: int
