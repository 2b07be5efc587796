"""When what is owed is tried again, told of, and given up: pure arithmetic on the tenant's time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

RETRY_SOON = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Terms:
    """Days after the first failure on which it is tried again, the day on which it ends, and how."""

    retry_days: Sequence[int] = (3, 7, 14)
    final_days: int = 21
    final_action: str = "cancel"
    """Of what is charged by a saved card."""
    overdue_action: str = "leave"
    """Of what the customer pays by itself."""


def next_instant(terms: Terms, first_failed_at: datetime, now: datetime) -> datetime:
    """The next retry or notice after `now`, else the end."""
    for day in sorted(terms.retry_days):
        at = first_failed_at + timedelta(days=day)
        if at > now and day < terms.final_days:
            return at
    return ends_at(terms, first_failed_at)


def ends_at(terms: Terms, first_failed_at: datetime) -> datetime:
    """When it is given up."""
    return first_failed_at + timedelta(days=terms.final_days)
