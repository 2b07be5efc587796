"""Copies that a killed drill has left: dropped by the next one, here and in a cloud, where they cost each hour.

A drill that still runs keeps its copies: it holds a lock in the original's database, which ends with its process.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress

import psycopg

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.embedded import postgres_data as files
from core.foundation.settings import Settings
from core.operations.backups.errors import BackupError
from core.operations.backups.restoring import Restores
from core.operations.clouds.base import Backups, Say
from core.operations.clouds.errors import CloudError, DatabaseNotFound
from core.operations.recovery import evidence
from core.operations.recovery.application import end_left_over

PREFIX = "drill-"
APPLICATION = "application"
"""The folder, beside a copy, of what serves it."""
BEGUN = "drill_begun"
_LOOKED_BACK = 20
_LOCK = "SELECT pg_try_advisory_lock(hashtext('cloudbill'), hashtext('drill'))"


@contextmanager
def the_only_drill(settings: Settings) -> Generator[bool]:
    """Whether no other one runs, which stays so meanwhile; false, too, where nobody can be asked."""
    try:
        connection = psycopg.connect(settings.app_url, autocommit=True, connect_timeout=10)
    except psycopg.Error:
        yield False
        return
    with connection:
        row = connection.execute(_LOCK).fetchone()
        yield row == (True,)


def clear_here(settings: Settings, say: Say) -> None:
    """Of this machine, with what served them, and the copies that a copy had made of itself."""
    restores = Restores(settings)
    for place in sorted(restores.folder.glob(f"{PREFIX}*")):
        say(f"dropping {place.name}, which a drill that was killed has left")
        clear_copy(settings, place.name)


def clear_copy(settings: Settings, name: str) -> None:
    """One of them; what cannot be dropped is left to the next."""
    restores = Restores(settings)
    with suppress(BackupError, OSError):
        place = restores.place(name)
        end_left_over(place / APPLICATION)
        for inner in (place / "home" / "restored").glob("*"):
            end_left_over(inner / APPLICATION)
            files.end_server((inner / "postgres").resolve())
            files.delete_data((inner / "postgres").resolve())
        restores.drop(name)


def begin_in_cloud(settings: Settings, backups: Backups, name: str, say: Say) -> list[str]:
    """Notes the copy that a drill is about to make, and drops those noted before of which nobody told the end; what of
    them could not be dropped, in words.

    The note is evidence, too: a drill that was killed cannot be hidden, and its copy is found by whoever drills next.
    """

    async def note() -> list[str]:
        database = Database(settings)
        try:
            begun = await evidence.list_pieces(database, kind=BEGUN, limit=_LOOKED_BACK)
            ended = await evidence.list_pieces(database, kind="drill", limit=2 * _LOOKED_BACK)
            await evidence.record(database, settings, BEGUN, {"at": wall_now(), "copy": name})
        finally:
            await database.dispose()
        gone = {copy for piece in ended for copy in piece.document.get("dropped") or ()}
        return [str(piece.document["copy"]) for piece in begun if piece.document["copy"] not in gone]

    failed: list[str] = []
    for copy in asyncio.run(note()):
        try:
            backups.drop(copy)
        except DatabaseNotFound:
            continue
        except CloudError as error:
            failed.append(f"{copy}, left by a drill that was killed, was not deleted, and costs on: {error.detail}")
        else:
            say(f"{copy}, noted by a drill that told no end, is gone")
    return failed
