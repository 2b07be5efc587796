"""What a change in the middle of a period costs: the unused rest of what was agreed back, the rest of the new charged.

Pure. Each line is the exact amount of a whole period times an exact share, rounded once by its price's mode. All modes
treat a credit as the charge turned round, so a change and its opposite at one instant cancel to zero; a chain of n
lines is off by less than a minor unit a line (half of one for the nearest modes), and nothing is credited that was not
charged, since a later rest is never larger than an earlier one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Literal, Self

from core.billing.pricing.schemes.arithmetic import Rated, part_of
from core.billing.subscriptions.periods import Period, find_zone
from core.foundation.errors import InvalidInput

_MICROSECOND = timedelta(microseconds=1)


class Basis(StrEnum):
    """What a period is divided into: the tenant's choice."""

    SECOND = "second"
    """Exact time: a day of 23 hours counts 23 hours."""
    DAY = "day"
    """Days of the customer's calendar, all alike; the day of a change belongs to what comes after it."""


class NegativePeriod(InvalidInput):
    """A change that lies outside the period it is for, or ends before it begins."""

    code = "negative_period"
    title = "The period would end before it begins"

    @classmethod
    def outside(cls, at: datetime, period: Period) -> Self:
        """An instant that is not of the period."""
        return cls(
            "at", f"is {at.isoformat()}, but must lie from {period.start.isoformat()} to {period.end.isoformat()}"
        )


@dataclass(frozen=True, slots=True)
class ProratedLine:
    """`code` names the part of the plan; `rated` is the credit (`unused`) or the charge (`remaining`)."""

    kind: Literal["unused", "remaining"]
    code: str
    rated: Rated
    start: datetime
    end: datetime


def share(period: Period, start: datetime, end: datetime, *, basis: Basis, zone: str) -> Fraction:
    """The share of the period between two instants of it, from 0 to 1; shares of neighbours add up exactly.

    Raises NegativePeriod.
    """
    for at in (start, end):
        if not period.start <= at <= period.end:
            raise NegativePeriod.outside(at, period)
    if end < start:
        raise NegativePeriod.outside(end, Period(period.number, start, period.end))
    whole = _length(period.start, period.end, basis, zone)
    if not whole:
        # Shorter than the calendar can tell: by the clock, then.
        return share(period, start, end, basis=Basis.SECOND, zone=zone)
    return Fraction(_length(start, end, basis, zone), whole)


def change(
    before: Mapping[str, Rated],
    after: Mapping[str, Rated],
    *,
    period: Period,
    at: datetime,
    basis: Basis = Basis.SECOND,
    zone: str = "UTC",
) -> list[ProratedLine]:
    """The lines of a change at an instant: plan, quantity, add-on, up or down; what stays the same has none.

    `before` and `after` are what each part of the plan costs for a whole period, paid in advance, by code. A part that
    is only in `after` is added, one only in `before` removed. Raises NegativePeriod for an instant outside.
    """
    if not period.start <= at < period.end:
        raise NegativePeriod.outside(at, period)
    rest = share(period, at, period.end, basis=basis, zone=zone)
    changed = [code for code in dict.fromkeys((*before, *after)) if before.get(code) != after.get(code)]
    unused = [
        ProratedLine("unused", code, part_of(before[code], -rest), at, period.end) for code in changed if code in before
    ]
    remaining = [
        ProratedLine("remaining", code, part_of(after[code], rest), at, period.end) for code in changed if code in after
    ]
    return [*unused, *remaining]


def _length(start: datetime, end: datetime, basis: Basis, zone: str) -> int:
    if basis is Basis.SECOND:
        return (end - start) // _MICROSECOND
    local = find_zone(zone)
    return (end.astimezone(local).date() - start.astimezone(local).date()).days
