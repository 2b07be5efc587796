"""A period ends on the anchor's day, or on the last day of a month that has no such day."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.subscriptions.periods import boundary


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
