"""How recovery stands: what the place that the settings name says of backups, standbys and services, and whether the
evidence holds. The worker looks, and stores it part by part, so that the API never asks a cloud.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.errors import CloudBillError
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings, SettingsInvalid
from core.foundation.telemetry import log
from core.operations.backups import measuring, standing
from core.operations.backups.catalogue import Contents
from core.operations.backups.keys import Keys
from core.operations.backups.positions import windows
from core.operations.clouds import base
from core.operations.clouds.base import Place, Span, StoredBackup
from core.operations.recovery import evidence, numbers
from core.operations.recovery.timeline import timeline

if TYPE_CHECKING:
    from core.operations.failover.grounds import Ground

LOOK_EVERY = timedelta(minutes=1)
LOOK_EVERY_HERE = timedelta(seconds=15)
"""On this machine: files are read, nobody is asked."""
MANAGED_BACKUP_INTERVAL = timedelta(days=1)
MANAGED_LOG_LATE = timedelta(minutes=10)
"""A cloud says every five minutes how far it can restore."""

_LOG = log("recovery")
Document = dict[str, Any]


def place_of(settings: Settings) -> tuple[Place, str] | None:
    """The cloud that the installation runs in, and what its database is called there; None on a machine of its own."""
    if settings.cloud == "local":
        return None
    place = Place(cloud=settings.cloud, region=settings.cloud_region or "", project=settings.cloud_project)
    return place, settings.cloud_database or ""


def look_every(settings: Settings) -> timedelta:
    """How often it is looked."""
    return LOOK_EVERY if place_of(settings) else LOOK_EVERY_HERE


async def look(runtime: Runtime) -> None:
    """Looks at each part and stores what was seen, or why nothing was."""
    settings, database = runtime.settings, runtime.database
    managed = place_of(settings)
    parts: dict[str, Callable[[], Awaitable[Document]]] = {
        "backups": lambda: asyncio.to_thread(_backups, settings, managed, wall_now()),
        "evidence": lambda: _evidence(database, settings),
        numbers.PART: lambda: numbers.see_numbers(database, settings),
    }
    if managed is not None:
        parts["standbys"] = lambda: asyncio.to_thread(_standbys, *managed)
        parts["watched"] = lambda: asyncio.to_thread(_watched, *managed)
        parts["failover"] = lambda: asyncio.to_thread(_failover_there, settings, *managed)
    elif (settings.cloudbill_home / "postgres").exists():
        # Only the embedded database has standbys that can be seen from here.
        parts["standbys"] = lambda: asyncio.to_thread(_standbys_here, settings)
        parts["failover"] = lambda: asyncio.to_thread(_failover_here, settings)
    for part, see in parts.items():
        await _keep(database, part, see)


async def _keep(database: Database, part: str, see: Callable[[], Awaitable[Document]]) -> None:
    document, error = None, None
    try:
        document = orjson.loads(orjson.dumps(await see(), option=orjson.OPT_UTC_Z))
    except CloudBillError as failure:
        error = f"{failure.code}: {failure.detail}"
    except (OSError, SettingsInvalid) as failure:
        error = str(failure)
    if error:
        _LOG.warning("not_seen", part=part, error=error)
    async with database.nobody() as session:
        await session.execute(_STORE, {"part": part, "document": document, "error": error, "at": wall_now()})


async def _evidence(database: Database, settings: Settings) -> Document:
    if settings.cloud != "local":
        return {"faults": await evidence.catch_up(database, settings)}
    return {"faults": [fault async for fault in evidence.check(database, settings)]}


def _standbys(place: Place, database: str) -> Document:
    return asdict(base.standbys_of(place, database).standing())


def _standbys_here(settings: Settings) -> Document:
    from core.operations.clouds.local_standbys import LocalStandbys

    return asdict(LocalStandbys(settings).standing())


def _failover_here(settings: Settings) -> Document:
    from core.operations.failover.watched import WatchedHere

    return planned(WatchedHere(settings))


def _failover_there(settings: Settings, place: Place, database: str) -> Document:
    from core.operations.failover.watched import WatchedGround

    return planned(WatchedGround(settings, place, database))


def planned(ground: "Ground") -> Document:
    """`cloudbill failover plan` at this moment."""
    from core.operations.failover.planning import plan

    found = plan(ground)
    return {**asdict(found), "is_ready": found.is_ready}


def _watched(place: Place, database: str) -> Document:
    watched = base.watched_of(place, database)
    return {
        "versions": [asdict(version) for version in watched.versions()],
        "measures": [asdict(measure) for measure in watched.measures()],
    }


def _backups(settings: Settings, managed: tuple[Place, str] | None, now: datetime) -> Document:
    return _here(settings, now) if managed is None else _managed(*managed, now)


def _here(settings: Settings, now: datetime) -> Document:
    catalogue = measuring.catalogue_here(settings)
    stands = standing.find(catalogue.folder)
    contents = catalogue.read()
    found = windows(contents)
    reasons = [(gap.at, gap.reason) for entry in contents.coverage.values() for gap in contents.gaps(entry.system)]
    reasons += [(window.end, f"the log lacks {window.missing}") for window in found if window.missing]
    line = timeline((Span(start=window.start, end=window.end) for window in found), reasons=reasons)
    return {
        "place": {"cloud": "local", "name": str(catalogue.folder)},
        "are_made": stands is not None or catalogue.exists,
        "backups": [
            {
                "name": backup.id,
                "of": backup.kind,
                "started_at": backup.started_at,
                "finished_at": backup.finished_at,
                "size_bytes": backup.size,
                "plain_bytes": backup.plain_size,
                "reason": backup.reason,
                "version": backup.version or None,
                "keys": backup.keys,
            }
            for backup in contents.backups()
        ],
        **asdict(line),
        "last_good_at": standing.last_good(contents),
        "next_due_at": _next_due(contents, settings),
        "interval_seconds": settings.backup_interval.total_seconds(),
        "retention_seconds": settings.backup_retention.total_seconds(),
        "log_late_seconds": standing.LOG_LATE.total_seconds(),
        "watched_at": stands.seen_at if stands else None,
        "keys": _keys(contents, settings),
        "troubles": [
            {"key": trouble.key, "summary": trouble.summary, "critical": trouble.critical}
            for trouble in standing.troubles(contents, stands, now=now, interval=settings.backup_interval)
        ],
    }


def _next_due(contents: Contents, settings: Settings) -> datetime | None:
    newest = max((backup.started_at for backup in contents.backups("database")), default=None)
    return newest and newest + settings.backup_interval


def _keys(contents: Contents, settings: Settings) -> list[Document]:
    """Those that backups are sealed to, and whether what opens them is here."""
    try:
        here = {opening.name for opening in Keys(settings).openings()}
    except (CloudBillError, SettingsInvalid, OSError):
        here = set[str]()
    sealed_to = [name for backup in contents.backups() for name in backup.keys]
    return [
        {"name": name, "opens_here": name in here, "backups": sealed_to.count(name)}
        for name in dict.fromkeys(reversed(sealed_to))
    ]


def _managed(place: Place, database: str, now: datetime) -> Document:
    backups = base.backups_of(place, database)
    made = backups.list_backups()
    line = timeline(backups.restorable())
    return {
        "place": {"cloud": place.cloud, "name": database, "region": place.region, "project": place.project},
        "are_made": True,
        "backups": [
            {
                "name": backup.name,
                "of": "database",
                "started_at": None,
                "finished_at": backup.finished_at,
                "size_bytes": backup.size_bytes,
                "plain_bytes": None,
                "reason": backup.reason,
                "version": None,
                "keys": [],
            }
            for backup in made
        ],
        **asdict(line),
        "last_good_at": max((backup.finished_at for backup in made), default=None),
        "next_due_at": None,
        "interval_seconds": MANAGED_BACKUP_INTERVAL.total_seconds(),
        "retention_seconds": None,
        "log_late_seconds": MANAGED_LOG_LATE.total_seconds(),
        "watched_at": now,
        "keys": [],
        "troubles": managed_troubles(made, [span.end for span in line.stretches], now=now),
    }


def managed_troubles(made: list[StoredBackup], ends: list[datetime], *, now: datetime) -> list[Document]:
    """What is wrong with the backups that a cloud makes, by what it says of them."""
    found: list[Document] = []
    newest = max((backup.finished_at for backup in made), default=None)
    if newest is None:
        found.append({"key": "missing", "summary": "The cloud knows no backup.", "critical": True})
    elif now - newest > MANAGED_BACKUP_INTERVAL * standing.LATE_FACTOR:
        summary = f"The cloud's newest backup is of {newest:%Y-%m-%d %H:%M} UTC."
        found.append({"key": "missing", "summary": summary, "critical": True})
    if not ends:
        found.append({"key": "log", "summary": "The cloud offers no point in time to restore to.", "critical": True})
    elif now - max(ends) > MANAGED_LOG_LATE:
        summary = f"The cloud restores up to {max(ends):%Y-%m-%d %H:%M} UTC only."
        found.append({"key": "log", "summary": summary, "critical": True})
    return found


_STORE = text("SELECT store_recovery_standing(:part, :document, :error, :at)").bindparams(
    bindparam("document", type_=JSONB(none_as_null=True))
)
