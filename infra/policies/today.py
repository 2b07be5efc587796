"""What day it is, for what ends on one: in a module of its own, so that a test can say another."""

from datetime import UTC, date, datetime


def today() -> date:
    """In UTC."""
    return datetime.now(UTC).date()
