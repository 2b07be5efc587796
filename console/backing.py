"""What the Backups page shows, and how it is read out of the API's JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from console.exporting import fields_as_csv
from console.figures import Moment, moment, parse_instant
from console.measures import between, duration, size

Json = Mapping[str, Any]

OF = {"database": "Database", "application": "Application"}
STATES = {
    "waiting": ("waits for the worker", ""),
    "running": ("is being taken", "warn"),
    "passed": ("taken", "good"),
    "failed": ("failed", "bad"),
    "lost": ("ended without result", "bad"),
}
COLUMNS = {
    "name": "name",
    "of": "of",
    "finished_at": "finishedAt",
    "reason": "reason",
    "size_bytes": "sizeBytes",
    "plain_bytes": "plainBytes",
    "version": "version",
    "keys": "keys",
}
PAGE_ROWS = 10
_NARROWEST = 0.6
"""Percent of the line that can still be seen."""


@dataclass
class Backup:
    """One backup."""

    name: str = ""
    of: str = ""
    kind: str = ""
    reason: str = ""
    finished: Moment = field(default_factory=Moment)
    took: str = ""
    size: str = ""
    whole: str = ""
    version: str = ""
    keys: str = ""


@dataclass
class Mark:
    """A piece of the line: where it lies, in percent, and what it says."""

    left: float = 0.0
    width: float = 0.0
    says: str = ""


@dataclass
class Stretch:
    """From when to when every instant can be restored, or none where `hole`."""

    start: Moment = field(default_factory=Moment)
    end: Moment = field(default_factory=Moment)
    long: str = ""
    hole: bool = False
    reason: str = ""


@dataclass
class Key:
    """A key that backups are sealed to."""

    name: str = ""
    says: str = ""
    tone: str = ""


@dataclass
class Trouble:
    """Something that is wrong."""

    summary: str = ""
    runbook: str = ""
    tone: str = "warn"


@dataclass
class Run:
    """A backup that somebody started."""

    run_id: str = ""
    state: str = ""
    says: str = ""
    tone: str = ""
    asked: Moment = field(default_factory=Moment)
    by: str = ""
    detail: str = ""
    under_way: bool = False


@dataclass
class Backups:
    """The page."""

    known: bool = False
    fresh: bool = False
    seen: Moment = field(default_factory=Moment)
    error: str = ""
    place: str = ""
    last_good: Moment = field(default_factory=Moment)
    next_due: Moment = field(default_factory=Moment)
    window: str = ""
    window_note: str = ""
    behind: str = ""
    behind_late: bool = False
    interval: str = ""
    retention: str = ""
    total: str = ""
    stretches: list[Stretch] = field(default_factory=list)
    bars: list[Mark] = field(default_factory=list)
    ticks: list[Mark] = field(default_factory=list)
    gaps: list[Mark] = field(default_factory=list)
    line_start: str = ""
    about: str = ""
    sealed: list[Key] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    under_way: bool = False
    count: int = 0


def backups(body: Json, now: datetime) -> Backups:
    """`GET /operations/backups`, but its list."""
    place = body["place"]
    stretches, holes = body["stretches"], body["holes"]
    runs = [_run(entry, now) for entry in body["runs"]]
    behind = body["logBehindSeconds"]
    shown = Backups(
        known=body["seenAt"] is not None,
        fresh=body["isFresh"],
        seen=moment(body["seenAt"], now),
        error=body["error"] or "",
        place=_place(place) if place else "",
        last_good=moment(body["lastGoodAt"], now),
        next_due=moment(body["nextDueAt"], now),
        window=between(stretches[0]["start"], stretches[-1]["end"]) if stretches else "none",
        window_note=_holes(len(holes)) if stretches else "no instant can be restored",
        behind=duration(behind) if behind is not None else "–",
        behind_late=behind is None or behind > 300,
        interval=duration(body["intervalSeconds"]) if body["intervalSeconds"] else "",
        retention=duration(body["retentionSeconds"]) if body["retentionSeconds"] else "as the cloud is configured",
        total=size(sum(entry["sizeBytes"] for entry in body["data"])),
        stretches=_stretches(stretches, holes, now),
        sealed=[_key(entry) for entry in body["keys"]],
        troubles=[
            Trouble(entry["summary"].replace("`", ""), entry["runbook"], "bad" if entry["critical"] else "warn")
            for entry in body["troubles"]
        ],
        runs=runs,
        under_way=any(run.under_way for run in runs),
        count=len(body["data"]),
    )
    _draw(shown, body, now)
    return shown


def rows(body: Json, now: datetime) -> list[Backup]:
    """Its list, the newest first."""
    return [
        Backup(
            name=entry["name"],
            of=entry["of"],
            kind=OF.get(entry["of"], entry["of"]),
            reason=entry["reason"],
            finished=moment(entry["finishedAt"], now),
            took=between(entry["startedAt"], entry["finishedAt"]) if entry["startedAt"] else "",
            size=size(entry["sizeBytes"]),
            whole=f"{size(entry['plainBytes'])} opened" if entry["plainBytes"] else "",
            version=f"PostgreSQL {entry['version']}" if entry["version"] else "",
            keys=", ".join(entry["keys"]),
        )
        for entry in body["data"]
    ]


def chosen(found: Sequence[Json], *, of: str, search: str, order: str) -> list[Json]:
    """The API's rows that match, in the order asked for."""
    words = search.lower().split()
    kept = [
        entry
        for entry in found
        if of in ("", entry["of"])
        and all(word in f"{entry['name']} {entry['reason']} {entry['of']}".lower() for word in words)
    ]
    column = order.removeprefix("-")
    return sorted(kept, key=lambda entry: entry[column], reverse=order.startswith("-"))


def csv_of(found: Sequence[Json]) -> str:
    """Every row, for a spreadsheet."""
    return fields_as_csv(COLUMNS, ({**entry, "keys": " ".join(entry["keys"])} for entry in found))


def _place(place: Json) -> str:
    if place["cloud"] == "local":
        return f"This machine: {place['name']}"
    cloud = {"aws": "AWS", "gcp": "Google Cloud"}.get(place["cloud"], place["cloud"])
    return f"{cloud}: {place['name']} in {place['region']}"


def _holes(number: int) -> str:
    return "without a hole" if not number else f"with {number} hole{'s' if number > 1 else ''}"


def _stretches(stretches: Sequence[Json], holes: Sequence[Json], now: datetime) -> list[Stretch]:
    """The newest first, holes between them."""
    found = [
        Stretch(
            start=moment(entry["start"], now),
            end=moment(entry["end"], now),
            long=between(entry["start"], entry["end"]),
            hole=hole,
            reason=(entry["reason"] or "") if hole else "",
        )
        for hole, entries in ((False, stretches), (True, holes))
        for entry in entries
    ]
    return sorted(found, key=lambda stretch: stretch.start.iso, reverse=True)


def _draw(shown: Backups, body: Json, now: datetime) -> None:
    """The line from the oldest instant to now."""
    instants = [parse_instant(entry["start"]) for entry in body["stretches"]]
    instants += [parse_instant(entry["finishedAt"]) for entry in body["data"] if entry["of"] == "database"]
    if not instants:
        return
    start = min(instants)
    whole = max((now - start).total_seconds(), timedelta(minutes=1).total_seconds())

    def at(iso: str) -> float:
        return round(min(100.0, max(0.0, (parse_instant(iso) - start).total_seconds() * 100 / whole)), 3)

    def mark(entry: Json, says: str) -> Mark:
        left = at(entry["start"])
        return Mark(left=left, width=max(_NARROWEST, round(at(entry["end"]) - left, 3)), says=says)

    for entry in body["stretches"]:
        said = f"Every instant from {_spell(entry['start'])} to {_spell(entry['end'])}"
        shown.bars.append(mark(entry, said))
    for entry in body["holes"]:
        said = f"Nothing between {_spell(entry['start'])} and {_spell(entry['end'])}"
        shown.gaps.append(mark(entry, said))
    for entry in body["data"]:
        if entry["of"] == "database":
            shown.ticks.append(Mark(left=at(entry["finishedAt"]), says=f"Backup of {_spell(entry['finishedAt'])}"))
    shown.line_start = moment(start.isoformat(), now).exact[:-3]
    stretches = len(shown.bars)
    shown.about = (
        f"A line from {_spell(start.isoformat())} until now: {stretches} stretch{'es' if stretches != 1 else ''} of "
        f"which every instant can be restored, {_holes(len(shown.gaps))}, {len(shown.ticks)} base backups."
    )


def _spell(iso: str) -> str:
    return f"{parse_instant(iso):%d %b %Y, %H:%M} UTC".lstrip("0")


def _key(entry: Json) -> Key:
    if entry["opensHere"]:
        return Key(entry["name"], f"{entry['backups']} backups; its private key is here: keep a copy elsewhere", "good")
    return Key(entry["name"], f"{entry['backups']} backups; its private key is not on this machine", "warn")


def _run(entry: Json, now: datetime) -> Run:
    says, tone = STATES[entry["state"]]
    result = entry["result"] or {}
    detail = (entry["error"] or "").replace("`", "")
    if result.get("backup"):
        detail = f"{result['backup']}, {size(result.get('size_bytes'))}"
    if entry["state"] == "running":
        detail = f"since {between(entry['startedAt'], now.isoformat())}"
    return Run(
        run_id=entry["runId"],
        state=entry["state"],
        says=says,
        tone=tone,
        asked=moment(entry["requestedAt"], now),
        by=entry["requestedBy"] or "the schedule",
        detail=detail,
        under_way=entry["state"] in ("waiting", "running"),
    )
