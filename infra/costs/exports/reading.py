"""From a file's bytes to rows: gzip, byte-order marks, CSV and JSON lines; what is broken is named by its line."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from infra.costs.errors import InvalidExport

Row = tuple[int, Mapping[str, Any]]
"""A line's number and its fields."""


def text_of(content: bytes, *, name: str) -> str:
    """The text, unpacked. Raises InvalidExport."""
    if content[:4] == b"PAR1":
        raise InvalidExport(f"{name} is Parquet: have the export written as CSV (gzip is fine)")
    if content[:2] == b"PK":
        raise InvalidExport(f"{name} is a ZIP archive: unpack it and give the CSV in it")
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error):
            raise InvalidExport(f"{name} is gzip that breaks off: fetch it again") from None
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace").lstrip("\ufeff")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidExport(f"{name} line {line}: this is no text: a billing export is CSV or JSON lines") from None
    if "\0" in text:
        raise InvalidExport(f"{name} is binary: a billing export is CSV or JSON lines")
    if not text.strip():
        raise InvalidExport(f"{name} is empty: is the export written already?")
    return text


def json_rows(text: str, *, name: str) -> list[Row]:
    """One object a line, or one list of them. Raises InvalidExport."""
    if text.lstrip().startswith("["):
        try:
            found: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise InvalidExport(f"{name} line {error.lineno}: {error.msg}: does it break off?") from None
        rows: list[Row] = []
        for number, entry in enumerate(cast("list[Any]", found), start=1):
            rows.append((number, _mapping(entry, name, number)))
        return rows
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                rows.append((number, _mapping(json.loads(line), name, number)))
            except json.JSONDecodeError as error:
                raise InvalidExport(f"{name} line {number}: {error.msg}: does it break off?") from None
    return rows


def csv_rows(text: str, *, name: str) -> tuple[Sequence[str], Iterator[Row]]:
    """The columns, and the rows. Raises InvalidExport where a row has more or fewer fields than there are columns."""
    try:
        reader = csv.DictReader(io.StringIO(text), strict=True)
        columns = list(reader.fieldnames or ())
    except csv.Error as error:
        raise InvalidExport(f"{name} line 1: {error}") from None
    if len(set(columns)) != len(columns):
        raise InvalidExport(f"{name} line 1: a column stands there twice")
    return columns, _csv_rows(reader, name)


def _csv_rows(reader: "csv.DictReader[str]", name: str) -> Iterator[Row]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidExport(f"{name} line {reader.line_num}: {error}: does it break off?") from None
        if None in row:
            raise InvalidExport(f"{name} line {reader.line_num}: more fields than columns: is a comma unquoted?")
        if None in row.values():
            raise InvalidExport(f"{name} line {reader.line_num}: fewer fields than columns: does the file break off?")
        yield reader.line_num, row


def _mapping(entry: Any, name: str, number: int) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise InvalidExport(f"{name} line {number}: an object is expected")
    return cast("dict[str, Any]", entry)
