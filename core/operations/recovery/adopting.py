"""Putting a restored copy in the place of the embedded database. What was there is set aside, never deleted.

The ledger's signed heads may be ahead of the copy, since they are kept outside the database: they are set aside, too,
and signed anew from the copy's chains, after each was seen to be a beginning of the one that was signed.
"""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg

from core.billing.ledger.heads import Head, HeadForged, Heads
from core.billing.ledger.signing import load_signing_keys
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.embedded.postgres import DATABASE, EmbeddedPostgres
from core.foundation.embedded.secret_files import SecretFiles
from core.foundation.settings import Settings
from core.operations.backups.restoring import Restores
from core.operations.recovery import evidence
from core.operations.recovery.application import settings_of_copy
from core.operations.recovery.errors import CopyContradicts


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What was put in place, and where what it replaced now lies."""

    set_aside: list[Path]
    shortened: int
    """Tenants whose signed chain had gone on after the copy's instant."""


def adopt(settings: Settings, name: str) -> Adopted:
    """The installation must be down. Raises UnknownBackup, CopyContradicts, EmbeddedServerError, changing nothing."""
    restores, now = Restores(settings), wall_now()
    server = restores.server(name)
    if port := restores.port(name):
        server.port = port
    else:
        server.start()
    try:
        ends = _ends(server)
        shortened = _compare(settings, server, ends)
    except BaseException:
        _stop(restores, server, name)
        raise
    home, stamp = settings.cloudbill_home.absolute(), f"replaced-{now:%Y%m%dT%H%M%SZ}"
    moves = [(settings.heads_path, settings.heads_path.with_name(f"{settings.heads_path.name}.{stamp}"))]
    moves += [(home / "postgres", home / f"postgres.{stamp}"), (server.data_dir, home / "postgres")]
    done: list[tuple[Path, Path]] = []
    try:
        _move(moves[0], done)
        _sign(settings, ends)
        asyncio.run(_keep(settings, server, name, now=now, shortened=shortened))
        _stop(restores, server, name)
        for move in moves[1:]:
            _move(move, done)
    except BaseException:
        for source, target in reversed(done):
            if source == settings.heads_path:
                shutil.rmtree(source, ignore_errors=True)
            target.rename(source)
        raise
    _take_passwords(server, home)
    shutil.rmtree(server.data_dir.parent, ignore_errors=True)
    shutil.rmtree(home / "valkey", ignore_errors=True)  # what it remembers is of the other database
    return Adopted(set_aside=[target for _, target in done if target != home / "postgres"], shortened=shortened)


def adopt_heads(settings: Settings, server: EmbeddedPostgres) -> int:
    """Signs the heads anew from a running copy that took the original's place; how many chains are shorter than signed.

    What was signed is set aside. With none shorter nothing is changed. Raises CopyContradicts.
    """
    ends = _ends(server)
    shortened = _compare(settings, server, ends)
    if shortened:
        aside = settings.heads_path.with_name(f"{settings.heads_path.name}.replaced-{wall_now():%Y%m%dT%H%M%SZ}")
        settings.heads_path.rename(aside)
        _sign(settings, ends)
    return shortened


def _stop(restores: Restores, server: EmbeddedPostgres, name: str) -> None:
    server.stop()
    restores.stop(name)  # also where another process of ours started it


def _ends(server: EmbeddedPostgres) -> dict[UUID, Head]:
    with psycopg.connect(server.admin_url(DATABASE), connect_timeout=10) as connection:
        rows = connection.execute(
            "SELECT DISTINCT ON (b.tenant_id) b.tenant_id, b.number, b.hash, (SELECT sum(cardinality(transaction_ids))"
            " FROM ledger_blocks a WHERE a.tenant_id = b.tenant_id)::bigint, b.sealed_at"
            " FROM ledger_blocks b ORDER BY b.tenant_id, b.number DESC"
        ).fetchall()
    return {row[0]: Head(row[0], row[1], bytes(row[2]), row[3], row[4]) for row in rows}


def _compare(settings: Settings, server: EmbeddedPostgres, ends: dict[UUID, Head]) -> int:
    """How many chains were signed further than they go; a chain that is another one is refused."""
    heads, shortened = Heads(settings.heads_path, load_signing_keys(settings)), 0
    with psycopg.connect(server.admin_url(DATABASE), connect_timeout=10) as connection:
        for tenant_id in heads.tenants():
            try:
                signed = heads.find(tenant_id)
            except HeadForged as forged:
                raise CopyContradicts(f"{forged}: put the right file back first") from None
            end = ends.get(tenant_id)
            if signed is None or signed.number == 0:
                continue
            if end is None or signed.number > end.number:
                shortened += 1
                continue
            row = connection.execute(
                "SELECT hash FROM ledger_blocks WHERE tenant_id = %s AND number = %s", [tenant_id, signed.number]
            ).fetchone()
            if row is None or bytes(row[0]) != signed.hash:
                raise CopyContradicts(
                    f"block {signed.number} of tenant {tenant_id} is not the one that was signed: this copy's ledger "
                    "was altered, or is another installation's; restore another backup"
                )
    return shortened


def _sign(settings: Settings, ends: dict[UUID, Head]) -> None:
    heads = Heads(settings.heads_path, load_signing_keys(settings))
    settings.heads_path.mkdir(parents=True, exist_ok=True)
    for head in ends.values():
        heads.advance(head)


async def _keep(settings: Settings, server: EmbeddedPostgres, name: str, *, now: datetime, shortened: int) -> None:
    database = Database(settings_of_copy(settings, server))
    try:
        document = {"at": now, "adopted": name, "shortened_chains": shortened}
        await evidence.record(database, settings, "restore", document)
    finally:
        await database.dispose()


def _move(move: tuple[Path, Path], done: list[tuple[Path, Path]]) -> None:
    source, target = move
    if source.exists() or source.is_symlink():
        source.rename(target)
        done.append(move)


def _take_passwords(server: EmbeddedPostgres, home: Path) -> None:
    secrets = SecretFiles(home / "secrets")
    for path in server.secrets.folder.glob("postgres-*"):
        if word := server.secrets.find(path.name):
            secrets.put(path.name, word)
