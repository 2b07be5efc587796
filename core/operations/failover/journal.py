"""What a failover has done so far, on the disk before and after each step, so that a killed one goes on."""

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.foundation.clock import wall_now
from core.foundation.ids import new_id
from core.operations.failover.errors import UnderWay

Document = dict[str, Any]


class Journal:
    """One failover: `given` is what was asked, `steps` what came of each step."""

    def __init__(self, path: Path, document: Document) -> None:
        self._path = path
        self.document = document

    @property
    def id(self) -> str:
        """Also in the fence's reasons and the worker's hold, so that a step finds what it did before."""
        return str(self.document["id"])

    @property
    def given(self) -> Document:
        """What was asked for."""
        return self.document["given"]

    @property
    def is_open(self) -> bool:
        """Whether something is left to do."""
        return self.document["ended_at"] is None

    def began(self, step: str) -> bool:
        """Whether the step was begun, perhaps not ended."""
        return step in self.document["steps"]

    def result(self, step: str) -> Document | None:
        """What came of it; None while it is not done."""
        return self.document["steps"].get(step, {}).get("result")

    def begin(self, step: str) -> None:
        """On the disk before anything is changed."""
        self.document["steps"].setdefault(step, {"began_at": _now(), "result": None})
        self._write()

    def end(self, step: str, result: Document) -> None:
        """On the disk before the next step."""
        self.document["steps"][step] |= {"ended_at": _now(), "result": result}
        self._write()

    def close(self, outcome: str) -> None:
        """Nothing is left to do."""
        self.document |= {"ended_at": _now(), "outcome": outcome}
        self._write()

    def _write(self) -> None:
        unfinished = self._path.with_suffix(".writing")
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(self.document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Journals:
    """All failovers of an installation or a stack, in one folder; one runs at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def alone(self) -> Generator[None]:
        """Raises UnderWay while another command runs one here."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UnderWay("another command runs a failover here: wait for it") from None
            yield
        finally:
            os.close(lock)

    def last(self) -> Journal | None:
        """The newest, done or not."""
        paths = sorted(self._folder.glob("failover-*.json"))
        return _read(paths[-1]) if paths else None

    def last_done(self) -> Journal | None:
        """The newest that came to its end."""
        for path in sorted(self._folder.glob("failover-*.json"), reverse=True):
            journal = _read(path)
            if journal.document.get("outcome") == "done":
                return journal
        return None

    def done(self) -> list[Journal]:
        """All that came to their end, the oldest first."""
        found = [_read(path) for path in sorted(self._folder.glob("failover-*.json"))]
        return [journal for journal in found if journal.document.get("outcome") == "done"]

    def start(self, **given: Any) -> Journal:
        """A new one."""
        found = new_id()
        document: Document = {"id": str(found), "began_at": _now(), "given": given, "steps": {}, "ended_at": None}
        return Journal(self._folder / f"failover-{found}.json", document)


def _read(path: Path) -> Journal:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Journal(path, {**document, "id": document["id"], "given": document["given"], "steps": document["steps"]})
    except (ValueError, KeyError, TypeError):
        raise UnderWay(
            f"{path} cannot be read: it says how far a failover came. Ask both servers for their write_standing(), "
            "see who serves, then move it away"
        ) from None


def _now() -> str:
    return wall_now().isoformat()
