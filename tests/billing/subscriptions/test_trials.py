"""A trial ends at the wall time it began at, or at an instant; one that is over is none."""

from datetime import UTC, datetime

import pytest

from core.billing.subscriptions.trials import trial_end


def utc(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


@pytest.mark.parametrize(
    ("start", "days", "until", "zone", "end"),
    [
        ("2026-01-25T10:00", 14, None, "UTC", "2026-02-08T10:00"),
        # Over the change to summer time in Berlin it is an hour shorter, and ends at 11:00 there as it began.
        ("2026-03-22T10:00", 14, None, "Europe/Berlin", "2026-04-05T09:00"),
        ("2028-02-20T00:00", 10, None, "UTC", "2028-03-01T00:00"),
        ("2026-01-25T10:00", None, "2026-03-01T00:00", "UTC", "2026-03-01T00:00"),
        ("2026-01-25T10:00", 14, "2026-02-01T00:00", "UTC", "2026-02-01T00:00"),
        ("2026-01-25T10:00", None, "2026-01-25T10:00", "UTC", None),
        ("2026-01-25T10:00", 0, None, "UTC", None),
        ("2026-01-25T10:00", None, None, "UTC", None),
    ],
)
def test_trials(start: str, days: int | None, until: str | None, zone: str, end: str | None) -> None:
    begun = utc(start)
    assert begun
    assert trial_end(begun, days=days, until=utc(until), zone=zone) == utc(end)
