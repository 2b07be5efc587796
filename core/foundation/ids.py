"""Identifiers: UUID version 7, made by us before the row exists, ordered by the wall clock."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from core.foundation.errors import InvalidInput

INSTALLATION_ID = UUID(int=0)
"""The reserved tenant whose rows (packages, plans, price books) every tenant may read."""


def new_id() -> UUID:
    """A new UUIDv7. Ids made by one process increase."""
    return uuid7()


def earliest_id(at: datetime) -> UUID:
    """The smallest UUIDv7 that could have been made at `at`: a lower bound for range scans by time."""
    milliseconds = max(0, int(at.astimezone(UTC).timestamp() * 1000))
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0x2 << 62))


def parse_id(text: str, field: str) -> UUID:
    """`text` as a UUID, or InvalidInput that names the field."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput(field, "must be a UUID") from None
