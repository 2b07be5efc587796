"""A set: the files of an export, and the documents that say what they are.

    plan.json                      what is copied in which ranges; written first
    records/TABLE/NUMBER.json      one chunk is there: its file and the digests of its rows; written after the file
    data/TABLE/NUMBER.copy.gz      its rows as COPY writes them (.age: sealed)
    cache/NUMBER.jsonl.gz          keys of Redis
    schema.json                    the schema in words
    manifest.json                  signed, written last: without it the set is not finished

Plan and records serve a run that goes on and are deleted at its end; a reader believes the manifest alone.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from core.operations.clouds.errors import ObjectNotFound
from core.operations.clouds.objects import Objects
from core.operations.transfer.chunks import KeyRange
from core.operations.transfer.digests import Leaf
from core.operations.transfer.documents import read_signed
from core.operations.transfer.errors import SetDamaged, SetIncomplete, SetTooNew
from core.operations.transfer.tables import Column, Table

FORMAT = 1
PLAN, MANIFEST, SCHEMA = "plan.json", "manifest.json", "schema.json"
RECORDS = "records/"
_NAME = re.compile(r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of the set. `after` and `until` are the bounds of its rows' keys."""

    name: str
    size: int
    sha256: str
    plain_size: int
    plain_sha256: str
    rows: int
    table: str = ""
    number: int = 0
    after: tuple[str, ...] | None = None
    until: tuple[str, ...] | None = None

    def __str__(self) -> str:
        if not self.table:
            return self.name
        start = f"after ({', '.join(self.after)})" if self.after else "from the first row"
        end = f"to ({', '.join(self.until)})" if self.until else "to the last"
        return f"{self.name} ({self.rows:,} rows of {self.table}, {start} {end})"

    def to_json(self) -> dict[str, Any]:
        """As documents keep it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "File":
        """What `to_json` made; a name that would lead out of the set is refused with ValueError."""
        if not _NAME.match(document["name"]) or ".." in document["name"]:
            raise ValueError(document["name"])
        bounds: dict[str, Any] = {
            name: tuple(document[name]) if document[name] is not None else None for name in ("after", "until")
        }
        return cls(**{**document, **bounds})


@dataclass(frozen=True, kw_only=True)
class Record:
    """A chunk that is in the set."""

    file: File | None
    """None where it had no rows."""

    leaves: dict[str, Leaf]


def plan_to_json(tables: Iterable[tuple[Table, list[KeyRange]]], about: dict[str, Any]) -> dict[str, Any]:
    """The plan's document."""
    listed = [
        {
            "name": table.name,
            "columns": [[column.name, column.type, column.built_in] for column in table.columns],
            "key": table.key,
            "tenantColumn": table.tenant_column,
            "chunks": [[chunk.after, chunk.until, chunk.rows] for chunk in chunks],
        }
        for table, chunks in tables
    ]
    return {"format": FORMAT, **about, "tables": listed}


def tables_of(document: dict[str, Any]) -> list[tuple[Table, list[KeyRange]]]:
    """The tables and ranges of a plan; of a manifest, the tables."""
    found: list[tuple[Table, list[KeyRange]]] = []
    for one in document["tables"]:
        table = Table(
            name=one["name"],
            columns=tuple(Column(name, kind, built_in) for name, kind, built_in in one["columns"]),
            key=tuple(one["key"]),
            tenant_column=one["tenantColumn"],
        )
        chunks = [
            KeyRange(
                table=table,
                number=number,
                after=tuple(after) if after is not None else None,
                until=tuple(until) if until is not None else None,
                rows=rows,
            )
            for number, (after, until, rows) in enumerate(one.get("chunks", []))
        ]
        found.append((table, chunks))
    return found


def find_json(objects: Objects, name: str) -> dict[str, Any] | None:
    """A document of the set; None where there is none. Raises SetDamaged."""
    try:
        return orjson.loads(objects.get(name))
    except ObjectNotFound:
        return None
    except ValueError:
        raise SetDamaged(f"{name} in {objects.address} is no JSON document: it was altered") from None


def put_json(objects: Objects, name: str, document: dict[str, Any]) -> bytes:
    """Writes a document; what was written."""
    content = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    objects.put(name, content)
    return content


def find_record(objects: Objects, chunk: KeyRange) -> Record | None:
    """What an earlier run noted of a chunk; None when it did not get so far."""
    document = find_json(objects, record_name(chunk))
    if document is None:
        return None
    try:
        leaves = {tenant: Leaf(int(rows), str(found)) for tenant, (rows, found) in document["leaves"].items()}
        return Record(file=File.from_json(document["file"]) if document["file"] else None, leaves=leaves)
    except (KeyError, TypeError, ValueError):
        return None  # an altered note is no note: the chunk is copied again


def put_record(objects: Objects, chunk: KeyRange, record: Record) -> None:
    """Notes that a chunk is in the set."""
    document = {
        "file": record.file.to_json() if record.file else None,
        "leaves": {tenant: [leaf.rows, leaf.digest] for tenant, leaf in record.leaves.items()},
    }
    put_json(objects, record_name(chunk), document)


def record_name(chunk: KeyRange) -> str:
    """Where a chunk's record lies."""
    return f"{RECORDS}{chunk.table.name}/{chunk.number:06}.json"


def data_name(chunk: KeyRange, *, sealed: bool) -> str:
    """Where a chunk's rows lie."""
    return f"data/{chunk.table.name}/{chunk.number:06}.copy.gz{'.age' if sealed else ''}"


def read_manifest(objects: Objects, *, believed: Iterable[str]) -> dict[str, Any]:
    """The manifest, signed by one of these public keys.

    Raises SetIncomplete, SetDamaged, SetForeign, SetTooNew.
    """
    try:
        content = objects.get(MANIFEST)
    except ObjectNotFound:
        if find_json(objects, PLAN) is None:
            if objects.exists(SCHEMA):
                raise SetIncomplete(
                    f"{MANIFEST} is missing in {objects.address}: what is there cannot be believed without it; bring "
                    "it back from where the set was copied from, or export anew"
                ) from None
            raise SetIncomplete(f"there is no export in {objects.address}: no {MANIFEST}") from None
        raise SetIncomplete(
            f"the export in {objects.address} was never finished (no {MANIFEST}): run `cloudbill export "
            f"{objects.address}` again where it was made, it goes on"
        ) from None
    document = read_signed(content, name=MANIFEST, believed=believed)
    if document.get("kind") != "export":
        raise SetDamaged(f"{MANIFEST} is a {document.get('kind')} and no export")
    if document["format"] > FORMAT:
        raise SetTooNew(
            f"the set is of format {document['format']}, made by CloudBill {document['cloudbill']}; this one reads "
            f"{FORMAT}: use that version"
        )
    return document


def files_of(manifest: dict[str, Any]) -> list[File]:
    """All files that the manifest names, the cache's last. Raises SetDamaged for a name that leads out."""
    try:
        return [File.from_json(one) for one in (*manifest["files"], *manifest["cache"].get("files", []))]
    except (KeyError, TypeError, ValueError) as error:
        raise SetDamaged(f"{MANIFEST} names no proper file ({error})") from None
