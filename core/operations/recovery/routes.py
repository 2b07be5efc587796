"""/operations/backups, /recovery and /drills: how recovery stands, and what an operator starts."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request

from core.foundation.clock import wall_now
from core.foundation.errors import Conflict, InvalidInput, NotFound, Unavailable
from core.foundation.ids import INSTALLATION_ID
from core.foundation.paging import Cursor, cut, decode_cursor, encode_cursor
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.identity.scope import Installation, InstallationScope
from core.identity.tenants.auditing import record
from core.operations.recovery import answers, repository, service
from core.operations.recovery.drilling import SCENARIOS
from core.operations.recovery.looking import place_of
from core.operations.recovery.releasing import release_all
from core.operations.recovery.running import AlreadyRunning, WorkerHeld, start
from core.operations.recovery.schemas import (
    BackupsAnswer,
    DrillAnswer,
    DrillBody,
    DrillPage,
    RecoveryAnswer,
    ReleaseBody,
    ReleasedAnswer,
    Started,
)

router = APIRouter(prefix="/operations", tags=["operations"])

_RUNS_SHOWN = 10
_LARGEST = 2**63 - 1


class DrillNotFound(NotFound):
    """No such drill."""

    code = "drill_not_found"
    title = "No such drill"

    def __init__(self) -> None:
        super().__init__("There is no such drill. GET /operations/drills lists them.")


class DrillElsewhere(Conflict):
    """The worker of a cloud has no right to restore."""

    code = "drill_elsewhere"
    title = "Drills are run by the one-off task"

    def __init__(self) -> None:
        super().__init__(
            "In a cloud the worker has no right to restore: run `cloudbill drill run` as the stack's one-off task "
            "(docs/recovery.md). Its evidence is listed here all the same."
        )


class NothingHeld(Conflict):
    """There is nothing to release."""

    code = "worker_not_held"
    title = "The worker is not held"

    def __init__(self) -> None:
        super().__init__("Nothing holds the worker: there is nothing to release.")


@router.get("/backups", operation_id="get_backups", summary="Backups, and the instants that can be restored")
async def get_backups(scope: Installation) -> BackupsAnswer:
    """As the worker saw them a minute ago at most; no cloud is asked."""
    async with scope.reading() as session:
        parts = await repository.list_standing(session)
        runs = await repository.list_runs(session, "backup", limit=_RUNS_SHOWN)
    return answers.backups(parts.get("backups"), runs, now=wall_now())


@router.post(
    "/backups",
    status_code=202,
    operation_id="take_backup",
    summary="Take a backup now",
    responses=refusals(AlreadyRunning, WorkerHeld),
)
async def take_backup(scope: Installation) -> Started:
    """A job of the worker's: GET /operations/backups tells how far it is, among `runs`."""
    run_id = await start(scope.database, kind="backup", what="database", by=scope.principal.id)
    await _audit(scope, "backup.asked", subject=str(run_id))
    return Started(run_id=str(run_id))


@router.get("/recovery", operation_id="get_recovery", summary="Whether the installation could be recovered now")
async def get_recovery(request: Request, scope: Installation) -> RecoveryAnswer:
    settings, now = runtime(request).settings, wall_now()
    async with scope.reading() as session:
        standing = await service.stand(session, settings, now=now)
    return answers.recovery(standing, settings, now=now)


@router.post(
    "/recovery/release",
    operation_id="release_worker",
    summary="Let a held worker go",
    responses=refusals(NothingHeld, Unavailable),
)
async def release_worker(request: Request, scope: Installation, body: ReleaseBody) -> ReleasedAnswer:
    """Fetches what the payment provider did since the copy's instant first; the worker stays held when that fails."""
    held = runtime(request)
    released = await release_all(
        held.database, held.settings, by=f"operator {scope.principal.id}", reason=body.reason.strip()
    )
    if released is None:
        raise NothingHeld
    await _audit(
        scope,
        "worker.released",
        reason=body.reason.strip(),
        details={
            "holds": released.holds,
            "events": released.events,
            "numbers": released.numbers,
            "evidence": released.evidence,
        },
    )
    return ReleasedAnswer(
        holds=released.holds, events=released.events, numbers=released.numbers, evidence=released.evidence
    )


@router.get("/drills", operation_id="list_drills", summary="Drills, newest first")
async def list_drills(
    request: Request,
    scope: Installation,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> DrillPage:
    """Those under way, those that left evidence, and those that ended without."""
    now = wall_now()
    async with scope.reading() as session:
        rows = await repository.list_drills(session, before=_before(cursor), limit=limit)
        parts = await repository.list_standing(session)
    page, last = cut(rows, limit)
    return DrillPage(
        data=[answers.drill_row(row, now=now) for row in page],
        next_cursor=None if last is None else encode_cursor(last.at.isoformat(), last.key),
        faults=answers.faults(parts.get("evidence"), now=now),
    )


@router.get(
    "/drills/{drill_id}",
    operation_id="get_drill",
    summary="One drill: its steps while it runs, its evidence afterwards",
    responses=refusals(DrillNotFound),
)
async def get_drill(
    scope: Installation,
    drill_id: Annotated[str, Path(pattern=r"^(\d{1,18}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$")],
) -> DrillAnswer:
    """By the id of its run, or by the number of its evidence."""
    is_number = drill_id.isdigit()
    async with scope.reading() as session:
        row = await repository.find_drill(
            session,
            run_id=None if is_number else UUID(drill_id),
            number=min(int(drill_id), _LARGEST) if is_number else None,
        )
        if row is None:
            raise DrillNotFound
        before = await repository.list_drill_evidence(session, limit=50)
    return answers.drill(row, before, now=wall_now())


@router.post(
    "/drills",
    status_code=202,
    operation_id="start_drill",
    summary="Start a drill",
    responses=refusals(AlreadyRunning, WorkerHeld, DrillElsewhere),
)
async def start_drill(request: Request, scope: Installation, body: DrillBody) -> Started:
    """A job of the worker's, one at a time: GET /operations/drills/{runId} shows its steps as they come."""
    if body.scenario not in SCENARIOS:
        raise InvalidInput("scenario", f"must be one of {', '.join(SCENARIOS)}")
    if body.scenario in service.CONFIRMED and body.confirm != body.scenario:
        raise InvalidInput(
            "confirm", f"must repeat the scenario's name, {body.scenario}: {service.DOES[body.scenario]}"
        )
    if place_of(runtime(request).settings) is not None:
        raise DrillElsewhere
    run_id = await start(scope.database, kind="drill", what=body.scenario, by=scope.principal.id)
    await _audit(scope, "drill.started", subject=str(run_id), details={"scenario": body.scenario})
    return Started(run_id=str(run_id))


async def _audit(
    scope: InstallationScope,
    action: str,
    *,
    subject: str | None = None,
    reason: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """In the installation's own log."""
    async with scope.database.tenant(INSTALLATION_ID) as session:
        record(
            session,
            tenant_id=INSTALLATION_ID,
            actor=scope.principal,
            action=action,
            occurred_at=wall_now(),
            subject=subject,
            reason=reason,
            details=details,
        )


def _before(cursor: str | None) -> tuple[datetime, str] | None:
    found = decode_cursor(cursor, str, str)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(found[0])
        if at.tzinfo is None:
            raise ValueError("no zone")
    except ValueError:
        raise InvalidInput("cursor", "must be the nextCursor of an earlier page of the same list") from None
    return at, str(found[1])
