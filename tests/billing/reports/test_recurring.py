"""What a customer pays a month, and how it moves: figures worked out by hand."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.reports.months import Month, read_months
from core.billing.reports.recognition import recognized
from core.billing.reports.recurring import Course, Share, Turn, movements
from core.foundation.errors import InvalidInput

ADA, BOB = UUID(int=1), UUID(int=2)


def at(day: int, month: int = 1) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC)


def course(number: int, turns: list[tuple[datetime, str]], *shares: Share, of: UUID = ADA) -> Course:
    return Course(UUID(int=100 + number), of, "EUR", [Turn(*turn) for turn in turns], shares)


def monthly(minor: int, since: datetime, until: datetime | None = None) -> Share:
    return Share(since, until, minor, "month", 1)


def told(*courses: Course) -> list[tuple[str, int, int]]:
    return [(one.kind, one.before, one.after) for one in movements(courses)]


def test_a_trial_counts_from_its_end_and_a_pause_not_at_all() -> None:
    turns = [
        (at(1), "trialing"),
        (at(15), "active"),
        (at(20), "paused"),
        (at(25), "active"),
        (at(26), "past_due"),
        (at(28), "canceled"),
    ]
    assert told(course(1, turns, monthly(1_900, at(1)))) == [
        ("new", 0, 1_900),
        ("churn", 1_900, 0),
        ("reactivation", 0, 1_900),
        ("churn", 1_900, 0),
    ]


def test_more_and_less_are_told_apart_by_customer_and_not_by_subscription() -> None:
    first = course(1, [(at(1), "active"), (at(20), "canceled")], monthly(1_000, at(1), at(20)))
    second = course(2, [(at(10), "active")], monthly(500, at(10), at(12)), monthly(700, at(12)))
    other = course(3, [(at(11), "active")], monthly(9, at(11)), of=BOB)
    assert told(first, second, other) == [
        ("new", 0, 1_000),
        ("expansion", 1_000, 1_500),
        ("new", 0, 9),
        ("expansion", 1_500, 1_700),
        ("contraction", 1_700, 700),
    ]


def test_every_rhythm_is_brought_to_a_month_and_rounded_once() -> None:
    # 1000 / 12 = 83.33, 1000 / 3 = 333.33: together 416.67. A week of 700 is 700 / 7 * 365 / 12 = 3041.67.
    year, quarter = Share(at(1), None, 1_000, "year", 1), Share(at(1), None, 1_000, "quarter", 1)
    week = Share(at(1), None, 700, "week", 1)
    assert told(course(1, [(at(1), "active")], year, quarter)) == [("new", 0, 417)]
    assert told(course(1, [(at(1), "active")], week)) == [("new", 0, 3_042)]
    two_months = Share(at(1), None, 999, "month", 2)
    assert told(course(1, [(at(1), "active")], two_months)) == [("new", 0, 500)]


def test_one_that_waits_for_its_first_payment_counts_once_it_is_paid() -> None:
    waits = course(1, [(at(1), "incomplete"), (at(3), "active")], monthly(100, at(1)))
    (moved,) = movements([waits])
    assert (moved.kind, moved.at) == ("new", at(3))


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 28), st.integers(0, 9_999)), max_size=12))
def test_movements_sum_to_what_is_paid_in_the_end(steps: list[tuple[int, int, int]]) -> None:
    courses = [
        course(number, [(at(1), "active")], monthly(minor, at(day)), of=UUID(int=of))
        for number, (of, day, minor) in enumerate(steps)
    ]
    moved = movements(courses)
    assert sum(one.after - one.before for one in moved) == sum(minor for _, _, minor in steps)
    assert all(one.before != one.after for one in moved)


def test_revenue_counts_second_by_second_over_its_period() -> None:
    start, end = at(16), at(16, 2)
    assert recognized(3_100, start, end, at=start) == 0
    assert recognized(3_100, start, end, at=at(1, 2)) == 1_600
    assert recognized(3_100, start, end, at=end) == 3_100
    assert recognized(-3_100, start, end, at=at(1, 2)) == -1_600
    assert recognized(500, None, None, at=at(1)) == 500


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 3_000_000), min_size=1, max_size=6))
def test_parts_of_a_period_come_to_the_whole(minor: int, seconds: list[int]) -> None:
    start, end = at(1), at(1) + timedelta(seconds=3_000_000)
    cuts = [start, *sorted(start + timedelta(seconds=one) for one in seconds), end]
    counted = [recognized(minor, start, end, at=cut) for cut in cuts]
    assert sum(after - before for before, after in zip(counted, counted[1:], strict=False)) == minor


def test_months_are_read_and_refused_by_name() -> None:
    now = at(15, 6)
    assert [str(one) for one in read_months("2025-12", "2026-02", now=now)] == ["2025-12", "2026-01", "2026-02"]
    assert read_months(None, None, now=now) == [Month(2026, 6)]
    for first, last in (("2026-7", None), ("2026-13", None), (None, "2026-07"), ("2026-05", "2026-04")):
        with pytest.raises(InvalidInput):
            read_months(first, last, now=now)
    with pytest.raises(InvalidInput):
        read_months("2023-06", "2026-06", now=now)
