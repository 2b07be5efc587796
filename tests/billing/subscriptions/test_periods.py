"""A period ends on the anchor's day, or on the last day of a month that has no such day."""

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.subscriptions.periods import INTERVALS, Cycle, anniversary, boundary, calendar_cycle, find_zone
from core.foundation.errors import InvalidInput


@pytest.mark.parametrize(
    ("anchor", "interval", "number", "expected"),
    [
        ("2026-01-31", "month", 1, "2026-02-28"),
        ("2026-01-31", "month", 2, "2026-03-31"),
        ("2026-01-31", "month", 3, "2026-04-30"),
        ("2028-01-31", "month", 1, "2028-02-29"),
        ("2026-12-15", "month", 1, "2027-01-15"),
        ("2026-11-30", "month", 3, "2027-02-28"),
        ("2028-02-29", "year", 1, "2029-02-28"),
        ("2028-02-29", "year", 4, "2032-02-29"),
        ("2026-05-05", "month", 0, "2026-05-05"),
    ],
)
def test_month_ends(anchor: str, interval: str, number: int, expected: str) -> None:
    at = datetime.fromisoformat(f"{anchor}T12:30:15.000001+00:00")
    assert boundary(at, interval, number) == datetime.fromisoformat(f"{expected}T12:30:15.000001+00:00")


@given(st.integers(0, 7_000_000_000), st.integers(0, 240))
def test_periods_follow_each_other(seconds: int, number: int) -> None:
    anchor = datetime.fromtimestamp(seconds, tz=UTC)
    start, end = boundary(anchor, "month", number), boundary(anchor, "month", number + 1)
    assert 28 <= (end - start).days <= 31
    assert boundary(anchor, "month", 12 * number) == boundary(anchor, "year", number)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("anchor", "interval", "count", "zone", "starts"),
    [
        # The 31st in Berlin: midnight is 23:00 UTC in winter, 22:00 in summer.
        ("2026-01-30T23:00", "month", 1, "Europe/Berlin", ["2026-02-27T23:00", "2026-03-30T22:00", "2026-04-29T22:00"]),
        # New York goes forward on 8 March 2026: 02:30 does not exist and is 03:30 (UTC-4).
        ("2026-03-07T07:30", "day", 1, "America/New_York", ["2026-03-08T07:30", "2026-03-09T06:30"]),
        # It goes back on 1 November: 01:30 occurs twice, the first counts (UTC-4).
        ("2026-10-31T05:30", "day", 1, "America/New_York", ["2026-11-01T05:30", "2026-11-02T06:30"]),
        # Beirut's midnight of 29 March 2026 does not exist: the day begins at 01:00 (UTC+3).
        ("2026-03-27T22:00", "day", 1, "Asia/Beirut", ["2026-03-28T22:00", "2026-03-29T21:00"]),
        ("2026-01-05T00:00", "week", 2, "UTC", ["2026-01-19T00:00", "2026-02-02T00:00"]),
        ("2025-11-30T00:00", "quarter", 1, "UTC", ["2026-02-28T00:00", "2026-05-30T00:00", "2026-08-30T00:00"]),
        ("2026-02-28T00:00", "year", 1, "UTC", ["2027-02-28T00:00", "2028-02-28T00:00"]),
        ("2027-02-28T00:00", "year", 1, "UTC", ["2028-02-28T00:00"]),
        ("2024-02-29T00:00", "year", 2, "UTC", ["2026-02-28T00:00", "2028-02-29T00:00"]),
        ("2026-01-31T00:00", "month", 3, "UTC", ["2026-04-30T00:00", "2026-07-31T00:00"]),
        ("2028-02-29T00:00", "month", 12, "UTC", ["2029-02-28T00:00", "2030-02-28T00:00"]),
        # Sydney is ahead of UTC: the 1st there begins on the last day before in UTC; summer time ends on 5 April.
        ("2026-02-28T13:00", "month", 1, "Australia/Sydney", ["2026-03-31T13:00", "2026-04-30T14:00"]),
    ],
)  # fmt: skip
def test_cycles_in_the_customers_zone(anchor: str, interval: str, count: int, zone: str, starts: list[str]) -> None:
    cycle = Cycle(utc(anchor), interval, count, zone)
    assert [cycle.boundary(number) for number in range(len(starts) + 1)] == [utc(anchor), *map(utc, starts)]


def test_an_anchor_at_the_second_half_past_one_stays_there_and_later_ones_are_the_first() -> None:
    cycle = Cycle(utc("2026-11-01T06:30"), "year", zone="America/New_York")
    assert cycle.boundary(0) == utc("2026-11-01T06:30")
    assert Cycle(utc("2026-10-01T05:30"), "month", zone="America/New_York").boundary(1) == utc("2026-11-01T05:30")


def test_a_day_that_samoa_left_out_is_passed_over() -> None:
    cycle = Cycle(utc("2011-12-28T20:00"), "day", zone="Pacific/Apia")
    assert cycle.period(1).is_empty is False
    first = cycle.period_at(utc("2011-12-29T21:00"))
    assert (first.start, first.end) == (utc("2011-12-29T20:00"), utc("2011-12-30T20:00"))
    following = cycle.following(first)
    assert (following.start, following.end) == (utc("2011-12-30T20:00"), utc("2011-12-31T20:00"))
    assert following.number == first.number + 2


@pytest.mark.parametrize(
    ("start", "interval", "zone", "anchor", "end"),
    [
        ("2026-02-15T12:00", "month", "UTC", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("2026-02-28T23:30", "month", "Europe/Berlin", "2026-02-28T23:00", "2026-03-31T22:00"),
        ("2026-05-20T12:00", "quarter", "UTC", "2026-04-01T00:00", "2026-07-01T00:00"),
        ("2026-05-20T12:00", "year", "Asia/Tokyo", "2025-12-31T15:00", "2026-12-31T15:00"),
        ("2026-11-22T12:00", "week", "UTC", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("2026-03-29T12:00", "day", "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T22:00"),
    ],
)
def test_calendar_cycles_begin_with_the_calendar(start: str, interval: str, zone: str, anchor: str, end: str) -> None:
    cycle = calendar_cycle(utc(start), interval, zone=zone)
    found = cycle.period_at(utc(start))
    assert (found.number, found.start, found.end) == (0, utc(anchor), utc(end))


@pytest.mark.parametrize(
    ("start", "day", "first", "then"),
    [
        ("2026-02-10T12:00", 31, "2026-02-28T00:00", "2026-03-31T00:00"),
        ("2026-02-28T12:00", 31, "2026-03-31T00:00", "2026-04-30T00:00"),
        ("2026-01-31T00:00", 31, "2026-02-28T00:00", "2026-03-31T00:00"),
        ("2026-03-30T12:00", 30, "2026-04-30T00:00", "2026-05-30T00:00"),
        ("2026-03-15T12:00", 30, "2026-03-30T00:00", "2026-04-30T00:00"),
        ("2028-02-15T12:00", 29, "2028-02-29T00:00", "2028-03-29T00:00"),
        ("2026-03-15T12:00", 1, "2026-04-01T00:00", "2026-05-01T00:00"),
    ],
)
def test_an_anchor_day_that_the_month_lacks_comes_back(start: str, day: int, first: str, then: str) -> None:
    cycle = anniversary(utc(start), "month", day=day)
    period = cycle.period_at(utc(start))
    assert (period.end, cycle.following(period).end) == (utc(first), utc(then))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"interval": "fortnight"}, "cycle_invalid"),
        ({"count": 0}, "cycle_invalid"),
        ({"count": -1}, "cycle_invalid"),
        ({"count": 37}, "cycle_invalid"),
        ({"day": 30}, "cycle_invalid"),
        ({"day": 32}, "cycle_invalid"),
        ({"interval": "week", "day": 15}, "cycle_invalid"),
        ({"anchor": datetime(2026, 1, 15)}, "cycle_invalid"),  # noqa: DTZ001
        ({"zone": "Mars/Olympus"}, "time_zone_unknown"),
        ({"zone": "../../etc/passwd"}, "time_zone_unknown"),
        ({"zone": "America"}, "time_zone_unknown"),
        ({"zone": "localtime"}, "time_zone_unknown"),
    ],
)
def test_cycles_that_are_none_are_refused_by_name(arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Cycle(**{"anchor": utc("2026-01-15T00:00"), "interval": "month", **arguments})
    assert refused.value.code == code


ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Beirut",
]
cycles = st.builds(
    Cycle,
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(INTERVALS),
    st.integers(1, 10),
    st.sampled_from(ZONES),
)


# 150 decades before 1990 are still years that there were.
@given(cycles, st.integers(-150, 300), st.integers(0, 10**6))
def test_every_instant_lies_in_one_period_and_the_next_begins_where_it_ends(
    cycle: Cycle, number: int, millionth: int
) -> None:
    before, period, after = (cycle.period(number + step) for step in (-1, 0, 1))
    assert (before.end, period.end) == (period.start, after.start)
    assert period.end >= period.start
    if not period.is_empty:
        # Rounded down once, so that it is never the end.
        microseconds = (period.end - period.start) // timedelta(microseconds=1)
        inside = period.start + timedelta(microseconds=microseconds * millionth // (10**6 + 1))
        assert cycle.period_at(inside) == period
        assert cycle.period_at(period.start) == period
        assert cycle.period_at(period.end).start == period.end


@given(cycles, st.integers(1, 200))
def test_periods_never_drift_from_the_anchors_wall_time(cycle: Cycle, number: int) -> None:
    zone = find_zone(cycle.zone)
    anchor, at = (cycle.boundary(step).astimezone(zone) for step in (0, number))
    ideal = at.replace(hour=anchor.hour, minute=anchor.minute, second=anchor.second, microsecond=anchor.microsecond)
    exists = ideal.replace(fold=0).astimezone(UTC).astimezone(zone).replace(fold=0, tzinfo=None) == ideal.replace(
        fold=0, tzinfo=None
    )
    skipped = at.replace(tzinfo=None) - ideal.replace(tzinfo=None)
    assert skipped == timedelta(0) or not exists or cycle.zone == "Pacific/Apia"
    if cycle.interval in ("month", "quarter", "year") and exists and skipped == timedelta(0):
        assert at.day == min(anchor.day, calendar.monthrange(at.year, at.month)[1])
