"""Trials: so many days of the customer's calendar, or until an instant. Pure."""

from datetime import UTC, datetime

from core.billing.subscriptions.periods import Cycle


def trial_end(
    start: datetime, *, days: int | None = None, until: datetime | None = None, zone: str = "UTC"
) -> datetime | None:
    """Where a trial begun at `start` ends and the first billed period begins; None where there is none.

    Days end at the wall time they began at, whatever the clocks did in between. An instant that is already over is no
    trial. With both, the earlier one.
    """
    ends: list[datetime] = []
    if days:
        ends.append(Cycle(start, "day", 1, zone).boundary(days))
    if until is not None:
        ends.append(until.astimezone(UTC))
    return min(ends) if ends and min(ends) > start else None
