"""/operations/jobs: what waits, what runs, what is parked; and another try for what is parked."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from core.foundation import job_queue
from core.foundation.errors import InvalidInput, NotFound
from core.foundation.job_queue import JobNotParked, QueuedJob
from core.foundation.refusals import refusals
from core.foundation.schemas import Page
from core.identity.scope import Installation
from core.operations.jobs.schemas import JobAnswer, JobReplayed

router = APIRouter(prefix="/operations/jobs", tags=["operations"])

_LARGEST = 2**63 - 1


@router.get("", operation_id="list_jobs", summary="List jobs, newest first")
async def list_jobs(
    scope: Installation,
    state: Annotated[str | None, Query(pattern="^(queued|running|parked|canceled|aborted)$")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=20)] = None,
) -> Page[JobAnswer]:
    """Jobs that succeeded are not kept."""
    async with scope.reading() as session:
        found, before = await job_queue.list_jobs(session, state=state, before=_before(cursor), limit=limit)
    return Page(data=[_shown(job) for job in found], next_cursor=None if before is None else str(before))


@router.post(
    "/{job_id}/replay",
    summary="Try a parked job again",
    operation_id="replay_job",
    responses=refusals(NotFound, JobNotParked),
)
async def replay_job(scope: Installation, job_id: Annotated[int, Path(ge=1, le=_LARGEST)]) -> JobReplayed:
    async with scope.database.nobody() as session:
        await job_queue.replay(session, job_id)
    return JobReplayed(job_id=job_id)


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit()) or int(cursor) > _LARGEST:
        raise InvalidInput("cursor", "must be the nextCursor of an earlier answer")
    return int(cursor)


def _shown(job: QueuedJob) -> JobAnswer:
    return JobAnswer(
        job_id=job.job_id,
        task=job.task,
        status=job.state,
        attempts=job.attempts,
        arguments=job.arguments,
        scheduled_at=job.scheduled_at,
        created_at=job.created_at,
        last_error=job.last_error,
        failed_at=job.failed_at,
    )
