"""A process of its own that makes the source's slot and holds its snapshot, so that the copy outlives the mover.

`python -m core.operations.transfer.moving.holder FOLDER`: reads the addresses from the move's folder, makes the slot,
writes `snapshot.json` and then does nothing but stay: the snapshot is gone with it. It ends when it is told to, when
the source goes, and after an hour in which nobody worked on the move.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from psycopg import pq

from core.operations.transfer.moving.errors import MoveError, SnapshotLost, named
from core.operations.transfer.moving.journal import Journal
from core.operations.transfer.moving.replication import Line, Slot

ORPHANED_SECONDS = 3600.0
_STARTED: list[subprocess.Popen[bytes]] = []
"""Children of this process until they have ended: they outlive it, or are waited for."""


class Holder:
    """The process as the mover sees it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._file = journal.folder / "snapshot.json"

    def find(self) -> Slot | None:
        """The slot and the snapshot that is held, or None when nobody holds one."""
        try:
            known = json.loads(self._file.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        if "snapshot" not in known or not self._is_alive():
            return None
        return Slot(name=known["name"], lsn=known["lsn"], snapshot=known["snapshot"])

    @property
    def pid(self) -> int | None:
        """Its process id while it lives."""
        try:
            known = json.loads(self._file.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return known.get("pid") if self._is_alive() else None

    def start(self, seconds: float = 150) -> Slot:
        """Start one, and wait for its snapshot. Raises what kept it from making one."""
        self.stop()
        self._file.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "core.operations.transfer.moving.holder", str(self._journal.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _STARTED.append(process)
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            if self._file.exists():
                known = json.loads(self._file.read_text("utf-8"))
                if "error" in known:
                    process.wait(10)
                    raise named(known["code"], known["error"])
                return Slot(name=known["name"], lsn=known["lsn"], snapshot=known["snapshot"])
            if process.poll() is not None:
                raise SnapshotLost(
                    f"what holds the source's snapshot ended with {process.returncode} before it had one"
                )
            time.sleep(0.05)
        process.kill()
        raise SnapshotLost(
            f"the source made no snapshot within {seconds:.0f} s: a transaction there has been open for longer; "
            "end it (pg_stat_activity, oldest xact_start), then `cloudbill move resume`"
        )

    def stop(self) -> None:
        """End it; its snapshot is gone."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            give_up_at = time.monotonic() + 10
            while self._is_alive() and time.monotonic() < give_up_at:
                time.sleep(0.05)
        _STARTED[:] = [process for process in _STARTED if process.poll() is None]

    def _is_alive(self) -> bool:
        """It keeps a lock as long as it lives, whatever number it has."""
        with (self._journal.folder / "holder.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False


def hold(folder: Path) -> None:
    """The process itself."""
    journal = Journal(folder)
    with (folder / "holder.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            line = Line(journal.ends().source, "snapshot")
            line.drop_slot(journal.name)
            slot = line.create_slot(journal.name)
        except MoveError as error:
            _say(folder, {"pid": os.getpid(), "error": error.detail, "code": error.code})
            return
        _say(folder, {"pid": os.getpid(), "name": slot.name, "lsn": slot.lsn, "snapshot": slot.snapshot})
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < ORPHANED_SECONDS:
            time.sleep(0.5)
            if journal.worked_on:
                idle_since = time.monotonic()
            # Reading costs the session nothing and says when the server is gone; a command would end the snapshot.
            with suppress(Exception):
                line.pgconn.consume_input()
            if line.pgconn.status != pq.ConnStatus.OK:
                return
        line.close()


def _say(folder: Path, document: dict[str, object]) -> None:
    unfinished = folder / ".snapshot.json"
    unfinished.write_text(json.dumps(document), encoding="utf-8")
    unfinished.replace(folder / "snapshot.json")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the mover's
    hold(Path(sys.argv[1]))
