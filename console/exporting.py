"""Tables as CSV, for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import reflex as rx
from reflex.event import EventSpec

from console.figures import DIGITS

if TYPE_CHECKING:
    from console.client import Client

BEGIN_FORMULAS = ("=", "+", "-", "−", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet calculate; in its wide forms, too."""
NUMBER = re.compile(r"[-−+]?[\d.,]+")


def as_csv(columns: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """What a spreadsheet would take for a formula is marked as text."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow(["" if field is None else harmless(str(field)) for field in line])
    return written.getvalue()


def fields_as_csv(columns: Mapping[str, str], entries: Iterable[Mapping[str, object]]) -> str:
    """The API's rows: a column's name, and the field that it shows; amounts in units of the row's `currency`."""
    return as_csv([*columns], ([_spelled(entry, field) for field in columns.values()] for entry in entries))


def _spelled(entry: Mapping[str, object], field: str) -> object:
    """Minor units as the currency's own amount: whoever reads `10900` under `Total` takes it for the amount."""
    value = entry[field]
    if not field.endswith("Minor") or not isinstance(value, int):
        return value
    return f"{Decimal(value).scaleb(-DIGITS.get(str(entry['currency']), 2)):f}"


def harmless(text: str) -> str:
    """As it is, or behind an apostrophe."""
    is_number = NUMBER.fullmatch(text) is not None
    return f"'{text}" if text[:1] in BEGIN_FORMULAS and not is_number else text


def filename(what: str) -> str:
    """With the day it was made."""
    return f"cloudbill-{what}-{datetime.now(UTC):%Y-%m-%d}.csv"


async def download(api: Client, path: str, columns: Mapping[str, str], what: str, **query: str) -> EventSpec:
    """Every row of one of the API's lists, for a spreadsheet."""
    entries = await api.every_own(path, **query)
    return rx.download(data=fields_as_csv(columns, entries), filename=filename(what))
