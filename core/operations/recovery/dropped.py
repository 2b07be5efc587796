"""The drill of the dropped table: a copy lives on with backups of its own, loses its ledger to a DROP TABLE, and is
brought back to the moment before. All of it happens to copies.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from core.foundation.embedded.postgres import BACKUP, EmbeddedPostgres
from core.foundation.settings import Settings
from core.operations.backups.positions import windows
from core.operations.backups.restoring import Restored
from core.operations.backups.taking import catalogue_of
from core.operations.backups.watching import Watch
from core.operations.recovery.drilling import Drill, Say, prove, scratch
from core.operations.recovery.errors import NothingToDrill

TABLE = "ledger_entries"
_BEAT = timedelta(milliseconds=500)
_SECONDS = 300.0


def drill_dropped_table(settings: Settings, drill: Drill, say: Say) -> None:
    """Raises BackupError, DrillError."""
    with scratch(settings, "latest", drill, say) as victim:
        own = settings.model_copy(
            update={
                "database_backup_url": _secret(victim.server.url(BACKUP)),
                "backups_path": victim.server.data_dir.parent / "backups",
                "cloudbill_home": victim.server.data_dir.parent / "home",
                "backup_identity_path": None,
                "backup_recipients": (),
            }
        )
        with _watched(own):
            say("waiting for a base backup of the copy")
            _await("a base backup of the copy", lambda: windows(catalogue_of(own).read()))
            with say.step("dropped", f"dropping {TABLE} in the copy"):
                before, at = _drop(victim.server)
            disaster = time.monotonic()
            _await("the log of the disaster", lambda: windows(catalogue_of(own).read())[-1].end > at)
        with scratch(own, at, drill, say) as restored:
            drill.reached_at = restored.reached_at
            reached = restored.reached_at or restored.target.backup.finished_at
            drill.rpo_seconds = round((at - reached).total_seconds(), 3)
            if (after := _count(restored)) != before:
                drill.checked.find(f"{TABLE} has {after} rows; it had {before}")
            prove(
                settings,
                restored.server,
                drill,
                say,
                began=disaster,
                folder=restored.server.data_dir.parent,
            )


def _drop(server: EmbeddedPostgres) -> tuple[int, Any]:
    with psycopg.connect(server.url(), autocommit=True, connect_timeout=10) as connection:
        row = connection.execute("SELECT count(*), clock_timestamp() FROM ledger_entries").fetchone()
        assert row
        connection.execute("DROP TABLE ledger_entries CASCADE")
    return row[0], row[1]


def _count(restored: Restored) -> int:
    with psycopg.connect(restored.server.url(), connect_timeout=10) as connection:
        row = connection.execute("SELECT count(*) FROM ledger_entries").fetchone()
    return row[0] if row else 0


@contextmanager
def _watched(settings: Settings) -> Generator[None]:
    stop = threading.Event()
    watch = threading.Thread(target=Watch(settings, beat=_BEAT).run, args=(stop,), name="backups of the copy")
    watch.start()
    try:
        yield
    finally:
        stop.set()
        watch.join(30)


def _await(what: str, true: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + _SECONDS
    while not true():
        if time.monotonic() > give_up_at:
            raise NothingToDrill(f"{what} did not come within {_SECONDS:.0f} s: see `cloudbill backup list`")
        time.sleep(0.1)


def _secret(url: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(url)
