"""Rows and documents into what the API answers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row

from core.foundation.settings import Settings
from core.operations.recovery import service
from core.operations.recovery.readiness import FRESH, Seen, overall
from core.operations.recovery.schemas import (
    BackupAnswer,
    BackupsAnswer,
    CheckAnswer,
    CommandAnswer,
    ComparisonAnswer,
    DrillAnswer,
    DrillRow,
    FailoverAnswer,
    HoldAnswer,
    HoleAnswer,
    ItemAnswer,
    KeyAnswer,
    MeasuredAnswer,
    PlaceAnswer,
    RecoveryAnswer,
    RunAnswer,
    ScenarioAnswer,
    SpanAnswer,
    StepAnswer,
    TroubleAnswer,
)
from core.operations.recovery.targets import Comparison

RUNBOOK = "backup-failed"
_FAILOVER = (
    ("cloudbill failover plan", "Says what would happen, what would be lost and what is not ready; changes nothing."),
    ("cloudbill failover run", "Closes the primary, lets a standby take its place, and leads callers there."),
    ("cloudbill failover back", "Makes the old primary a standby, then lets it take its place again."),
)
_RESTORE = (
    ("cloudbill restore --to latest --into again", "Restores into a new server beside; nothing is overwritten."),
    ("cloudbill restored use again", "Puts it in place, after `cloudbill down`; what was there is set aside."),
)


def backups(row: Row[Any] | None, runs: Sequence[Row[Any]], *, now: datetime) -> BackupsAnswer:
    """`GET /operations/backups`."""
    document: Mapping[str, Any] = (row.document if row is not None else None) or {}
    seen_at: datetime | None = None if row is None else row.seen_at
    place = document.get("place")
    stretches = [SpanAnswer(**span) for span in document.get("stretches", ())]
    return BackupsAnswer(
        seen_at=seen_at,
        error=None if row is None else row.error,
        is_fresh=seen_at is not None and now - seen_at <= FRESH,
        place=PlaceAnswer(**place) if place else None,
        data=[BackupAnswer(**backup) for backup in reversed(document.get("backups", ()))],
        stretches=stretches,
        points=document.get("points", []),
        holes=[HoleAnswer(**hole) for hole in document.get("holes", ())],
        last_good_at=document.get("last_good_at"),
        next_due_at=document.get("next_due_at"),
        interval_seconds=document.get("interval_seconds"),
        retention_seconds=document.get("retention_seconds"),
        log_behind_seconds=max(0.0, (seen_at - stretches[-1].end).total_seconds()) if stretches and seen_at else None,
        keys=[KeyAnswer(**key) for key in document.get("keys", ())],
        troubles=[TroubleAnswer(**trouble, runbook=RUNBOOK) for trouble in document.get("troubles", ())],
        runs=[_run(run, now) for run in runs],
    )


def recovery(standing: service.Standing, settings: Settings, *, now: datetime) -> RecoveryAnswer:
    """`GET /operations/recovery`."""
    last = standing.last_drill
    return RecoveryAnswer(
        state=overall(standing.items),
        items=[ItemAnswer(**asdict(item)) for item in standing.items],
        place=standing.place,
        places=[ComparisonAnswer(**_comparison(one)) for one in standing.places],
        scenarios=[
            ScenarioAnswer(
                **_comparison(one),
                does=service.DOES.get(one.name, ""),
                confirm=one.name if one.name in service.CONFIRMED else None,
            )
            for one in standing.scenarios
        ],
        holds=[
            HoldAnswer(hold_id=str(hold.id), reason=hold.reason, state_of=hold.state_of, held_at=hold.held_at)
            for hold in standing.holds
        ],
        drill_interval_seconds=settings.drill_interval.total_seconds(),
        days_since_drill=None if last is None else max(0, (now - last.at).days),
        drills_start_here=standing.place == "local",
        evidence_faults=standing.faults,
        failover=_commands(standing.place),
        failover_plan=_plan(standing.failover, now=now),
    )


def _plan(seen: Seen | None, *, now: datetime) -> FailoverAnswer | None:
    if seen is None:
        return None
    document = seen.document
    return FailoverAnswer(
        seen_at=seen.at,
        is_fresh=now - seen.at <= FRESH,
        error=seen.error,
        is_ready=document["is_ready"],
        primary=document["primary"],
        endpoint=document["endpoint"],
        standby=document["standby"],
        loss=document["loss"],
        checks=[CheckAnswer(**check) for check in document["checks"]],
        steps=document["steps"],
    )


def _commands(place: str) -> list[CommandAnswer]:
    """What is done on the server, by somebody who looks on."""
    if place == "local":
        return [CommandAnswer(command=command, does=does) for command, does in (*_FAILOVER, *_RESTORE)]
    found = (*_FAILOVER, _RESTORE[0])
    there = CommandAnswer(command="cloudbill drill run", does="Runs a drill, as the stack's one-off task.")
    return [CommandAnswer(command=f"{command} --stack STACK", does=does) for command, does in found] + [there]


def faults(row: Row[Any] | None, *, now: datetime) -> list[str] | None:
    """What is wrong with the evidence, as it was seen lately."""
    seen = service.seen(row)
    return list(seen.document["faults"]) if seen and now - seen.at <= FRESH else None


def drill_row(row: Row[Any], *, now: datetime) -> DrillRow:
    """One of the list."""
    return DrillRow(**_drill(row, now))


def drill(row: Row[Any], before: Sequence[Row[Any]], *, now: datetime) -> DrillAnswer:
    """All of one; `before` is the evidence that says how long its steps usually take."""
    fields = _drill(row, now)
    document = _document(row)
    steps = [_step(step) for step in row.steps or ()] or _steps_of(document)
    return DrillAnswer(
        **fields,
        requested_at=row.requested_at,
        started_at=row.started_at or document.get("started_at"),
        finished_at=row.finished_at or document.get("finished_at"),
        doing=row.said if fields["state"] == "running" else None,
        steps=steps,
        expected_seconds=_expected(fields["scenario"], before, but=row.number),
        previous_hash=None if row.previous_hash is None else bytes(row.previous_hash).hex(),
        recorded_at=row.recorded_at,
        document=row.document,
    )


def _drill(row: Row[Any], now: datetime) -> dict[str, Any]:
    document = _document(row)
    checked: Mapping[str, Any] = document.get("checked") or {}
    ended = "passed" if document.get("passed") else "failed"
    state = ended if row.id is None else service.state_of(row, now)
    return {
        "drill_id": row.key,
        "scenario": row.what or document["scenario"],
        "state": state,
        "at": row.at,
        "started_by": row.email,
        "is_scheduled": row.id is not None and row.requested_by is None,
        "evidence": row.number,
        "hash": None if row.hash is None else bytes(row.hash).hex(),
        "rpo_seconds": document.get("rpo_seconds"),
        "rto_seconds": document.get("rto_seconds"),
        "entries": checked.get("entries"),
        "database_bytes": document.get("database_bytes"),
        "findings": len(checked.get("findings") or ()) if document else None,
        "error": document.get("error") or (None if row.id is None else service.error_of(row, now)),
    }


def _document(row: Row[Any]) -> dict[str, Any]:
    return orjson.loads(row.document) if row.document else {}


def _steps_of(document: Mapping[str, Any]) -> list[StepAnswer]:
    """Of a drill that was started on the server: its evidence has their seconds only."""
    seconds: Mapping[str, float] = document.get("steps") or {}
    started = document.get("started_at")
    return [
        StepAnswer(name=name, state="done", started_at=started, finished_at=None, seconds=taken)
        for name, taken in seconds.items()
        if started
    ]


def _expected(scenario: str, before: Sequence[Row[Any]], *, but: int | None) -> dict[str, float]:
    for row in before:
        document: dict[str, Any] = orjson.loads(row.document)
        if row.number != but and document["passed"] and document["scenario"] == scenario:
            return dict(document["steps"])
    return {}


def _run(run: Row[Any], now: datetime) -> RunAnswer:
    state = service.state_of(run, now)
    return RunAnswer(
        run_id=str(run.id),
        what=run.what,
        state=state,
        requested_at=run.requested_at,
        requested_by=run.email,
        started_at=run.started_at,
        finished_at=run.finished_at,
        doing=run.said if state == "running" else None,
        steps=[_step(step) for step in run.steps],
        error=service.error_of(run, now),
        result=run.result,
    )


def _step(step: Mapping[str, Any]) -> StepAnswer:
    over = step["finished_at"] is not None
    return StepAnswer(
        name=step["name"],
        state="failed" if step["failed"] else "done" if over else "running",
        started_at=step["started_at"],
        finished_at=step["finished_at"],
        seconds=step["seconds"],
    )


def _comparison(one: Comparison) -> dict[str, Any]:
    found = one.measured
    return {
        "name": one.name,
        "rpo_target_seconds": one.rpo_target_seconds,
        "rto_target_seconds": one.rto_target_seconds,
        "rpo": one.rpo,
        "rto": one.rto,
        "measured": found
        and MeasuredAnswer(
            evidence=found.evidence,
            scenario=found.scenario,
            measured_at=found.at,
            rpo_seconds=found.rpo_seconds,
            rto_seconds=found.rto_seconds,
            entries=found.entries,
            database_bytes=found.database_bytes,
        ),
    }
