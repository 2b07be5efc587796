"""Asking whoever looks after the backups for one now: the worker may not replicate, so it leaves a word beside the
catalogue and waits for the answer.
"""

import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import orjson

_ASKED, _ANSWERED = "asked.json", "answered.json"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A backup that somebody wants now."""

    id: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came of it: the backup's name, or what went wrong."""

    id: str
    backup: str | None
    error: str | None


def ask(folder: Path, asked: Asked) -> None:
    """Leaves the word; one that was left before is overwritten."""
    _write(folder / _ASKED, asdict(asked))


def take_back(folder: Path, asked_id: str) -> bool:
    """Whether it still waited; then nobody takes it up any more."""
    asked = find_asked(folder)
    if asked is None or asked.id != asked_id:
        return False
    (folder / _ASKED).unlink(missing_ok=True)
    return True


def find_asked(folder: Path) -> Asked | None:
    """What waits to be taken up."""
    fields = _read(folder / _ASKED)
    try:
        return Asked(id=str(fields["id"]), at=datetime.fromisoformat(fields["at"])) if fields else None
    except (KeyError, TypeError, ValueError):
        return None


def answer(folder: Path, answered: Answered) -> None:
    """Says what came of it."""
    _write(folder / _ANSWERED, asdict(answered))


def find_answer(folder: Path, asked_id: str) -> Answered | None:
    """What came of that one, once it is known."""
    fields = _read(folder / _ANSWERED)
    if not fields or fields.get("id") != asked_id:
        return None
    return Answered(id=asked_id, backup=fields.get("backup"), error=fields.get("error"))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _write(path: Path, fields: dict[str, Any]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(orjson.dumps(fields))
    unfinished.replace(path)
