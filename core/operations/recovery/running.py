"""Runs that somebody started: a drill or a backup, worked on by the worker, watched through the database.

Each is tried once. One whose worker died is closed as lost by the next worker that finds it, and what it left behind is
cleared away; a stopped worker leaves its run the same way.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import orjson

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.errors import CloudBillError, Conflict
from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.foundation.settings import Settings, SettingsInvalid
from core.foundation.telemetry import log
from core.operations.backups import asking, standing
from core.operations.backups.errors import BackupFailed
from core.operations.backups.taking import catalogue_of
from core.operations.clouds.base import backups_of
from core.operations.recovery import holding, looking, repository
from core.operations.recovery.drilling import Scenario, run_drill
from core.operations.recovery.left_over import clear_copy
from core.operations.recovery.progress import Progress

NOTE_EVERY_SECONDS = 1.0
_TAKEN_UP_WITHIN_SECONDS = 60.0

_LOG = log("recovery")


class AlreadyRunning(Conflict):
    """One of a kind at a time."""

    code = "recovery_run_under_way"
    title = "One is under way"


class WorkerHeld(Conflict):
    """A held worker runs no job."""

    code = "worker_held"
    title = "The worker is held"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    state: str
    result: dict[str, Any] | None = None
    error: str | None = None
    evidence: int | None = None


async def start(database: Database, *, kind: str, what: str, by: UUID | None, reason: str | None = None) -> UUID:
    """Puts a run on the queue; its id. Raises AlreadyRunning, WorkerHeld."""
    if holds := await holding.list_open(database):
        raise WorkerHeld(
            f"The worker runs nothing until it is released: {holds[0].reason}. POST /operations/recovery/release, or "
            "`cloudbill recovery release` on the server, catches up and lets it go."
        )
    run_id = new_id()
    async with database.nobody() as session:
        if not await repository.request(session, run_id, kind=kind, what=what, by=by, reason=reason):
            raise AlreadyRunning(f"A {kind} is under way already. Wait for its end: only one runs at a time.")
        await defer(session, "recovery:run", lock=f"recovery-run:{kind}", run_id=str(run_id))
    return run_id


async def carry_out(database: Database, settings: Settings, run_id: UUID) -> Outcome | None:
    """Works on a run that waits. None where it does not, or where another worker died over it."""
    async with database.nobody() as session:
        begun = await repository.begin(session, run_id)
    if begun is None:
        return None
    if begun.state != "begun":
        if begun.state == "running":
            await _close_lost(database, settings, run_id)
        return None
    progress = Progress()

    def work() -> Outcome:
        if begun.kind == "drill":
            return _drill(settings, begun.what, progress)
        return _back_up(settings, str(run_id), progress)

    try:
        outcome = await _watched(database, run_id, progress, work)
    except (CloudBillError, SettingsInvalid, OSError) as failure:
        said = f"{failure.code}: {failure.detail}" if isinstance(failure, CloudBillError) else str(failure)
        outcome = Outcome(state="failed", error=said)
    except Exception as failure:
        await _end(
            database, run_id, Outcome(state="failed", error=f"{type(failure).__name__}: see the worker's log"), progress
        )
        raise
    await _end(database, run_id, outcome, progress)
    _LOG.info("run_ended", kind=begun.kind, what=begun.what, state=outcome.state, error=outcome.error)
    return outcome


async def _watched(database: Database, run_id: UUID, progress: Progress, work: Callable[[], Outcome]) -> Outcome:
    """In a thread; meanwhile how far it has come is noted every second, which shows that it lives."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        while True:
            await asyncio.wait([working], timeout=NOTE_EVERY_SECONDS)
            if working.done():
                return working.result()
            with contextlib.suppress(Exception):  # a database that is away for a moment ends no drill
                async with database.nobody() as session:
                    await repository.note(session, run_id, _plain(progress), progress.words)
    except asyncio.CancelledError:
        progress.stop()
        working.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody asks it any more
        raise


async def _end(database: Database, run_id: UUID, outcome: Outcome, progress: Progress | None) -> None:
    ending = {**asdict(outcome), "steps": None if progress is None else _plain(progress)}
    async with database.nobody() as session:
        await repository.end(session, run_id, ending)


async def _close_lost(database: Database, settings: Settings, run_id: UUID) -> None:
    async with database.reading() as session:
        run = await repository.find_drill(session, run_id=run_id, number=None)
    steps: list[dict[str, Any]] = [] if run is None else run.steps
    for copy in (copy for step in steps for copy in step.get("copies", ())):
        await asyncio.to_thread(clear_copy, settings, str(copy))
    await _end(database, run_id, Outcome(state="lost", error="its worker ended before it did"), None)
    _LOG.warning("run_lost", run=str(run_id))


def _plain(progress: Progress) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = orjson.loads(
        orjson.dumps([asdict(step) for step in progress.steps], option=orjson.OPT_UTC_Z)
    )
    if steps and progress.copies:
        steps[-1]["copies"] = list(progress.copies)
    return steps


def _drill(settings: Settings, scenario: Scenario, progress: Progress) -> Outcome:
    drill = run_drill(settings, scenario, say=progress)
    result = {"rpo_seconds": drill.rpo_seconds, "rto_seconds": drill.rto_seconds}
    if drill.passed:
        return Outcome(state="passed", result=result, evidence=drill.evidence)
    error = drill.error or f"{len(drill.checked.findings)} findings, the first: {drill.checked.findings[0]}"
    return Outcome(state="failed", result=result, error=error, evidence=drill.evidence)


def _back_up(settings: Settings, run_id: str, progress: Progress) -> Outcome:
    managed = looking.place_of(settings)
    with progress.step("taken", "taking a backup"):
        if managed is not None:
            made = backups_of(*managed).create("asked for in the console")
            return Outcome(state="passed", result={"backup": made.name, "size_bytes": made.size_bytes})
        name = _ask(settings, run_id, progress)
    found = next((one for one in catalogue_of(settings).read().backups("database") if one.id == name), None)
    return Outcome(state="passed", result={"backup": name, "size_bytes": found.size if found else None})


def _ask(settings: Settings, run_id: str, progress: Progress) -> str:
    """Has it taken by what looks after the backups, which alone may replicate."""
    folder = settings.backups_folder
    if standing.find(folder) is None:
        raise BackupFailed(
            f"nothing looks after backups in {folder}: `cloudbill backup watch` does, `make up` starts it"
        )
    asking.ask(folder, asking.Asked(id=run_id, at=wall_now()))
    give_up_at = time.monotonic() + _TAKEN_UP_WITHIN_SECONDS
    while (answered := asking.find_answer(folder, run_id)) is None:
        if time.monotonic() > give_up_at and asking.take_back(folder, run_id):
            raise BackupFailed(
                f"what looks after the backups did not take it up within {_TAKEN_UP_WITHIN_SECONDS:.0f} s: see whether "
                "`cloudbill backup watch` runs, and `cloudbill backup list`"
            )
        progress(progress.words)
        time.sleep(0.2)
    if answered.backup is None or answered.error:
        raise BackupFailed(answered.error or "it was not taken")
    return answered.backup
