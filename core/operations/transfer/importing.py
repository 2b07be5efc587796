"""Import: a set into an empty, migrated database, and the counted keys into Redis.

Chunks go in side by side, each in one transaction with the note that it is there; a run that was killed goes on with
the next one. The application stays locked out until the rows are those that the manifest signs, the schema is whole
again and the worker is held. What is wrong with the set or the target puts the target back as it was.
"""

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from pydantic import SecretStr
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from core.billing.ledger.heads import Heads
from core.billing.ledger.signing import load_signing_keys
from core.foundation.clock import wall_now
from core.foundation.crypto import Sealer
from core.foundation.database import Database
from core.foundation.settings import Settings
from core.operations.backups.keys import Keys, Opening
from core.operations.clouds.objects import Objects
from core.operations.records.repeating import repeat_erasures
from core.operations.recovery.checking import Checked, check
from core.operations.recovery.holding import hold_copy
from core.operations.transfer import books, redis_state, schema, sets
from core.operations.transfer.beside import refuse_other_keys
from core.operations.transfer.chunks import copy_in
from core.operations.transfer.differing import differing_tenants
from core.operations.transfer.digests import Digests, digest
from core.operations.transfer.documents import own_public_keys
from core.operations.transfer.errors import DigestsDiffer, SchemaDiffers, TransferError
from core.operations.transfer.filling_cache import fill_cache
from core.operations.transfer.inspecting import inspect, read_file
from core.operations.transfer.places import place_at
from core.operations.transfer.progress import Progress
from core.operations.transfer.receiving import align_partitions, open_as, refuse_unfit
from core.operations.transfer.tables import Connection, Table, settle

_AGAIN = retry(
    retry=retry_if_exception(
        lambda e: isinstance(e, psycopg.OperationalError) and not isinstance(e, psycopg.errors.DiskFull)
    ),
    stop=stop_after_attempt(5),
    wait=wait_exponential(multiplier=0.2, max=5),
    reraise=True,
)


@dataclass(kw_only=True)
class Imported:
    """What came of it."""

    manifest: dict[str, Any]
    rows: int = 0
    copied: int = 0
    """Chunks that this run wrote."""
    kept: int = 0
    """Chunks that were in from an earlier run."""
    keys: int = 0
    """Of Redis."""
    heads: int = 0
    erased: int = 0
    """Persons whom the set still knew and who are erased here."""
    checked: Checked = field(default_factory=Checked)


def import_set(
    settings: Settings,
    address: str,
    *,
    jobs: int = 2,
    trusted: Sequence[str] = (),
    with_cache: bool = True,
    say: Callable[[str], None] = lambda words: None,
) -> Imported:
    """Fills the database and Redis that the settings name. Raises TransferError and leaves the target as it was.

    After a kill or a lost connection the target stays half filled and closed: the same command goes on.
    """
    objects = place_at(address)
    manifest = sets.read_manifest(objects, believed=[*own_public_keys(settings), *trusted])
    refuse_other_keys(manifest["keys"], settings, trusted=list(trusted))
    by = Keys(settings).openings() if manifest["sealedTo"] else []
    heads = Heads(settings.heads_path, load_signing_keys(settings))
    books.refuse_foreign_heads(heads, manifest["chainHeads"])
    imported = Imported(manifest=manifest)
    cache = redis_state.connect(settings.cache_url) if with_cache else None
    with open_as(settings.owner_url, "owner") as owner:
        tables = refuse_unfit(owner, settings, manifest)
        begun = schema.standing(owner)
        if begun is None:
            _refuse_damaged(objects, manifest, by, jobs, say)
            align_partitions(owner, sets.find_json(objects, sets.SCHEMA) or {})
            _refuse_other_schema(owner, objects)
            schema.strip(owner, tables, source=manifest["id"])
    try:
        with _put_back_when_wrong(settings, jobs, say):
            _fill(settings, objects, imported, by, jobs, say)
            _finish(settings, objects, imported, jobs, say)
            imported.heads = books.sign_heads(heads, manifest["chainHeads"])
        # From here on the application may come in, and nothing is undone any more.
        schema.rebuild(settings.owner_url, jobs=jobs)
        with open_as(settings.owner_url, "owner") as owner:
            schema.forget(owner)
    except psycopg.OperationalError as error:
        raise TransferError(
            f"the target gave up ({_said(error)}); what came in stays, closed to the application: the same command "
            "goes on, `cloudbill import --clean` puts the target back"
        ) from None
    if cache is not None:
        with cache:
            imported.keys = fill_cache(cache, objects, manifest, by)
    return imported


def clean(settings: Settings, *, jobs: int = 2) -> bool:
    """Puts a half filled target back as it was; False where there is nothing to put back."""
    with open_as(settings.owner_url, "owner") as owner:
        if schema.standing(owner) is None:
            return False
    schema.put_back(settings.owner_url, jobs=jobs)
    return True


@contextmanager
def _put_back_when_wrong(settings: Settings, jobs: int, say: Callable[[str], None]) -> Generator[None]:
    """What the set or the target is to blame for is undone; a lost connection or a kill is gone on with."""
    try:
        yield
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        _put_back(settings, jobs, say)
        raise TransferError(
            f"the target refuses what the set holds ({_said(error)}); it was put back as it was"
        ) from None
    except Exception:
        _put_back(settings, jobs, say)
        raise


def _put_back(settings: Settings, jobs: int, say: Callable[[str], None]) -> None:
    say("it failed: the target is put back as it was")
    schema.put_back(settings.owner_url, jobs=jobs)


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split("\n")[0].split())


def _refuse_damaged(
    objects: Objects, manifest: dict[str, Any], by: Sequence[Opening], jobs: int, say: Callable[[str], None]
) -> None:
    findings = list(inspect(objects, manifest, by=by, jobs=jobs))
    for finding in findings[1:20]:
        say(str(finding))
    if findings:
        more = f" (and {len(findings) - 1} more findings: `cloudbill import --check`)" if len(findings) > 1 else ""
        raise _as_error(findings[0].code)(f"{findings[0].detail}{more}; nothing was imported")


def _as_error(code: str) -> type[TransferError]:
    kinds = {kind.code: kind for kind in TransferError.__subclasses__()}
    return kinds.get(code, TransferError)


def _refuse_other_schema(owner: Connection, objects: Objects) -> None:
    expected = sets.find_json(objects, sets.SCHEMA) or {}
    lines = schema.differences(expected, schema.describe(owner))
    lines = [line for line in lines if not line.startswith("grant schema public ")]  # which is closed by now
    if lines:
        raise SchemaDiffers(f"the target's schema is not the set's: {lines[0]} (and {len(lines) - 1} more)")


def _fill(
    settings: Settings,
    objects: Objects,
    imported: Imported,
    by: Sequence[Opening],
    jobs: int,
    say: Callable[[str], None],
) -> None:
    manifest = imported.manifest
    tables = {table.name: table for table, _ in sets.tables_of(manifest)}
    files = [file for file in sets.files_of(manifest) if file.table]
    with open_as(settings.mover_url, "mover") as mover:
        there = schema.copied(mover)
    progress = Progress("imported", sum(file.rows for file in files), say)
    local, opened, failed = threading.local(), list[Connection](), threading.Event()

    @_AGAIN
    def bring(file: sets.File) -> None:
        connection: Connection | None = getattr(local, "connection", None)
        if connection is None or connection.closed or connection.broken:
            connection = local.connection = settle(
                psycopg.connect(settings.mover_url, autocommit=True, connect_timeout=10)
            )
            opened.append(connection)
        plain = read_file(objects, file, by=by, sealed=bool(manifest["sealedTo"]))
        with suppress(psycopg.errors.UniqueViolation):  # the commit whose answer was lost did arrive
            _write(connection, tables[file.table], file, plain)
        progress.add(file.rows, file.plain_size)

    def work(file: sets.File) -> None:
        if failed.is_set():
            return
        try:
            bring(file)
        except BaseException:
            failed.set()
            raise

    pool = ThreadPoolExecutor(jobs)
    try:
        waiting = [file for file in files if there.get((file.table, file.number)) != file.sha256]
        imported.kept, imported.copied = len(files) - len(waiting), len(waiting)
        progress.skip(sum(file.rows for file in files) - sum(file.rows for file in waiting))
        done, _ = wait([pool.submit(work, file) for file in waiting], return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    finally:
        failed.set()
        pool.shutdown(wait=True, cancel_futures=True)
        for connection in opened:
            connection.close()
    progress.end()
    imported.rows = sum(file.rows for file in files)


def _write(connection: Connection, table: Table, file: sets.File, plain: bytes) -> None:
    with connection.transaction():
        schema.note_copied(connection, file.table, file.number, mark=file.sha256)
        if copy_in(connection, table, _pieces(plain)) != file.rows:
            raise DigestsDiffer(f"{file}: another number of rows arrived")


def _pieces(plain: bytes) -> Iterator[bytes]:
    view = memoryview(plain)
    for start in range(0, len(plain), 1 << 18):
        yield bytes(view[start : start + (1 << 18)])


def _finish(settings: Settings, objects: Objects, imported: Imported, jobs: int, say: Callable[[str], None]) -> None:
    manifest = imported.manifest
    schema.rebuild(settings.owner_url, jobs=jobs, stay_closed=True, say=say)
    with open_as(settings.mover_url, "mover") as mover:
        books.set_sequences(mover, manifest["sequences"])
        if schema.remembered(mover, "compared") is None:
            _refuse_other_rows(mover, manifest)
            schema.remember(mover, "compared", manifest["root"])
    imported.erased = asyncio.run(_erase_again(settings))
    with open_as(settings.owner_url, "owner") as owner:
        reason = f"imported from {objects.address} (set {manifest['id']})"
        if owner.execute("SELECT FROM public.worker_holds WHERE reason = %s", [reason]).rowcount == 0:
            hold_copy(settings.owner_url, reason=reason, state_of=datetime.fromisoformat(manifest["takenAt"]))
        _refuse_unopenable(owner, settings)
        _refuse_other_schema(owner, objects)
    imported.checked = asyncio.run(_check(settings))
    if imported.checked.findings:
        raise DigestsDiffer(f"the ledger that arrived does not verify: {imported.checked.findings[0]}")


def _refuse_other_rows(mover: Connection, manifest: dict[str, Any]) -> None:
    expected = Digests.from_json(manifest["digests"])
    found = digest(mover, [table for table, _ in sets.tables_of(manifest)], salt=expected.salt)
    if wrong := differing_tenants(expected, found):
        names = ", ".join(f"{table} of {tenant}" for table, tenant in wrong[:3])
        raise DigestsDiffer(f"the rows that arrived are not those that the manifest signs: {names}")
    sums = books.ledger_sums(mover)
    if sums != manifest["ledgerSums"] or books.chain_heads(mover) != manifest["chainHeads"]:
        raise DigestsDiffer("the ledger's sums or chain heads that arrived are not those that the manifest signs")


def _refuse_unopenable(owner: Connection, settings: Settings) -> None:
    sealer = Sealer(settings)
    for (sealed,) in owner.execute("SELECT private_pem_encrypted FROM public.signing_keys").fetchall():
        sealer.open(bytes(sealed))


async def _erase_again(settings: Settings) -> int:
    """By the tombstones that lie here, before anybody is let in: as the mover, who alone may write, and the owner."""
    logins = (SecretStr(settings.mover_url), SecretStr(settings.owner_url))
    mover, owner = (
        Database(settings.model_copy(update={"database_app_url": login, "database_operator_url": login}))
        for login in logins
    )
    try:
        return await repeat_erasures(mover, settings, now=wall_now(), definer=owner)
    finally:
        await mover.dispose()
        await owner.dispose()


async def _check(settings: Settings) -> Checked:
    # The mover reads all, and nobody else may come in yet.
    mover = SecretStr(settings.mover_url)
    database = Database(settings.model_copy(update={"database_app_url": mover, "database_operator_url": mover}))
    try:
        return await check(database, None)
    finally:
        await database.dispose()
