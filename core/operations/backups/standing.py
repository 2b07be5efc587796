"""How backups stand: the last attempt, the last success, what is wrong now. A small file beside the catalogue that
the worker turns into metrics and alerts; it decides nothing, so it is not signed.
"""

import os
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from core.operations.backups.catalogue import Contents
from core.operations.backups.positions import windows

NAME = "standing.json"
LATE_FACTOR = 1.5
"""A backup is missing when the last good one is older than so many intervals."""
LOG_LATE = timedelta(minutes=5)
"""The recovery point objective: a log that is further behind alerts."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the watching process saw last."""

    seen_at: datetime
    began_at: datetime
    attempted_at: datetime | None = None
    succeeded_at: datetime | None = None
    failures: int = 0
    """Attempts at a base backup since the last success."""
    last_error: str | None = None
    application_error: str | None = None
    stream_error: str | None = None
    slot: str | None = None
    """PostgreSQL's word for the slot: reserved, extended, unreserved, lost."""
    slot_lag_bytes: int = 0
    spooled_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something to alert about. `key` is stable."""

    key: str
    summary: str
    critical: bool


def write(folder: Path, standing: Standing) -> None:
    """Whole or not at all."""
    unfinished = folder / f".{NAME}.{os.getpid()}"
    unfinished.write_bytes(orjson.dumps(asdict(standing)))
    unfinished.replace(folder / NAME)


def find(folder: Path) -> Standing | None:
    """What was written last, or None."""
    try:
        fields: dict[str, Any] = orjson.loads((folder / NAME).read_bytes())
        timed: dict[str, Any] = {
            name: datetime.fromisoformat(value) if value and name.endswith("_at") else value
            for name, value in fields.items()
        }
        return Standing(**timed)
    except (OSError, ValueError, TypeError):
        return None


def last_good(contents: Contents) -> datetime | None:
    """When the newest base backup was finished."""
    return max((backup.finished_at for backup in contents.backups("database")), default=None)


def restorable(contents: Contents) -> tuple[datetime, datetime] | None:
    """From when to when every instant, or every one but holes, can be reached."""
    found = windows(contents)
    return (found[0].start, max(window.end for window in found)) if found else None


def troubles(contents: Contents, standing: Standing | None, *, now: datetime, interval: timedelta) -> list[Trouble]:
    """What is wrong with the backups of this machine."""
    found: list[Trouble] = []

    def say(key: str, summary: str, *, critical: bool = True) -> None:
        found.append(Trouble(key=key, summary=summary, critical=critical))

    if contents.faults:
        say("catalogue", f"The catalogue of backups cannot be believed: {contents.faults[0][1]}.")
    good = last_good(contents)
    began = standing.began_at if standing else None
    late = interval * LATE_FACTOR
    if good is None and began is not None and now - began > timedelta(minutes=15):
        say("missing", "There is no base backup.")
    elif good is not None and now - good > late:
        say("missing", f"The last good base backup is of {good:%Y-%m-%d %H:%M} UTC, older than {late}.")
    if standing is None:
        return found
    if standing.failures:
        say("failed", f"The last {standing.failures} attempts at a base backup failed: {standing.last_error}.")
    if standing.application_error:
        say("application", f"The last backup of the application failed: {standing.application_error}.")
    if standing.slot == "lost":
        say("slot", "The replication slot was lost: the log has a hole, and a new base backup is needed.")
    elif standing.slot == "unreserved":
        say("slot", "The replication slot is about to be lost: the log is not fetched fast enough.", critical=False)
    reached = max((found.until for found in contents.coverage.values() if found.until), default=None)
    behind = now - (reached or began or now)
    if behind > LOG_LATE:
        why = f" ({standing.stream_error})" if standing.stream_error else ""
        say("log", f"The log is archived up to {behind.total_seconds() / 60:.0f} minutes ago only{why}.")
    if now - standing.seen_at > LOG_LATE:
        say("silent", f"Nothing has looked after the backups since {standing.seen_at:%Y-%m-%d %H:%M} UTC.")
    return found
