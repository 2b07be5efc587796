"""Answers as CSV."""

import csv
import io
from collections.abc import Iterable

from core.foundation.schemas import Answer, dump

_FORMULAS = ("=", "+", "@", "\t", "\r")


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
    is_formula = field.startswith(_FORMULAS) or (field[:1] == "-" and not field[1:2].isdigit())
    return f"'{field}" if is_formula else field
