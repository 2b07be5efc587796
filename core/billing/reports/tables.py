"""Answers as CSV."""

import csv
import io
import re
from collections.abc import Iterable

from core.foundation.schemas import Answer, dump

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_FIGURE = re.compile(r"[+-]?[0-9]+([.,][0-9]+)*( ?[A-Z]{3}| ?%)?")


def as_csv(kind: type[Answer], rows: Iterable[Answer]) -> str:
    """A column a field, by the names of the API. What a spreadsheet would take for a formula is marked as text."""
    names = [field.alias or name for name, field in kind.model_fields.items()]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        shown = dump(row)
        writer.writerow(["" if shown[name] is None else _harmless(str(shown[name])) for name in names])
    return written.getvalue()


def _harmless(field: str) -> str:
    return f"'{field}" if field.startswith(_FORMULAS) and not _FIGURE.fullmatch(field) else field
