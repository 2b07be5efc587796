"""Cursors: the sort values of a page's last row, opaque to callers. The next page starts right after them."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, cast

import orjson
from fastapi import Query

from core.foundation.errors import InvalidInput

Limit = Annotated[int, Query(ge=1, le=200, description="Rows a page.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`nextCursor` of the page before.")]

_LARGEST = 2**63 - 1


def encode_cursor(*values: str | int) -> str:
    """Texts and integers as one URL-safe word."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, *kinds: type[str] | type[int]) -> list[Any] | None:
    """The values again, each of its kind; None for no cursor. Raises InvalidInput for what we did not make."""
    if cursor is None:
        return None
    try:
        values: Any = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise _invalid() from None
    if not isinstance(values, list):
        raise _invalid()
    found = cast("list[Any]", values)
    if len(found) != len(kinds) or not all(map(_fits, found, kinds)):
        raise _invalid()
    return found


def cut(rows: Sequence[Any], limit: int) -> tuple[list[Any], Any | None]:
    """Of `limit + 1` rows that were asked for: the page, and its last row if there is another page."""
    page = list(rows[:limit])
    return page, page[-1] if len(rows) > limit else None


def _fits(value: Any, kind: type[str] | type[int]) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return kind is int and abs(value) <= _LARGEST
    return kind is str and isinstance(value, str) and "\x00" not in value


def _invalid() -> InvalidInput:
    return InvalidInput("cursor", "must be the nextCursor of an earlier page of the same list")
