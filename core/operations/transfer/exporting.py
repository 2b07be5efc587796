"""Export: all rows as of one instant, in chunks, by several workers on one snapshot; then what Redis counts.

A snapshot dies with its connection. A run that goes on after a kill therefore takes a new one and keeps of the old
files those whose rows have the same digests in it, chunk by chunk: the finished set is what the *last* snapshot saw,
wholly. On a database that rests, only what was under way is done again; on one that works, what has changed as well.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psycopg
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from core.billing.ledger.signing import load_signing_keys
from core.foundation.ids import new_id
from core.foundation.settings import Settings
from core.operations.clouds.objects import Objects
from core.operations.transfer import books, sets
from core.operations.transfer.beside import fingerprints
from core.operations.transfer.cache_files import export_cache
from core.operations.transfer.chunks import CHUNK_BYTES, KeyRange, copy_out, plan
from core.operations.transfer.described import describe
from core.operations.transfer.digests import Digests, Leaf, digest_range, merge
from core.operations.transfer.documents import sign
from core.operations.transfer.errors import ServerUnfit, TransferError, TransferRefused
from core.operations.transfer.packing import pack
from core.operations.transfer.places import place_at
from core.operations.transfer.progress import Progress
from core.operations.transfer.redis_state import connect
from core.operations.transfer.tables import LEFT_OUT, Connection, Table, inventory, refuse_hidden_rows, settle

Planned = list[tuple[Table, list[KeyRange]]]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A finished set."""

    manifest: dict[str, Any]
    copied: int
    """Chunks that this run wrote."""
    kept: int
    """Chunks of an earlier run that still held."""


@dataclass(kw_only=True)
class _Run:
    objects: Objects
    sealed_to: list[str]
    salt: str
    snapshot: str
    url: str
    progress: Progress
    copied: int = 0
    kept: int = 0
    failed: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


def export(
    settings: Settings,
    address: str,
    *,
    jobs: int = 2,
    chunk_bytes: int = CHUNK_BYTES,
    seal_to: Sequence[str] = (),
    with_cache: bool = True,
    say: Callable[[str], None] = lambda words: None,
) -> Exported:
    """Writes a set to a folder or a bucket, or goes on with one. Raises TransferError, CloudError, SettingsInvalid."""
    try:
        return _export(
            settings, address, jobs=jobs, chunk_bytes=chunk_bytes, seal_to=seal_to, with_cache=with_cache, say=say
        )
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split("\n")[0].split())
        raise ServerUnfit(
            f"the source does not answer ({said}): what was exported stays, the same command goes on"
        ) from None


def _export(
    settings: Settings,
    address: str,
    *,
    jobs: int,
    chunk_bytes: int,
    seal_to: Sequence[str],
    with_cache: bool,
    say: Callable[[str], None],
) -> Exported:
    objects, url, keys = place_at(address), settings.mover_url, load_signing_keys(settings)
    known = _find_unfinished(objects)
    if with_cache:
        with connect(settings.cache_url):
            pass  # asked first: without it nothing is begun
    with _snapshot(url) as (leader, snapshot):
        about, planned = _plan(leader, objects, known, chunk_bytes=chunk_bytes, seal_to=seal_to)
        rows = sum(chunk.rows for _, chunks in planned for chunk in chunks)
        say(f"{'goes on with' if known else 'exports'} {rows:,} rows of {len(planned)} tables to {objects.address}")
        progress = Progress("exported", rows, say)
        run = _Run(
            objects=objects,
            sealed_to=about["sealedTo"],
            salt=about["salt"],
            snapshot=snapshot,
            url=url,
            progress=progress,
        )
        records = _copy_all(run, planned, jobs)
        progress.end()
        manifest = _manifest(leader, about, planned, records)
        schema = sets.put_json(objects, sets.SCHEMA, dict(describe(leader)))
    # Redis has no snapshot to share: it is read right after, and never the truth.
    cache = export_cache(settings, objects, seal_to=run.sealed_to, say=say) if with_cache else {"leftOut": "asked so"}
    manifest |= {
        "schemaSha256": hashlib.sha256(schema).hexdigest(),
        "cache": cache,
        "keys": fingerprints(settings),
    }
    objects.put(sets.MANIFEST, sign(manifest, keys[0]))
    # What served a run that goes on is not of the set, and nobody signs it.
    for name in (*objects.list(sets.RECORDS), sets.PLAN):
        objects.delete(name)
    return Exported(manifest=manifest, copied=run.copied, kept=run.kept)


def _find_unfinished(objects: Objects) -> dict[str, Any] | None:
    names = objects.list()
    if not names:
        return None
    if sets.MANIFEST in names:
        raise TransferRefused(f"{objects.address} holds a finished export: give another place, or delete it first")
    known = sets.find_json(objects, sets.PLAN)
    if known is None:
        raise TransferRefused(
            f"{objects.address} is not empty and holds no export ({names[0]}): give a place of its own"
        )
    return known


def _plan(
    leader: Connection,
    objects: Objects,
    known: dict[str, Any] | None,
    *,
    chunk_bytes: int,
    seal_to: Sequence[str],
) -> tuple[dict[str, Any], Planned]:
    tables = inventory(leader)
    refuse_hidden_rows(leader, tables)
    revision = _one(leader, "SELECT version_num FROM public.alembic_version")
    if known is not None:
        planned = sets.tables_of(known)
        if known["revision"] != revision or [table for table, _ in planned] != tables:
            raise TransferRefused(
                f"the schema has changed since the export in {objects.address} began ({known['revision']}, now "
                f"{revision}): begin a new one in another place"
            )
        if list(seal_to) and sorted(seal_to) != sorted(known["sealedTo"]):
            raise TransferRefused(f"the export in {objects.address} was begun with other keys to seal to: give those")
        about = {name: known[name] for name in ("id", "salt", "sealedTo", "revision", "startedAt")}
        return about, planned
    planned = [(table, plan(leader, table, chunk_bytes=chunk_bytes) or [_whole(table)]) for table in tables]
    about = {
        "id": str(new_id()),
        "salt": os.urandom(16).hex(),
        "sealedTo": list(seal_to),
        "revision": revision,
        "startedAt": _one(leader, 'SELECT to_char(clock_timestamp(), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'),
    }
    sets.put_json(objects, sets.PLAN, sets.plan_to_json(planned, about))
    return about, planned


def _whole(table: Table) -> KeyRange:
    """All of a table that had no rows when it was planned: a later snapshot may see some."""
    return KeyRange(table=table, number=0, after=None, until=None, rows=0)


def _copy_all(run: _Run, planned: Planned, jobs: int) -> dict[str, list[sets.Record]]:
    chunks = [chunk for _, ranges in planned for chunk in ranges]
    local, opened = threading.local(), list[Connection]()

    def work(chunk: KeyRange) -> sets.Record | None:
        if run.failed.is_set():
            return None
        try:
            return _copied(run, chunk, local, opened)
        except BaseException:
            run.failed.set()
            raise

    pool = ThreadPoolExecutor(jobs)
    try:
        # The largest first, so that no worker ends with one all by itself.
        futures = {chunk.table.name + f"/{chunk.number}": pool.submit(work, chunk) for chunk in _by_size(chunks)}
        done, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        found: dict[str, list[sets.Record]] = {}
        for chunk in chunks:
            record = futures[chunk.table.name + f"/{chunk.number}"].result()
            assert record
            found.setdefault(chunk.table.name, []).append(record)
        return found
    finally:
        run.failed.set()
        pool.shutdown(wait=True, cancel_futures=True)
        for connection in opened:
            connection.close()


def _by_size(chunks: list[KeyRange]) -> list[KeyRange]:
    totals: dict[str, int] = {}
    for chunk in chunks:
        totals[chunk.table.name] = totals.get(chunk.table.name, 0) + chunk.rows
    return sorted(chunks, key=lambda chunk: (-totals[chunk.table.name], chunk.table.name, chunk.number))


@retry(
    retry=retry_if_exception_type(psycopg.OperationalError),
    stop=stop_after_attempt(4),
    wait=wait_exponential(multiplier=0.2, max=3),
    reraise=True,
)
def _copied(run: _Run, chunk: KeyRange, local: threading.local, opened: list[Connection]) -> sets.Record:
    connection: Connection | None = getattr(local, "connection", None)
    if connection is None or connection.broken or connection.closed:
        connection = local.connection = _joined(run)
        opened.append(connection)
    leaves = digest_range(connection, chunk, salt=run.salt)
    rows = sum(leaf.rows for leaf in leaves.values())
    known = sets.find_record(run.objects, chunk)
    if known is not None and known.leaves == leaves and _is_there(run.objects, known.file):
        run.progress.skip(chunk.rows)
        with run.lock:
            run.kept += 1
        return known
    record = sets.Record(file=_written(run, connection, chunk, rows) if rows else None, leaves=leaves)
    sets.put_record(run.objects, chunk, record)
    with run.lock:
        run.copied += 1
    run.progress.add(chunk.rows, record.file.plain_size if record.file else 0)
    return record


def _written(run: _Run, connection: Connection, chunk: KeyRange, rows: int) -> sets.File:
    packed = pack(copy_out(connection, chunk), to=run.sealed_to)
    if packed.lines != rows:
        raise TransferError(f"{chunk.table.name}: {rows} rows were digested and {packed.lines} came in one snapshot")
    name = sets.data_name(chunk, sealed=bool(run.sealed_to))
    run.objects.put(name, packed.content)
    return sets.File(
        name=name,
        size=len(packed.content),
        sha256=packed.sha256,
        plain_size=packed.plain_size,
        plain_sha256=packed.plain_sha256,
        rows=rows,
        table=chunk.table.name,
        number=chunk.number,
        after=chunk.after,
        until=chunk.until,
    )


def _is_there(objects: Objects, file: sets.File | None) -> bool:
    """Whether the file of an earlier run is as that run wrote it; in a bucket, whether it is there."""
    if file is None:
        return True
    if not objects.exists(file.name):
        return False
    return "://" in objects.address or hashlib.sha256(objects.get(file.name)).hexdigest() == file.sha256


@contextmanager
def _snapshot(url: str) -> Generator[tuple[Connection, str]]:
    """A read-only transaction and the name by which others join what it sees."""
    with settle(psycopg.connect(url, autocommit=True, connect_timeout=10)) as leader:
        if leader.info.server_version < 150000 or leader.info.parameter_status("server_encoding") != "UTF8":
            raise ServerUnfit(
                f"the source is PostgreSQL {leader.info.server_version // 10000} in "
                f"{leader.info.parameter_status('server_encoding')}: it must be 15 or newer, in UTF8"
            )
        leader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield leader, _one(leader, "SELECT pg_export_snapshot()")


def _joined(run: _Run) -> Connection:
    connection = settle(psycopg.connect(run.url, autocommit=True, connect_timeout=10))
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        connection.execute(f"SET TRANSACTION SNAPSHOT '{run.snapshot}'".encode())
    except psycopg.errors.Error as error:
        connection.close()
        if isinstance(error, psycopg.OperationalError):
            raise
        raise TransferError(
            "the snapshot is lost with the connection that held it: run the same command again, it goes on"
        ) from None
    return connection


def _manifest(
    leader: Connection, about: dict[str, Any], planned: Planned, records: dict[str, list[sets.Record]]
) -> dict[str, Any]:
    leaves: dict[str, dict[str, Leaf]] = {}
    for name, found in records.items():
        for record in found:
            if record.leaves:
                merge(leaves.setdefault(name, {}), record.leaves)
    digests = Digests(salt=about["salt"], leaves=leaves)
    listed = sets.plan_to_json(planned, {})["tables"]
    for one in listed:
        del one["chunks"]
        one["rows"] = digests.rows(one["name"])
    return {
        **about,
        "kind": "export",
        "format": sets.FORMAT,
        "cloudbill": _version(),
        "postgres": leader.info.parameter_status("server_version"),
        "takenAt": _one(leader, 'SELECT to_char(now(), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'),
        "tables": listed,
        "files": [record.file.to_json() for found in records.values() for record in found if record.file],
        "digests": digests.to_json(),
        "tenants": {tenant: digests.tenant_root(tenant) for tenant in digests.tenants()},
        "root": digests.root(),
        "ledgerSums": books.ledger_sums(leader),
        "chainHeads": books.chain_heads(leader),
        "sequences": books.sequences(leader),
        "leftOut": LEFT_OUT,
    }


def _version() -> str:
    try:
        return version("cloudbill")
    except PackageNotFoundError:
        return "unknown"


def _one(connection: Connection, query: Any) -> Any:
    row = connection.execute(query).fetchone()
    assert row
    return row[0]
