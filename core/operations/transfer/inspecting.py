"""Whether a set is whole: its manifest, every file by size and SHA-256, and what is inside; nothing is touched."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from core.operations.backups.keys import Opening
from core.operations.clouds.errors import CloudError, ObjectNotFound
from core.operations.clouds.objects import Objects
from core.operations.transfer import sets
from core.operations.transfer.digests import Digests
from core.operations.transfer.errors import SetDamaged, SetIncomplete, TransferError
from core.operations.transfer.packing import unpack


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong with a set."""

    code: str
    file: str
    detail: str

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


def inspect(
    objects: Objects, manifest: dict[str, Any], *, by: Sequence[Opening] = (), jobs: int = 2
) -> Iterator[Finding]:
    """All that is wrong, file by file. What is sealed is opened where a private key is given."""
    yield from _contradictions(manifest)
    files = sets.files_of(manifest)
    there = set(objects.list())
    with ThreadPoolExecutor(jobs) as pool:
        for looked in [pool.submit(_look, objects, manifest, file, by, there) for file in files]:
            if found := looked.result():
                yield found
    if _sha256(objects, sets.SCHEMA) != manifest["schemaSha256"]:
        yield Finding(code="set_damaged", file=sets.SCHEMA, detail=f"{sets.SCHEMA} is missing or was altered")


def strangers(objects: Objects, manifest: dict[str, Any]) -> list[str]:
    """Files that lie with the set and are not of it: nobody reads them."""
    known = {file.name for file in sets.files_of(manifest)} | {sets.MANIFEST, sets.SCHEMA}
    return [name for name in objects.list() if name not in known]


def read_file(objects: Objects, file: sets.File, *, by: Sequence[Opening], sealed: bool) -> bytes:
    """What is inside a file of the set. Raises SetIncomplete, SetDamaged, SetSealed, naming file and rows."""
    plain = unpack(fetch(objects, file), name=str(file), by=by, sealed=sealed)
    if len(plain) != file.plain_size or hashlib.sha256(plain).hexdigest() != file.plain_sha256:
        raise SetDamaged(f"{file} opens, and what is inside is not what was exported")
    if plain.count(b"\n") != file.rows:
        raise SetDamaged(f"{file} has {plain.count(bytes([10]))} rows inside")
    return plain


def fetch(objects: Objects, file: sets.File) -> bytes:
    """A file as it lies there, which must be the one that the manifest names."""
    try:
        content = objects.get(file.name)
    except ObjectNotFound:
        raise SetIncomplete(f"{file} is missing") from None
    if len(content) != file.size:
        raise SetDamaged(f"{file} has {len(content):,} bytes and not {file.size:,}: it was cut off or altered")
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise SetDamaged(f"{file} was altered: its SHA-256 is not the manifest's")
    return content


def _look(
    objects: Objects, manifest: dict[str, Any], file: sets.File, by: Sequence[Opening], there: set[str]
) -> Finding | None:
    try:
        if file.name not in there:
            raise SetIncomplete(f"{file} is missing")
        if by or not manifest["sealedTo"]:
            read_file(objects, file, by=by, sealed=bool(manifest["sealedTo"]))
        else:
            fetch(objects, file)
    except (TransferError, CloudError) as error:
        return Finding(code=error.code, file=file.name, detail=error.detail)
    return None


def _contradictions(manifest: dict[str, Any]) -> Iterator[Finding]:
    """What a manifest says of itself must agree, whoever signed it."""
    digests = Digests.from_json(manifest["digests"])
    if (
        digests.root() != manifest["root"]
        or {t: digests.tenant_root(t) for t in digests.tenants()} != manifest["tenants"]
    ):
        yield Finding(code="set_damaged", file=sets.MANIFEST, detail="the digests in the manifest contradict its root")
    rows: dict[str, int] = {}
    for file in sets.files_of(manifest):
        rows[file.table] = rows.get(file.table, 0) + (file.rows if file.table else 0)
    for table in manifest["tables"]:
        there = rows.get(table["name"], 0)
        if not table["rows"] == digests.rows(table["name"]) == there:
            yield Finding(
                code="set_damaged",
                file=sets.MANIFEST,
                detail=f"{table['name']}: {table['rows']} rows in the manifest, {there} in its files",
            )
    for currency, sums in manifest["ledgerSums"].items():
        if sums["sumMicro"]:
            yield Finding(
                code="ledger_sum",
                file=sets.MANIFEST,
                detail=f"the entries in {currency} sum to {sums['sumMicro']} micro, not to zero",
            )


def _sha256(objects: Objects, name: str) -> str:
    try:
        return hashlib.sha256(objects.get(name)).hexdigest()
    except CloudError:
        return ""
