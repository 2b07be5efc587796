"""What looks after the backups for as long as it runs: streams the log, commits a heartbeat, archives, takes base
backups when they are due, drops what is too old, and says how it stands. Nothing here ends because something fails.
"""

import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from core.foundation.clock import wall_now
from core.foundation.settings import Settings
from core.foundation.telemetry import log
from core.operations.backups import asking
from core.operations.backups import standing as standings
from core.operations.backups.application import take_application
from core.operations.backups.archiving import Archive
from core.operations.backups.copying import copy_elsewhere
from core.operations.backups.errors import BackupError
from core.operations.backups.positions import parse_lsn
from core.operations.backups.pruning import prune
from core.operations.backups.receiving import Receiver
from core.operations.backups.standing import Standing
from core.operations.backups.taking import backup_url, catalogue_of, take

SLOT = "cloudbill_backup"
BEAT = timedelta(seconds=5)
RETRY = timedelta(minutes=5)
"""After a base backup that failed."""
MOST_SPOOLED_BYTES = 2 * 2**30
"""With more waiting than this the log is left to PostgreSQL, which lets go of it at max_slot_wal_keep_size."""

_LOG = log("backups")


class _Slot(NamedTuple):
    """As PostgreSQL sees it; `received` is on our disk."""

    state: str
    received: int
    lag_bytes: int


class Watch:
    """One watch over the backups of one database."""

    def __init__(self, settings: Settings, *, beat: timedelta = BEAT) -> None:
        self._settings, self._url, self._beat = settings, backup_url(settings), beat
        self._catalogue = catalogue_of(settings)
        self._connection: psycopg.Connection[Any] | None = None
        self._archive: Archive | None = None
        self._system: str | None = None
        self._receiver: Receiver | None = None
        self._taking: threading.Thread | None = None
        self._due = threading.Event()
        now = wall_now()
        known = standings.find(self._catalogue.folder)
        self._standing = Standing(
            seen_at=now,
            began_at=known.began_at if known else now,
            succeeded_at=known.succeeded_at if known else None,
        )
        self._pruned_at: datetime | None = None
        self._copy_error: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        self._catalogue.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            while not stop.is_set():
                started = time.monotonic()
                self._round(stop)
                stop.wait(max(0.05, self._beat.total_seconds() - (time.monotonic() - started)))
        finally:
            self._stop_receiver()
            if self._connection:
                self._connection.close()
            if self._taking:
                self._taking.join(timeout=1)

    def _round(self, stop: threading.Event) -> None:
        error: str | None = None
        try:
            self._follow()
        except (BackupError, psycopg.Error, OSError) as failure:
            error = _said(failure)
            if self._standing.stream_error != error:
                _LOG.warning("log_not_archived", error=error)
            if isinstance(failure, psycopg.Error) and self._connection:
                with suppress(psycopg.Error):
                    self._connection.close()
                self._connection = None
        self._note(seen_at=wall_now(), stream_error=error)
        self._take_when_due()
        self._prune_when_due()

    def _follow(self) -> None:
        """One heartbeat, and whatever of the log has come since the last one into the archive."""
        connected = self._connected()
        slot = self._keep_slot(connected)
        assert self._archive
        self._archive.beat(*_heartbeat(connected))
        self._note(slot=slot.state, slot_lag_bytes=slot.lag_bytes, spooled_bytes=self._archive.spooled_bytes())
        self._keep_receiving()
        self._archive.ship(slot.received)
        self._copy_elsewhere()

    def _copy_elsewhere(self) -> None:
        """A place that cannot be written is a trouble of its own; the log goes on into the first."""
        try:
            copy_elsewhere(self._settings, self._catalogue)
        except (BackupError, OSError) as failure:
            if self._copy_error != _said(failure):
                _LOG.error("backups_not_copied", error=_said(failure))
            self._copy_error = _said(failure)
            raise BackupError(f"the copy in BACKUPS_COPY_PATH is behind: {_said(failure)}") from None
        self._copy_error = None

    def _connected(self) -> psycopg.Connection[Any]:
        if self._url != (url := backup_url(self._settings)):
            self._url = url  # another server serves since a failover: its log is another branch
            self._stop_receiver()
            if self._connection:
                self._connection.close()
            self._due.set()
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
            row = self._connection.execute(
                "SELECT system_identifier::text, pg_size_bytes(current_setting('wal_segment_size'))"
                " FROM pg_control_system()"
            ).fetchone()
            assert row
            self._system = row[0]
            spool = self._settings.cloudbill_home.absolute() / "log-received" / row[0]
            spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._archive = Archive(
                self._catalogue,
                spool,
                system=row[0],
                segment_bytes=row[1],
                keep_free_bytes=self._settings.backup_keep_free_bytes,
            )
        return self._connection

    def _keep_slot(self, connected: psycopg.Connection[Any]) -> _Slot:
        """The slot as it is. A lost one is replaced, and the hole noted."""
        row = connected.execute(
            "SELECT coalesce(wal_status, 'reserved'), restart_lsn::text,"
            " coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint"
            " FROM pg_replication_slots WHERE slot_name = %s",
            [SLOT],
        ).fetchone()
        if row is not None and row[0] == "lost":
            assert self._archive
            self._stop_receiver()
            self._archive.note_gap("the replication slot was lost")
            _LOG.error("slot_lost", slot=SLOT)
            connected.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
            _empty(self._archive.spool)
            row = None
            self._due.set()
        if row is None:
            connected.execute("SELECT pg_create_physical_replication_slot(%s, true)", [SLOT])
            return _Slot("reserved", 0, 0)
        return _Slot(row[0], parse_lsn(row[1]) if row[1] else 0, row[2])

    def _keep_receiving(self) -> None:
        assert self._archive
        if self._archive.spooled_bytes() > MOST_SPOOLED_BYTES:
            self._stop_receiver()
            raise BackupError("what was received of the log waits for room in the folder of backups")
        if self._receiver is not None and self._receiver.running:
            return
        if self._receiver is not None:
            _LOG.warning("receiver_ended", said=self._receiver.said())
        self._receiver = Receiver(
            self._url,
            slot=SLOT,
            spool=self._archive.spool,
            log=self._settings.cloudbill_home.absolute() / "log" / "log-received.log",
        )
        self._receiver.start()

    def _stop_receiver(self) -> None:
        if self._receiver:
            self._receiver.stop()
            self._receiver = None

    def _take_when_due(self) -> None:
        if self._taking is not None and self._taking.is_alive():
            return
        contents, now = self._catalogue.read(), wall_now()
        if contents.faults or self._system is None:
            return
        made = [found.started_at for found in contents.backups("database") if found.system == self._system]
        newest = max(made, default=None)
        tried = self._standing.attempted_at
        due = newest is None or now - newest >= self._settings.backup_interval or self._due.is_set()
        asked = asking.find_asked(self._catalogue.folder)
        if asked and asking.take_back(self._catalogue.folder, asked.id):
            self._begin_taking(asked.id)
        elif due and (self._standing.failures == 0 or tried is None or now - tried >= RETRY):
            self._begin_taking(None)

    def _begin_taking(self, asked: str | None) -> None:
        self._taking = threading.Thread(target=self._take, args=(asked,), name="base backup", daemon=True)
        self._taking.start()

    def _answer(self, asked: str | None, *, backup: str | None = None, error: str | None = None) -> None:
        if asked is not None:
            with suppress(OSError):
                asking.answer(self._catalogue.folder, asking.Answered(id=asked, backup=backup, error=error))

    def _take(self, asked: str | None = None) -> None:
        reason = "scheduled" if asked is None else "asked for"
        self._note(attempted_at=wall_now())
        try:
            backup = take(self._settings, reason=reason)
        except Exception as error:
            self._note(failures=self._standing.failures + 1, last_error=_said(error))
            _LOG.error("backup_failed", error=_said(error))
            self._answer(asked, error=_said(error))
            return
        self._due.clear()
        self._note(failures=0, last_error=None, succeeded_at=backup.finished_at)
        _LOG.info("backup_taken", backup=backup.id, bytes=backup.size)
        # The database alone is not the installation: its secrets and signed heads go with it.
        failure: str | None = None
        try:
            take_application(self._settings, reason=reason, with_states=False)
        except Exception as error:
            failure = _said(error)
            _LOG.error("application_backup_failed", error=failure)
        self._note(application_error=failure)
        self._answer(asked, backup=backup.id, error=failure and f"the application's part failed: {failure}")

    def _prune_when_due(self) -> None:
        now = wall_now()
        if self._pruned_at is not None and now - self._pruned_at < timedelta(hours=1):
            return
        self._pruned_at = now
        with suppress(BackupError, OSError):
            dropped = prune(self._settings, now=now)
            if dropped:
                _LOG.info("backups_pruned", dropped=len(dropped))

    def _note(self, **changes: Any) -> None:
        self._standing = replace(self._standing, **changes)
        with suppress(OSError):
            standings.write(self._catalogue.folder, self._standing)


def _heartbeat(connected: psycopg.Connection[Any]) -> tuple[datetime, int]:
    """A commit, so that every instant up to the one returned has one after it; and a position behind it."""
    with connected.transaction():
        row = connected.execute("SELECT clock_timestamp(), pg_current_xact_id()").fetchone()
    after = connected.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
    assert row
    assert after
    return row[0], parse_lsn(after[0])


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink(missing_ok=True)


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
