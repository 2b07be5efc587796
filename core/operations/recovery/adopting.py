"""Putting a restored copy in the place of the embedded database. What was there is set aside, never deleted.

The signed heads of ledgers and audit logs may be ahead of the copy, since they are kept outside the database: they are
set aside, too, and signed anew from the copy's chains, after each was seen to be a beginning of the one that was
signed. Whoever was erased since is erased again, before the copy serves.
"""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from core.billing.ledger.heads import Head, HeadForged, Heads
from core.billing.ledger.signing import load_signing_keys
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.embedded.postgres import DATABASE, EmbeddedPostgres
from core.foundation.embedded.secret_files import SecretFiles
from core.foundation.settings import Settings
from core.operations.backups.restoring import Restores
from core.operations.records import erasing
from core.operations.records.repeating import repeat_erasures
from core.operations.records.sealing import audit_heads
from core.operations.recovery import evidence, numbers
from core.operations.recovery.application import settings_of_copy
from core.operations.recovery.errors import CopyContradicts


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What was put in place, and where what it replaced now lies."""

    set_aside: list[Path]
    shortened: int
    """Tenants whose signed chain had gone on after the copy's instant."""
    erased: int
    """Persons who were erased again."""


def adopt(settings: Settings, name: str) -> Adopted:
    """The installation must be down. Raises UnknownBackup, CopyContradicts, EmbeddedServerError, changing nothing."""
    restores, now = Restores(settings), wall_now()
    server = restores.server(name)
    if port := restores.port(name):
        server.port = port
    else:
        server.start()
    try:
        chains = _chains(settings)
        shortened = [chain.compare(server) for chain in chains][0]
    except BaseException:
        _stop(restores, server, name)
        raise
    home, stamp = settings.cloudbill_home.absolute(), f"replaced-{now:%Y%m%dT%H%M%SZ}"
    moves = [(settings.heads_path, settings.heads_path.with_name(f"{settings.heads_path.name}.{stamp}"))]
    moves += [(home / "postgres", home / f"postgres.{stamp}"), (server.data_dir, home / "postgres")]
    done: list[tuple[Path, Path]] = []
    try:
        _move(moves[0], done)
        _renew(settings, chains, moves[0][1])
        erased = asyncio.run(_keep(settings, server, name, now=now, shortened=shortened))
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
    return Adopted(
        set_aside=[target for _, target in done if target != home / "postgres"], shortened=shortened, erased=erased
    )


def adopt_heads(settings: Settings, server: EmbeddedPostgres) -> int:
    """Signs the heads anew from a running copy that took the original's place; how many ledgers are shorter than were
    signed.

    What was signed is set aside. With no chain shorter nothing is changed. Raises CopyContradicts.
    """
    chains = _chains(settings)
    shortened = [chain.compare(server) for chain in chains]
    if any(shortened):
        aside = settings.heads_path.with_name(f"{settings.heads_path.name}.replaced-{wall_now():%Y%m%dT%H%M%SZ}")
        settings.heads_path.rename(aside)
        _renew(settings, chains, aside)
    return shortened[0]


def _stop(restores: Restores, server: EmbeddedPostgres, name: str) -> None:
    server.stop()
    restores.stop(name)  # also where another process of ours started it


@dataclass
class _Chain:
    """A kind of chain of which each tenant has one."""

    name: str
    table: str
    members: str
    heads: Heads
    ends: dict[UUID, Head]

    def compare(self, server: EmbeddedPostgres) -> int:
        """How many were signed further than the copy goes; one that is another chain is refused."""
        shortened = 0
        with psycopg.connect(server.admin_url(DATABASE), connect_timeout=10) as connection:
            self.ends = self._read(connection)
            for tenant_id in self.heads.tenants():
                try:
                    signed = self.heads.find(tenant_id)
                except HeadForged as forged:
                    raise CopyContradicts(f"{forged}: put the right file back first") from None
                end = self.ends.get(tenant_id)
                if signed is None or signed.number == 0:
                    continue
                if end is None or signed.number > end.number:
                    shortened += 1
                    continue
                found = sql.SQL("SELECT hash FROM {} WHERE tenant_id = %s AND number = %s")
                row = connection.execute(
                    found.format(sql.Identifier(self.table)), [tenant_id, signed.number]
                ).fetchone()
                if row is None or bytes(row[0]) != signed.hash:
                    raise CopyContradicts(
                        f"block {signed.number} of tenant {tenant_id} is not the one that was signed: this copy's "
                        f"{self.name} was altered, or is another installation's; restore another backup"
                    )
        return shortened

    def sign(self) -> None:
        """As far as the copy goes."""
        self.heads.folder.mkdir(parents=True, exist_ok=True)
        for head in self.ends.values():
            self.heads.advance(head)

    def _read(self, connection: psycopg.Connection[Any]) -> dict[UUID, Head]:
        known = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"public.{self.table}"]).fetchone()
        if known != (True,):
            return {}
        ends = sql.SQL(
            "SELECT DISTINCT ON (b.tenant_id) b.tenant_id, b.number, b.hash, (SELECT sum(cardinality(a.{members}))"
            " FROM {table} a WHERE a.tenant_id = b.tenant_id)::bigint, b.sealed_at"
            " FROM {table} b ORDER BY b.tenant_id, b.number DESC"
        ).format(members=sql.Identifier(self.members), table=sql.Identifier(self.table))
        return {row[0]: Head(row[0], row[1], bytes(row[2]), row[3], row[4]) for row in connection.execute(ends)}


def _chains(settings: Settings) -> list[_Chain]:
    ledger = Heads(settings.heads_path, load_signing_keys(settings))
    return [
        _Chain("ledger", "ledger_blocks", "transaction_ids", ledger, {}),
        _Chain("audit log", "audit_blocks", "entry_ids", audit_heads(settings), {}),
    ]


def _renew(settings: Settings, chains: list[_Chain], aside: Path) -> None:
    for chain in chains:
        chain.sign()
    erasing.carry_over(aside, settings.heads_path)
    numbers.carry_over(aside, settings.heads_path)


async def _keep(settings: Settings, server: EmbeddedPostgres, name: str, *, now: datetime, shortened: int) -> int:
    database = Database(settings_of_copy(settings, server))
    try:
        erased = await repeat_erasures(database, settings, now=now)
        document = {"at": now, "adopted": name, "shortened_chains": shortened, "erased_again": erased}
        await evidence.record(database, settings, "restore", document)
        return erased
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
