"""Bodies of jobs."""

from typing import Any, Literal

from core.foundation.schemas import Answer, Instant


class JobAnswer(Answer):
    """A job that has not succeeded yet. `arguments` are ids."""

    job_id: int
    task: str
    status: str
    attempts: int
    arguments: dict[str, Any]
    scheduled_at: Instant | None
    created_at: Instant | None
    last_error: str | None
    failed_at: Instant | None


class JobReplayed(Answer):
    """The job is on the queue again."""

    job_id: int
    status: Literal["queued"] = "queued"
