"""Lists that are sorted by what their caller chooses, and turn pages by the sort key of the last row.

A sort key is a text in C order or an integer, never null, so that a cursor holds it exactly; rows with the same key
follow each other by their id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Uuid, cast, func, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from core.foundation.errors import InvalidInput
from core.foundation.ids import parse_id
from core.foundation.paging import decode_cursor, encode_cursor

Sorts = Mapping[str, ColumnElement[Any] | InstrumentedAttribute[Any] | None]
"""What a list may be sorted by: names of its own, and the sort key of each; None: by the id alone, which grows with
time.
"""

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Sort:
    """How a list was asked to be sorted."""

    key: ColumnElement[Any] | InstrumentedAttribute[Any] | None
    descending: bool

    def apply(
        self,
        statement: Select[Any],
        *,
        then: ColumnElement[Any] | InstrumentedAttribute[Any],
        cursor: str | None,
        limit: int,
    ) -> Select[Any]:
        """The page after `cursor`, with its `sort_key`; `then` is unique. Raises InvalidInput for another's cursor."""
        key = literal(0) if self.key is None else self.key
        by = [then] if self.key is None else [self.key, then]
        statement = statement.add_columns(key.label("sort_key"))
        if (after := decode_cursor(cursor, int if isinstance(key.type, Integer) else str, str)) is not None:
            if isinstance(then.type, Uuid):
                after[1] = parse_id(after[1], "cursor")
            last = [literal(value, column.type) for column, value in zip((key, then), after, strict=True)][-len(by) :]
            statement = statement.where(tuple_(*by) < tuple_(*last) if self.descending else tuple_(*by) > tuple_(*last))
        return statement.order_by(*(one.desc() if self.descending else one for one in by)).limit(limit)


def read_sort(asked: str, sorts: Sorts) -> Sort:
    """`name`, or `-name` for the other way round. Raises InvalidInput."""
    name = asked.removeprefix("-")
    if name not in sorts:
        raise InvalidInput("sort", f"must be one of {', '.join(sorts)}, with - in front to sort descending")
    return Sort(sorts[name], asked.startswith("-"))


def describe_sorts(sorts: Sorts) -> str:
    """For the API's document."""
    return f"{', '.join(sorts)}; `-` in front: descending."


def by_text(column: InstrumentedAttribute[Any] | ColumnElement[Any]) -> ColumnElement[str]:
    """In whatever case; none comes first."""
    return func.lower(func.coalesce(column, "")).collate("C")


def by_instant(column: InstrumentedAttribute[Any] | ColumnElement[Any]) -> ColumnElement[int]:
    """To the microsecond; none comes first."""
    return cast(func.extract("epoch", func.coalesce(column, _EPOCH)) * 1_000_000, BigInteger())


def page_of(rows: Sequence[Any], limit: int, then: str = "id") -> tuple[list[Any], str | None]:
    """Of `limit + 1` rows that were asked for: the page, and the cursor of the next if there is one."""
    page = list(rows[:limit])
    return page, encode_cursor(page[-1].sort_key, str(getattr(page[-1], then))) if len(rows) > limit else None
