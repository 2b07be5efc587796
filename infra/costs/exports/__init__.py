"""Billing exports, read into one form."""

from collections.abc import Iterator
from pathlib import Path

from infra.costs.errors import InvalidExport
from infra.costs.exports.formats import FORMATS
from infra.costs.exports.line import ActualLine, Charge
from infra.costs.exports.reading import Row, csv_rows, json_rows, text_of

__all__ = ["ActualLine", "Charge", "read_export"]


def read_export(source: Path | str | bytes, kind: str | None = None, *, name: str = "") -> list[ActualLine]:
    """All charges of a file, or of its content; `kind` (focus, aws-cur, aws-cur-legacy, gcp) is found where not given.

    Raises InvalidExport with the line; nothing is given back of a file that is broken somewhere.
    """
    if isinstance(source, bytes):
        content, name = source, name or "the export"
    else:
        path = Path(source)
        name = name or path.name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InvalidExport(f"{path} cannot be read: {error.strerror}") from None
    text = text_of(content, name=name)
    if text.lstrip()[:1] in ("{", "["):
        rows: Iterator[Row] = iter(json_rows(text, name=name))
        found = FORMATS[kind or "gcp"]
    else:
        columns, rows = csv_rows(text, name=name)
        columns = [*columns, *(column.replace("_", ".", 1) for column in columns)]
        fitting = [one for one in FORMATS.values() if set(one.needs) <= set(columns)]
        if kind is not None:
            fitting = [one for one in fitting if one.name == kind]
        if not fitting:
            raise InvalidExport(f"{name} line 1: {_missing(columns, kind)}")
        found = fitting[0]
        if found.name == "gcp":
            rows = ((number, {_dotted(key): value for key, value in row.items()}) for number, row in rows)
    lines = list(found.lines(rows, name=name))
    if not lines:
        raise InvalidExport(f"{name} has no charges: is the export written already?")
    return lines


def _dotted(column: str) -> str:
    """Google's console writes service_description where the table has service.description."""
    first, _, rest = column.partition("_")
    return f"{first}.{rest}" if first in ("service", "sku", "project", "resource", "invoice") and rest else column


def _missing(columns: list[str], kind: str | None) -> str:
    nearest = FORMATS[kind] if kind else max(FORMATS.values(), key=lambda one: len(set(one.needs) & set(columns)))
    missing = [column for column in nearest.needs if column not in columns]
    if len(missing) == len(nearest.needs):
        return f"no billing export begins so: {', '.join(FORMATS)} are known, by their own columns"
    return f"as {nearest.name} it lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}"
