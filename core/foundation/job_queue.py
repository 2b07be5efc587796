"""The queue as the worker tends it and as operators see it: procrastinate's tables in our words.

queued: waits for its turn or its next attempt. running: a worker has it. parked: failed for good, waits for a replay.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.errors import Conflict, NotFound

STATES = {"queued": "todo", "running": "doing", "parked": "failed", "canceled": "cancelled", "aborted": "aborted"}
_STATE_OF = {status: state for state, status in STATES.items()}

_COLUMNS = """
SELECT j.id, j.task_name, j.status::text AS status, j.attempts, j.args, j.scheduled_at, e.error, e.failed_at,
       (SELECT min(v.at) FROM procrastinate_events v WHERE v.job_id = j.id AND v.type = 'deferred') AS created_at
FROM procrastinate_jobs j LEFT JOIN job_errors e ON e.job_id = j.id
"""


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job and what became of it so far. `arguments` are our ids."""

    job_id: int
    task: str
    state: str
    attempts: int
    arguments: dict[str, Any]
    scheduled_at: datetime | None
    created_at: datetime | None
    last_error: str | None
    failed_at: datetime | None


async def list_jobs(
    session: AsyncSession, *, state: str | None, before: int | None, limit: int
) -> tuple[list[QueuedJob], int | None]:
    """Jobs as the operator reads them, newest first, and the `before` of the next page."""
    rows = await session.execute(
        text(
            f"{_COLUMNS} WHERE (CAST(:status AS procrastinate_job_status) IS NULL OR j.status = :status)"
            " AND (CAST(:before AS bigint) IS NULL OR j.id < :before) ORDER BY j.id DESC LIMIT :limit"
        ),
        {"status": STATES[state] if state else None, "before": before, "limit": limit + 1},
    )
    found = [_job(row) for row in rows.mappings()]
    more = len(found) > limit
    return found[:limit], found[limit - 1].job_id if more else None


async def count_parked(session: AsyncSession) -> int:
    """How many jobs wait for a replay."""
    return await session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'")) or 0


async def replay(session: AsyncSession, job_id: int) -> None:
    """Puts a parked job back on the queue with all its attempts. Raises NotFound, Conflict (job_not_parked)."""
    queue = await session.scalar(
        text(
            "UPDATE procrastinate_jobs SET status = 'todo', attempts = 0, scheduled_at = NULL, worker_id = NULL, "
            "queueing_lock = NULL WHERE id = :id AND status = 'failed' RETURNING queue_name"
        ),
        {"id": job_id},
    )
    if queue is not None:
        await forget_failure(session, job_id)
        await _wake(session, queue, job_id)
        return
    status = await session.scalar(text("SELECT status::text FROM procrastinate_jobs WHERE id = :id"), {"id": job_id})
    if status is None:
        raise NotFound(f"There is no job {job_id}. Jobs that succeeded are not kept.")
    raise JobNotParked(f"Job {job_id} is {_STATE_OF.get(status, status)}. Only a parked job can be replayed.")


class JobNotParked(Conflict):
    """The job still runs, or will."""

    code = "job_not_parked"
    title = "The job is not parked"


async def take_up_stalled(session: AsyncSession, *, silent_for: timedelta, attempts: int) -> int:
    """Gives the jobs of workers that are silent or gone to the living; how many were found.

    One statement, so that two workers tending the queue never take a job from each other. A job that was under way
    each time its worker died is parked after `attempts`.
    """
    rows = await session.execute(
        text(
            """
            UPDATE procrastinate_jobs j
            SET status = CASE WHEN attempts + 1 >= :attempts THEN 'failed' ELSE 'todo' END::procrastinate_job_status,
                attempts = attempts + 1, scheduled_at = NULL, worker_id = NULL, queueing_lock = NULL
            WHERE j.status = 'doing' AND (
                j.worker_id IS NULL
                OR EXISTS (SELECT FROM procrastinate_workers w
                           WHERE w.id = j.worker_id AND w.last_heartbeat < now() - CAST(:silent AS interval)))
            RETURNING j.id, j.queue_name, j.status::text AS status
            """
        ),
        {"attempts": attempts, "silent": silent_for},
    )
    found = rows.all()
    for job in found:
        if job.status == "failed":
            await note_failure(session, job.id, f"the worker died in each of {attempts} attempts", forget_lock=False)
        else:
            await _wake(session, job.queue_name, job.id)
    return len(found)


async def note_failure(session: AsyncSession, job_id: int, error: str, *, forget_lock: bool) -> None:
    """Keeps the error of a failed attempt.

    `forget_lock`: gives up the job's queueing lock, since a job that waits for another attempt must not collide with
    the next of its kind (the queue's unique index would refuse the retry and leave the job running for ever).
    """
    await session.execute(text("SELECT record_job_error(:id, :error)"), {"id": job_id, "error": error})
    if forget_lock:
        await session.execute(text("UPDATE procrastinate_jobs SET queueing_lock = NULL WHERE id = :id"), {"id": job_id})


async def forget_failure(session: AsyncSession, job_id: int) -> None:
    """The job succeeded after all."""
    await session.execute(text("SELECT forget_job_error(:id)"), {"id": job_id})


async def _wake(session: AsyncSession, queue: str, job_id: int) -> None:
    notification = json.dumps({"type": "job_inserted", "job_id": job_id})
    for channel in (f"procrastinate_queue_v1#{queue}", "procrastinate_any_queue_v1"):
        await session.execute(text("SELECT pg_notify(:channel, :text)"), {"channel": channel, "text": notification})


def _job(row: Any) -> QueuedJob:
    return QueuedJob(
        job_id=row["id"],
        task=row["task_name"],
        state=_STATE_OF.get(row["status"]) or str(row["status"]),
        attempts=row["attempts"],
        arguments=row["args"],
        scheduled_at=row["scheduled_at"],
        created_at=row["created_at"],
        # A task that no worker knows fails before anything of ours runs.
        last_error=row["error"] or ("no worker knows this task" if row["status"] == "failed" else None),
        failed_at=row["failed_at"],
    )
