"""Billing periods: half-open, one after the other, always counted from the anchor. Pure.

A boundary is a wall time of the customer's zone, a number of whole intervals after the anchor's: a day that a month
lacks is its last day, and the next month is counted from the anchor again, so nothing drifts. A wall time that the
zone skips (clocks go forward) is read with the offset before the gap, as if the clocks had not changed yet: 02:30
becomes 03:30. One that occurs twice (clocks go back) is its first occurrence. Both as RFC 5545 says of recurrences.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from core.foundation.errors import InvalidInput
from core.foundation.zones import find_zone

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
INTERVALS = (*_DAYS, *_MONTHS)
MOST_COUNT = {"day": 365, "week": 52, "month": 36, "quarter": 12, "year": 10}


class CycleInvalid(InvalidInput):
    """A cycle that nobody could be billed by."""

    code = "cycle_invalid"
    title = "The billing cycle is not valid"


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to, but without, `end`."""

    number: int
    start: datetime
    end: datetime

    @property
    def is_empty(self) -> bool:
        """A day that its zone left out altogether (Samoa, 30 December 2011)."""
        return self.end <= self.start


@dataclass(frozen=True, slots=True)
class Cycle:
    """Every `count` intervals from an anchor, which begins period 0. `zone` is an IANA name.

    `day` is the day of the month aimed at where the anchor's own month was too short for it (the 31st, begun in
    February); without it the anchor's.
    """

    anchor: datetime
    interval: str
    count: int = 1
    zone: str = "UTC"
    day: int | None = None

    def __post_init__(self) -> None:
        """Refuses by name what has no periods."""
        if self.interval not in INTERVALS:
            raise CycleInvalid("interval", f"must be one of {', '.join(INTERVALS)}")
        if not 1 <= self.count <= MOST_COUNT[self.interval]:
            raise CycleInvalid("intervalCount", f"must be from 1 to {MOST_COUNT[self.interval]} of a {self.interval}")
        if self.anchor.tzinfo is None:
            raise CycleInvalid("anchor", "must have an offset from UTC")
        find_zone(self.zone)
        if self.day is not None:
            local = self.anchor.astimezone(find_zone(self.zone))
            if self.interval in _DAYS or not 1 <= self.day <= 31 or _clamped(local, self.day) != local.day:
                raise CycleInvalid("anchorDay", f"must be the day, or beyond the end of the month, of {local.date()}")

    def boundary(self, number: int) -> datetime:
        """Where period `number` begins and the one before it ends, in UTC."""
        if number == 0:
            return self.anchor.astimezone(UTC)
        local = self.anchor.astimezone(find_zone(self.zone)).replace(fold=0)
        steps = number * self.count
        if self.interval in _DAYS:
            # Arithmetic between aware times of one zone is that of their wall times.
            return (local + timedelta(days=steps * _DAYS[self.interval])).replace(fold=0).astimezone(UTC)
        month = local.month - 1 + steps * _MONTHS[self.interval]
        first = local.replace(year=local.year + month // 12, month=month % 12 + 1, day=1)
        return first.replace(day=_clamped(first, self.day or local.day)).astimezone(UTC)

    def period(self, number: int) -> Period:
        """The `number`-th period, from 0."""
        return Period(number, self.boundary(number), self.boundary(number + 1))

    def period_at(self, at: datetime) -> Period:
        """The period that `at` lies in; before the anchor its number is negative."""
        number = self._near(at)
        while self.boundary(number) > at:
            number -= 1
        while self.boundary(number + 1) <= at:
            number += 1
        return self.period(number)

    def following(self, period: Period) -> Period:
        """The next period that is not empty."""
        found = self.period(period.number + 1)
        while found.is_empty:
            found = self.period(found.number + 1)
        return found

    def _near(self, at: datetime) -> int:
        zone = find_zone(self.zone)
        local, anchor = at.astimezone(zone), self.anchor.astimezone(zone)
        if self.interval in _DAYS:
            return (local.date() - anchor.date()).days // (self.count * _DAYS[self.interval])
        months = (local.year - anchor.year) * 12 + local.month - anchor.month
        return months // (self.count * _MONTHS[self.interval])


def boundary(anchor: datetime, interval: str, number: int) -> datetime:
    """The end of the `number`-th period after the anchor (0: the anchor itself), in UTC."""
    return Cycle(anchor, interval).boundary(number)


def anniversary(start: datetime, interval: str, *, count: int = 1, zone: str = "UTC", day: int | None = None) -> Cycle:
    """A cycle from the instant of subscribing. With `day`, of months and longer, from that day of the month.

    Then the first period is the part of one that is left until that day; `period_at(start)` is the whole it is
    part of.
    """
    if day is None:
        return Cycle(start, interval, count, zone)
    if interval in _DAYS or not 1 <= day <= 31:
        raise CycleInvalid("anchorDay", "must be from 1 to 31, of cycles of months and longer")
    local = start.astimezone(find_zone(zone))
    midnight = datetime.combine(local.date(), time(), local.tzinfo)
    if _clamped(local, day) > local.day:
        midnight = (midnight.replace(day=1) - timedelta(days=1)).replace(fold=0)
    anchor = midnight.replace(day=_clamped(midnight, day), fold=0)
    return Cycle(anchor.astimezone(UTC), interval, count, zone, day if _clamped(anchor, day) < day else None)


def calendar_cycle(start: datetime, interval: str, *, count: int = 1, zone: str = "UTC") -> Cycle:
    """A cycle of calendar days, weeks (from Monday), months, quarters or years, at the zone's midnight.

    Its anchor is where the calendar's own interval began that `start` lies in; the first period billed is the part of
    it that is left.
    """
    local = start.astimezone(find_zone(zone))
    day = local.date()
    if interval == "week":
        day -= timedelta(days=day.weekday())
    elif interval in _MONTHS:
        months = _MONTHS[interval]
        day = day.replace(day=1, month=(day.month - 1) // months * months + 1)
    return Cycle(datetime.combine(day, time(), local.tzinfo).astimezone(UTC), interval, count, zone)


def _clamped(month: datetime, day: int) -> int:
    return min(day, calendar.monthrange(month.year, month.month)[1])
