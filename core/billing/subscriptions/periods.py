"""Billing periods: whole months or years from an anchor, in UTC. Pure."""

import calendar
from datetime import UTC, datetime

_MONTHS = {"month": 1, "year": 12}


def boundary(anchor: datetime, interval: str, number: int) -> datetime:
    """The end of the `number`-th period after the anchor (0: the anchor itself).

    Always counted from the anchor, so a period that starts on the 31st ends on February 28th and the next one again
    on March 31st.
    """
    at = anchor.astimezone(UTC)
    month = at.month - 1 + number * _MONTHS[interval]
    year, month = at.year + month // 12, month % 12 + 1
    return at.replace(year=year, month=month, day=min(at.day, calendar.monthrange(year, month)[1]))
