"""No card data is ever stored: a search for what looks like a card's number, in all texts of the database and in logs.

What is found is never repeated whole: its place, and the first six and last four digits (PCI DSS 3.4).
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql
from psycopg.rows import tuple_row
from stdnum import luhn

from core.foundation.database import Database, driver_connection

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_SPACE = " \t\u00a0\u2007\u2009\u202f"
_DASH = "\u2010-\u2015\u2212-"
_BETWEEN = f"[{_SPACE}.{_DASH}]{{1,2}}"
# Groups of digits as people set them apart; a `%B` begins what a magnetic stripe holds.
_RUN = re.compile(rf"(?<![0-9A-Za-z])(?:%B)?([0-9]+(?:{_BETWEEN}[0-9]+)*)(?![0-9A-Za-z])")
_GROUP = re.compile("[0-9]+")
# A line's end and the like, as JSON writes them.
_ESCAPE = re.compile(r"\\+[bfnrt]")
_SHORTEST, _LONGEST = 13, 19
# What the networks give out: issuer prefix and length.
_CARD = re.compile(
    r"4(\d{12}|\d{15}|\d{18})|(5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|3(0[0-5]|[689]\d)\d{11}|(6011|65\d\d|64[4-9]\d)\d{12}|35(2[89]|[3-8]\d)\d{12}|(50|5[6-9]|6\d)\d{14}|62\d{14,17}"
)
_LIKELY = rf"[2-6]([{_SPACE}.{_DASH}]{{0,2}}[0-9]){{{_SHORTEST - 1},{_LONGEST - 1}}}"


@dataclass(frozen=True, slots=True)
class CardFound:
    """Something that looks like a card's number; `shown` is masked."""

    place: str
    shown: str


def find_cards(text: str) -> Iterator[str]:
    """Masked, what in the text has the form and the check digit of a card's number.

    Other figures may stand right before and behind it (an expiry, a day): every row of neighbouring groups is tried.
    """
    for run in _RUN.finditer(_ESCAPE.sub("\n", _UUID.sub(" ; ", text))):
        groups = list(_GROUP.finditer(run[1]))
        first = 0
        while first < len(groups):
            last = _card_from(run[1], groups, first)
            if last is not None:
                digits = _digits(groups[first : last + 1])
                yield f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"
                first = last
            first += 1


def _card_from(run: str, groups: list[re.Match[str]], first: int) -> int | None:
    """The last group of a card's number that begins with this one, the longest; None where there is none."""
    found: int | None = None
    for last in range(first, len(groups)):
        part = groups[first : last + 1]
        digits = _digits(part)
        if len(digits) > _LONGEST:
            break
        if len(digits) < _SHORTEST or not _CARD.fullmatch(digits) or not luhn.is_valid(digits):
            continue
        start, end = part[0].start(), part[-1].end()
        # A point beside it makes it part of a figure; points within it set apart fours, or it is one as well.
        beside = run[:start][-1:] == "." or re.match(r"\.[0-9]", run[end:])
        if not beside and ("." not in run[start:end] or all(len(group[0]) == 4 for group in part)):
            found = last
    return found


def _digits(groups: list[re.Match[str]]) -> str:
    return "".join(group[0] for group in groups)


async def scan_database(database: Database) -> AsyncIterator[CardFound]:
    """Every text of every table that the reading operator sees."""
    async with database.reading() as session:
        connection = await driver_connection(session)
        async with connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(_COLUMNS)
            columns = await cursor.fetchall()
        for table, column in columns:
            statement = sql.SQL("SELECT CAST({column} AS text) FROM {table} WHERE CAST({column} AS text) ~ %s").format(
                column=sql.Identifier(column), table=sql.Identifier(table)
            )
            async with connection.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(statement, [_LIKELY])
                async for row in cursor:
                    for shown in find_cards(_text(row)):
                        yield CardFound(f"{table}.{column}", shown)


def scan_files(paths: Iterable[Path]) -> Iterator[CardFound]:
    """Every line of these files, such as logs."""
    for path in paths:
        with path.open(errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                for shown in find_cards(line):
                    yield CardFound(f"{path}:{number}", shown)


def _text(row: tuple[Any, ...]) -> str:
    return str(row[0])


_COLUMNS = """
SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped
  AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype, 'json'::regtype, 'text[]'::regtype)
  AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.relname, a.attname
"""
