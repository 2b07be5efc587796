"""What the Disaster recovery pages show, and how it is read out of the API's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.failing_over import Failover, read_plan
from console.figures import Moment, count, moment, parse_instant
from console.measures import duration, size

Json = Mapping[str, Any]

STATES = {
    "ready": ("ready", "good"),
    "attention": ("look at it", "warn"),
    "not_ready": ("not ready", "bad"),
    "unknown": ("not known", "warn"),
}
VERDICTS = {
    "met": ("met", "good"),
    "missed": ("missed", "bad"),
    "small": ("within it, on few entries", "warn"),
    "stale": ("measured long ago", "warn"),
    "untested": ("not measured", ""),
}
PLACES = {"local": "This machine", "aws": "AWS", "gcp": "Google Cloud"}
SCENARIOS = {
    "pitr": "Total loss",
    "snapshot": "Total loss, the log included",
    "dropped-table": "Dropped table",
    "region-loss": "Loss of the region",
}
STEPS = {
    "restored": "A copy is restored",
    "dropped": "The table is dropped in the copy",
    "served": "The application starts on the copy",
    "verified": "Ledgers, chains, invoices, balances and counts are verified",
}
RUNS = {
    "waiting": ("waits for the worker", ""),
    "running": ("runs", "warn"),
    "passed": ("passed", "good"),
    "failed": ("failed", "bad"),
    "lost": ("ended without result", "bad"),
}
COLUMNS = {
    "drill": "drillId",
    "evidence": "evidence",
    "scenario": "scenario",
    "state": "state",
    "at": "at",
    "started_by": "startedBy",
    "rpo_seconds": "rpoSeconds",
    "rto_seconds": "rtoSeconds",
    "entries": "entries",
    "database_bytes": "databaseBytes",
    "findings": "findings",
    "error": "error",
    "hash": "hash",
}


@dataclass
class Item:
    """A line of readiness."""

    title: str = ""
    says: str = ""
    do: str = ""
    state: str = ""
    tone: str = ""
    runbook: str = ""


@dataclass
class Target:
    """A target beside what was measured."""

    name: str = ""
    title: str = ""
    here: bool = False
    rpo_target: str = ""
    rpo: str = ""
    rpo_verdict: str = ""
    rpo_tone: str = ""
    rto_target: str = ""
    rto: str = ""
    rto_verdict: str = ""
    rto_tone: str = ""
    size: str = ""
    when: Moment = field(default_factory=Moment)
    evidence: str = ""
    does: str = ""
    confirm: str = ""


@dataclass
class Hold:
    """Why the worker waits."""

    reason: str = ""
    state_of: Moment = field(default_factory=Moment)
    held: Moment = field(default_factory=Moment)


@dataclass
class Command:
    """Something that is done on the server."""

    line: str = ""
    does: str = ""


@dataclass
class Recovery:
    """The page, but its drills."""

    state: str = ""
    tone: str = ""
    verdict: str = ""
    lines: list[Item] = field(default_factory=list)
    places: list[Target] = field(default_factory=list)
    scenarios: list[Target] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    here: Target = field(default_factory=Target)
    interval: str = ""
    since_drill: str = ""
    starts_here: bool = True
    failover: list[Command] = field(default_factory=list)
    plan: Failover = field(default_factory=Failover)


@dataclass
class DrillRow:
    """One of the list."""

    drill_id: str = ""
    scenario: str = ""
    title: str = ""
    state: str = ""
    says: str = ""
    tone: str = ""
    at: Moment = field(default_factory=Moment)
    by: str = ""
    rpo: str = ""
    rto: str = ""
    size: str = ""
    evidence: str = ""
    error: str = ""
    under_way: bool = False


@dataclass
class DrillPage:
    """One page of them and where the next one starts."""

    rows: list[DrillRow] = field(default_factory=list)
    next_cursor: str = ""
    chain: str = ""
    chain_tone: str = ""
    faults: list[str] = field(default_factory=list)


@dataclass
class Step:
    """A step of a drill, as it comes."""

    name: str = ""
    state: str = ""
    tone: str = ""
    took: str = ""


@dataclass
class Count:
    """Rows of a table, in the copy and in the original, which has gone on."""

    table: str = ""
    in_copy: str = ""
    original: str = ""
    differs: bool = False


@dataclass
class Drill:
    """All of one."""

    row: DrillRow = field(default_factory=DrillRow)
    doing: str = ""
    steps: list[Step] = field(default_factory=list)
    took: str = ""
    expected: str = ""
    percent: int = 0
    findings: list[str] = field(default_factory=list)
    figures: list[Command] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    counts_note: str = ""
    rpo_note: str = ""
    rto_note: str = ""
    hash: str = ""
    previous_hash: str = ""
    recorded: Moment = field(default_factory=Moment)
    document: str = ""


def recovery(body: Json, now: datetime) -> Recovery:
    """`GET /operations/recovery`."""
    state, tone = STATES[body["state"]]
    items = [_item(entry) for entry in body["items"]]
    wrong = sum(item.tone == "bad" for item in items)
    unsure = sum(item.tone == "warn" for item in items)
    places = [_target(entry, PLACES, now, here=entry["name"] == body["place"]) for entry in body["places"]]
    days = body["daysSinceDrill"]
    return Recovery(
        state=state,
        tone=tone,
        verdict=_verdict(wrong, unsure, len(items)),
        lines=items,
        places=places,
        scenarios=[_target(entry, SCENARIOS, now) for entry in body["scenarios"]],
        holds=[
            Hold(entry["reason"], moment(entry["stateOf"], now), moment(entry["heldAt"], now))
            for entry in body["holds"]
        ],
        here=next((place for place in places if place.here), Target()),
        starts_here=body["drillsStartHere"],
        interval=duration(body["drillIntervalSeconds"]),
        since_drill="never" if days is None else "today" if days == 0 else f"{days} day{'s' if days > 1 else ''} ago",
        failover=[Command(entry["command"], _plain(entry["does"])) for entry in body["failover"]],
        plan=read_plan(body["failoverPlan"], now),
    )


def drill_page(body: Json, now: datetime) -> DrillPage:
    """`GET /operations/drills`."""
    faults = body["faults"]
    chain, tone = ("the chain was not checked lately", "warn")
    if faults is not None:
        chain, tone = ("the chain of the evidence holds", "good") if not faults else ("the chain does not hold", "bad")
    return DrillPage(
        rows=[drill_row(entry, now) for entry in body["data"]],
        next_cursor=body["nextCursor"] or "",
        chain=chain,
        chain_tone=tone,
        faults=list(faults or ()),
    )


def drill_row(entry: Json, now: datetime) -> DrillRow:
    """One of the list."""
    says, tone = RUNS[entry["state"]]
    by = entry["startedBy"] or ("the schedule" if entry["isScheduled"] else "on the server")
    return DrillRow(
        drill_id=entry["drillId"],
        scenario=entry["scenario"],
        title=SCENARIOS.get(entry["scenario"], entry["scenario"]),
        state=entry["state"],
        says=says,
        tone=tone,
        at=moment(entry["at"], now),
        by=by,
        rpo=duration(entry["rpoSeconds"]),
        rto=duration(entry["rtoSeconds"]),
        size=_size(entry["entries"], entry["databaseBytes"]),
        evidence="" if entry["evidence"] is None else str(entry["evidence"]),
        error=_plain(entry["error"] or "") or (f"{entry['findings']} findings" if entry["findings"] else ""),
        under_way=entry["state"] in ("waiting", "running"),
    )


def drill(body: Json, now: datetime) -> Drill:
    """`GET /operations/drills/{id}`."""
    document: Json = json.loads(body["document"]) if body["document"] else {}
    checked: Json = document.get("checked") or {}
    expected: Mapping[str, float] = body["expectedSeconds"]
    row = drill_row(body, now)
    steps = [_step(entry, now, expected) for entry in body["steps"]]
    known = {entry["name"] for entry in body["steps"]}
    if row.under_way:
        names = list(expected) or ["restored", "served", "verified"]
        steps += [_ahead(name, expected) for name in names if name not in known]
    began = body["startedAt"]
    ended = body["finishedAt"] or (now.isoformat() if row.under_way else None)
    taken = (parse_instant(ended) - parse_instant(began)).total_seconds() if began and ended else None
    usual = sum(expected.values())
    targets: Json = document.get("targets") or {}
    pairs: Mapping[str, list[int]] = checked.get("counts") or {}
    moved = sum(pair[0] != pair[1] for pair in pairs.values())
    return Drill(
        row=row,
        doing=body["doing"] or "",
        steps=steps,
        took=duration(taken),
        expected=f"the last one took {duration(usual)}" if usual and row.under_way else "",
        percent=min(99, int((taken or 0) * 100 / usual)) if usual and row.under_way else 100 if document else 0,
        findings=list(checked.get("findings") or ()),
        figures=_figures(document, checked),
        counts=[
            Count(table, count(pair[0]), count(pair[1]), pair[0] != pair[1]) for table, pair in sorted(pairs.items())
        ],
        counts_note=f"{len(pairs)} tables, {moved} of them have gone on in the original",
        rpo_note=_against(document.get("rpo_seconds"), targets.get("rpo_seconds"), document),
        rto_note=_against(document.get("rto_seconds"), targets.get("rto_seconds"), document),
        hash=body["hash"] or "",
        previous_hash=body["previousHash"] or "",
        recorded=moment(body["recordedAt"], now),
        document=json.dumps(document, indent=2, ensure_ascii=False) if document else "",
    )


def _item(entry: Json) -> Item:
    state, tone = STATES[entry["state"]]
    return Item(entry["title"], _plain(entry["says"]), _plain(entry["do"]), state, tone, entry["runbook"])


def _plain(text: str) -> str:
    """Without the marks of commands."""
    return text.replace("`", "")


def _verdict(wrong: int, unsure: int, whole: int) -> str:
    if wrong:
        return f"{wrong} of {whole} lines stand in the way"
    return f"{unsure} of {whole} lines want a look" if unsure else f"all {whole} lines are ready"


def _target(entry: Json, titles: Mapping[str, str], now: datetime, *, here: bool = False) -> Target:
    found = entry["measured"]
    (rpo, rpo_tone), (rto, rto_tone) = VERDICTS[entry["rpo"]], VERDICTS[entry["rto"]]
    return Target(
        name=entry["name"],
        title=titles.get(entry["name"], entry["name"]),
        here=here,
        rpo_target=duration(entry["rpoTargetSeconds"]),
        rpo=duration(found["rpoSeconds"]) if found else "–",
        rpo_verdict=rpo,
        rpo_tone=rpo_tone,
        rto_target=duration(entry["rtoTargetSeconds"]),
        rto=duration(found["rtoSeconds"]) if found else "–",
        rto_verdict=rto,
        rto_tone=rto_tone,
        size=_size(found["entries"], found["databaseBytes"]) if found else "",
        when=moment(found["measuredAt"], now) if found else Moment(),
        evidence=str(found["evidence"]) if found else "",
        does=entry.get("does", ""),
        confirm=entry.get("confirm") or "",
    )


def _size(entries: int | None, database_bytes: int | None) -> str:
    if entries is None and not database_bytes:
        return ""
    return f"{count(entries or 0)} entries, {size(database_bytes)}"


def _step(entry: Json, now: datetime, expected: Mapping[str, float]) -> Step:
    name = entry["name"]
    usual = f", the last time {duration(expected[name])}" if name in expected else ""
    if entry["state"] == "running":
        so_far = duration((now - parse_instant(entry["startedAt"])).total_seconds())
        return Step(STEPS.get(name, name), "under way", "warn", f"{so_far}{usual}")
    tone = "good" if entry["state"] == "done" else "bad"
    return Step(STEPS.get(name, name), "done" if tone == "good" else "failed", tone, duration(entry["seconds"]))


def _ahead(name: str, expected: Mapping[str, float]) -> Step:
    usual = f"the last time {duration(expected[name])}" if name in expected else ""
    return Step(STEPS.get(name, name), "to come", "", usual)


def _figures(document: Json, checked: Json) -> list[Command]:
    if not document:
        return []
    sums = ", ".join(f"{currency} {micro}" for currency, micro in (checked.get("sums") or {}).items()) or "–"
    return [
        Command("Backup", document.get("backup") or "–"),
        Command("Restored to", document.get("target") or "–"),
        Command("Tenants", count(checked.get("tenants") or 0)),
        Command("Ledger entries", count(checked.get("entries") or 0)),
        Command("Transactions recomputed", count(checked.get("transactions") or 0)),
        Command("Blocks of chains verified", count(checked.get("blocks") or 0)),
        Command("Invoices recomputed", count(checked.get("invoices") or 0)),
        Command("Balances compared", count(checked.get("accounts") or 0)),
        Command("Not sealed yet at that instant", count(checked.get("unsealed") or 0)),
        Command("Sums of all entries, in millionths", sums),
        Command("Database", size(document.get("database_bytes"))),
    ]


def _against(seconds: float | None, target: float | None, document: Json) -> str:
    if target is None:
        return ""
    if seconds is None or not document.get("passed"):
        return f"target {duration(target)}, not shown"
    return f"target {duration(target)}, {'met' if seconds <= target else 'missed'} on this size"
