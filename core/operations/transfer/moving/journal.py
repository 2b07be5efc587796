"""What a move remembers on disk (CLOUDBILL_HOME/moves/ID): how far it is, and the addresses of its two servers.

`journal.json` is replaced whole and is on the disk when a step counts as done; `status.json` is how it stands this
second, for `cloudbill move status`; `addresses.json` and `beside.json` (readable by their owner alone) have the
passwords, until the end.
"""

import errno
import fcntl
import json
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from core.foundation.clock import wall_now
from core.foundation.ids import new_id
from core.operations.transfer.moving.errors import DiskFull, MoveUnderWay, MoveUnknown
from core.operations.transfer.moving.servers import Endpoint

PHASES = (
    "preparing",
    "copying",
    "rebuilding",
    "following",
    "switching",
    "switched",
    "rolling back",
    "rolled back",
    "finished",
    "aborting",
    "aborted",
)
ENDED = ("rolled back", "finished", "aborted")


@dataclass(frozen=True)
class Ends:
    """The two servers: the mover's login on each, and the owner's on the one that is filled."""

    source: Endpoint
    target: Endpoint
    target_owner: Endpoint

    @classmethod
    def of(cls, source: str, target: str, target_owner: str) -> "Ends":
        """From addresses. Raises ServerUnreachable for one that cannot be read."""
        return cls(Endpoint("source", source), Endpoint("target", target), Endpoint("target", target_owner))


class Journal:
    """One move's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document: dict[str, Any] = json.loads((folder / "journal.json").read_text("utf-8"))

    @classmethod
    def create(cls, home: Path, ends: Ends, *, beside: dict[str, Any] | None = None) -> "Journal":
        """A new move; `beside` says what comes along."""
        move_id = new_id()
        folder = home / "moves" / str(move_id)
        folder.mkdir(mode=0o700, parents=True)
        short = move_id.hex[-12:]
        document: dict[str, Any] = {
            "id": str(move_id),
            "phase": "preparing",
            "from": ends.source.place,
            "to": ends.target.place,
            "name": f"cloudbill_move_{short}",
            "back": f"cloudbill_move_{short}_b",
            "history": [],
        }
        _write(folder / "addresses.json", [ends.source.url, ends.target.url, ends.target_owner.url])
        _write(folder / "beside.json", beside or {})
        _write(folder / "journal.json", document)
        journal = cls(folder)
        journal.enter("preparing")
        return journal

    @property
    def id(self) -> UUID:
        """The move's id."""
        return UUID(self.document["id"])

    @property
    def phase(self) -> str:
        """How far it is."""
        return self.document["phase"]

    @property
    def name(self) -> str:
        """Of the slot and the publication on the source."""
        return self.document["name"]

    @property
    def back(self) -> str:
        """Of the slot and the publication on the target."""
        return self.document["back"]

    def ends(self) -> Ends:
        """The addresses it was started with. Raises MoveUnknown once they were forgotten."""
        try:
            source, target, owner = json.loads((self.folder / "addresses.json").read_text("utf-8"))
        except FileNotFoundError:
            raise MoveUnknown(f"the move {self.id} has ended; its certificate lies in {self.folder}") from None
        return Ends.of(source, target, owner)

    def beside(self) -> dict[str, Any]:
        """What comes along beside the database; nothing once it was forgotten."""
        try:
            return json.loads((self.folder / "beside.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}

    def enter(self, phase: str, **more: Any) -> None:
        """A phase begins; on the disk when this returns."""
        self.document["phase"] = phase
        self.document["history"].append([phase, wall_now().isoformat(timespec="milliseconds")])
        self.note(**more)

    def note(self, **more: Any) -> None:
        """Remember; on the disk when this returns."""
        self.document.update(more)
        _write(self.folder / "journal.json", self.document)

    def keep(self, name: str, document: dict[str, Any]) -> None:
        """A document of its own beside the journal; on the disk when this returns."""
        _write(self.folder / name, document)

    def show(self, status: dict[str, Any]) -> None:
        """How it stands this second. A disk that is full shall not stop what goes on without it."""
        with suppress(DiskFull):
            _write(self.folder / "status.json", status, sync=False)

    def shown(self) -> dict[str, Any]:
        """What was shown last."""
        try:
            return json.loads((self.folder / "status.json").read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return {}

    def ask(self, word: str) -> None:
        """Ask the process that works on it for something: `stop` or `switch`."""
        (self.folder / f"asked-{word}").touch()

    def is_asked(self, word: str) -> bool:
        """Whether somebody asked."""
        return (self.folder / f"asked-{word}").exists()

    def answered(self, word: str) -> None:
        """It was done."""
        (self.folder / f"asked-{word}").unlink(missing_ok=True)

    def forget_addresses(self) -> None:
        """The passwords are not needed any more."""
        for name in ("addresses.json", "beside.json"):
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def claimed(self) -> Generator[None]:
        """One process at a time works on a move. Raises MoveUnderWay, naming the other."""
        with (self.folder / "lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise MoveUnderWay(
                    f"process {lock.read().strip() or '?'} works on the move {self.id}: `cloudbill move status` shows "
                    "it; ask it to end with `cloudbill move stop`"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    @property
    def worked_on(self) -> bool:
        """Whether a process holds it now."""
        with (self.folder / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False


def journals(home: Path) -> list[Journal]:
    """All moves of this machine, oldest first."""
    folder = home / "moves"
    found = sorted(path.parent for path in folder.glob("*/journal.json")) if folder.is_dir() else []
    return [Journal(path) for path in found]


def find(home: Path, move_id: str | None) -> Journal:
    """The move of that id (its end is enough), or the newest that has not ended, or the newest."""
    known = journals(home)
    if move_id:
        for journal in known:
            if str(journal.id).endswith(move_id):
                return journal
        raise MoveUnknown(f"no move {move_id} in {home / 'moves'}: `cloudbill move status --all` lists them")
    if not known:
        raise MoveUnknown(f"no move was started here ({home / 'moves'}): `cloudbill move start --from … --to …`")
    return next((journal for journal in reversed(known) if journal.phase not in ENDED), known[-1])


def _write(path: Path, document: Any, *, sync: bool = True) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=1 if len(document) < 100 else None, default=str))
            if sync:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"no space left for the move's own notes in {path.parent}, on this machine: make room there, then "
            "`cloudbill move resume`"
        ) from None
