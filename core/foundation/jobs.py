"""Jobs: what is done after the commit that causes it, at least once.

A room's `handlers.py` has `jobs = Blueprint()` and tasks such as

    @jobs.task(name="refund", pass_context=True)
    async def refund(context: JobContext, *, tenant_id: str, refund_id: str) -> None:
        runtime = runtime_of(context)

which core/worker/app.py assembles under the room's name ("payments:refund"); `defer` names it so. A handler may run
again after it has done its work (the worker died before it could say so): it must find that out and do nothing twice.
It opens its own transactions and keeps none open while it waits for someone else.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, cast

import psycopg
from procrastinate import BaseRetryStrategy, Blueprint, JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.tasks import ConfigureTaskOptions, configure_task
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.clock import wall_now
from core.foundation.database import driver_connection
from core.foundation.errors import CloudBillError
from core.foundation.runtime import Runtime
from core.foundation.tables import Table

__all__ = ["BACK_OFF", "BackOff", "Blueprint", "JobContext", "JobError", "Permanent", "defer", "runtime_of"]

_RANDOM = SystemRandom()
_RUNTIME = "runtime"
_LONGEST_TEXT = 500

# Never opened: it only writes through connections that are given to it.
_manager = JobManager(PsycopgConnector())


class Permanent(Exception):
    """Trying again cannot help: the job is parked at once. The text is shown to operators: our words and ids only."""


class JobError(Table):
    """The last error of a job that did not succeed yet; procrastinate keeps none."""

    __tablename__ = "job_errors"

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    error: Mapped[str]
    failed_at: Mapped[datetime]


@dataclass(frozen=True)
class BackOff(BaseRetryStrategy):
    """Twice as long after every failure, up to `longest`, each wait between half and one and a half times that.

    After `attempts` runs, or a Permanent error, the job is parked.
    """

    attempts: int = 20
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=10)

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_at=wall_now())  # the worker is being stopped; another one goes on
        if isinstance(exception, Permanent) or job.attempts + 1 >= self.attempts:
            return None
        return RetryDecision(retry_at=wall_now() + self.wait_after(job.attempts))

    def wait_after(self, failures: int) -> timedelta:
        """How long to wait after `failures` earlier ones (0 after the first run)."""
        return min(self.longest, self.first * 2 ** min(failures, 30)) * _RANDOM.uniform(0.5, 1.5)


BACK_OFF = BackOff()
"""Two hours, about; for what has no strategy of its own."""


async def defer(
    session: AsyncSession,
    task: str,
    *,
    at: datetime | None = None,
    lock: str | None = None,
    queueing_lock: str | None = None,
    **ids: str | int,
) -> None:
    """Puts a job on the queue in the session's own transaction: it exists if and only if that commits.

    `task` is "room:name". `at` is wall time. Arguments are our ids only: the queue has no row security. Of one
    `queueing_lock` only one job waits; a second is dropped, so the handler must look at what there is to do when it
    runs. Of one `lock` one job runs at a time, in order: a failing one holds up those behind it until it is parked.
    """
    options: ConfigureTaskOptions = {"lock": lock, "queueing_lock": queueing_lock, "schedule_at": at}
    if queueing_lock is None:
        await _put(session, task, options, ids)
        return
    try:
        async with session.begin_nested():
            await _put(session, task, options, ids)
    except AlreadyEnqueued:
        return


async def _put(session: AsyncSession, task: str, options: ConfigureTaskOptions, ids: Mapping[str, str | int]) -> None:
    options["connection"] = await driver_connection(session)
    await configure_task(name=task, job_manager=_manager, **options).defer_async(**ids)


def runtime_of(context: JobContext) -> Runtime:
    """The worker's settings, database and cache."""
    return cast("dict[str, Runtime]", cast("Any", context).additional_context)[_RUNTIME]


def context_of(runtime: Runtime) -> dict[str, object]:
    """What a worker gives to every job, for `runtime_of`."""
    return {_RUNTIME: runtime}


def is_last_attempt(context: JobContext, error: BaseException) -> bool:
    """Whether the job will be parked for `error`."""
    strategy = cast("BaseRetryStrategy | None", cast("Any", context).task.retry_strategy)
    return strategy is None or strategy.get_retry_exception(exception=error, job=context.job) is None


def describe(error: BaseException) -> str:
    """An error for operators, without parameters of statements or bodies, which may hold personal data."""
    if isinstance(error, CloudBillError):
        text = f"{error.code}: {error.detail}"
    elif isinstance(error, Permanent):
        text = str(error)
    elif isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.Error):
        text = f"{type(error.orig).__name__} {error.orig.diag.constraint_name or ''}".strip()
    else:
        text = type(error).__name__
    return text[:_LONGEST_TEXT]
