"""The worker's tasks: every room's blueprint under the room's name, and what surrounds each job."""

import contextlib
import importlib
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, cast

from procrastinate import App, Blueprint, JobContext, PsycopgConnector
from procrastinate.worker import Worker
from prometheus_client import Counter

from core.foundation import job_queue
from core.foundation.jobs import BACK_OFF, context_of, describe, is_last_attempt, runtime_of
from core.foundation.runtime import Runtime
from core.foundation.telemetry import log

ROOMS: dict[str, str] = {
    "clocks": "core.billing.clocks.handlers",
    "invoices": "core.billing.invoices.handlers",
    "ledger": "core.billing.ledger.handlers",
    "metering": "core.billing.metering.handlers",
    "notifications": "core.billing.notifications.handlers",
    "payments": "core.billing.payments.handlers",
    "records": "core.operations.records.handlers",
    "recovery": "core.operations.recovery.handlers",
    "webhooks": "core.billing.webhooks.handlers",
}
"""Name of a room in a task's name -> the module that holds its `jobs`."""

JOBS = Counter("cloudbill_jobs", "Jobs run by this worker, by how each run ended.", ["task", "outcome"])

_LOG = log("worker")


@cache
def assemble() -> App:
    """All tasks of all rooms. Its connector is replaced by each worker; the one it starts with is never opened."""
    app = App(connector=PsycopgConnector())
    for room, module in ROOMS.items():
        include(app, room, importlib.import_module(module).jobs)
    return app


def include(app: App, room: str, jobs: Blueprint) -> None:
    """Adds a room's tasks; those without a strategy of their own get the usual back-off."""
    app.add_tasks_from(jobs, namespace=room)
    for task in cast("dict[str, Any]", cast("Any", jobs).tasks).values():
        task.retry_strategy = task.retry_strategy or BACK_OFF


def worker_options(runtime: Runtime) -> dict[str, Any]:
    """What every worker of these tasks is started with."""
    return {
        "delete_jobs": "successful",
        "additional_context": context_of(runtime),
        "worker_middleware": [_account_for],
        "install_signal_handlers": False,
    }


async def run_until_idle(runtime: Runtime, *, concurrency: int = 1) -> None:
    """Runs every job that is due now, then returns; for tests and commands."""
    connector = PsycopgConnector(conninfo=runtime.database.following.app_url, min_size=1, max_size=2)
    with assemble().replace_connector(connector) as app:
        async with app.open_async():
            await app.run_worker_async(
                wait=False, listen_notify=False, concurrency=concurrency, **worker_options(runtime)
            )


async def _account_for(call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker) -> Any:
    """Counts a job's run and keeps its error where an operator finds it."""
    task, job_id = context.job.task_name, context.job.id
    assert job_id is not None
    try:
        result = await call_next()
    except Exception as error:
        if _is_periodic(context):
            # Its next tick is its next attempt: nothing to retry, nothing to park.
            _LOG.exception("periodic_job_failed", task=task, job_id=job_id, error=describe(error))
            JOBS.labels(task, "failed").inc()
            return None
        outcome = "parked" if is_last_attempt(context, error) else "failed"
        _LOG.warning("job_failed", task=task, job_id=job_id, outcome=outcome, error=describe(error), exc_info=True)
        JOBS.labels(task, outcome).inc()
        with contextlib.suppress(Exception):  # the error of the job matters more than that of its note
            async with runtime_of(context).database.nobody() as session:
                forget_lock = context.job.queueing_lock is not None
                await job_queue.note_failure(session, job_id, describe(error), forget_lock=forget_lock)
        raise
    if context.job.attempts:
        with contextlib.suppress(Exception):
            async with runtime_of(context).database.nobody() as session:
                await job_queue.forget_failure(session, job_id)
    JOBS.labels(task, "succeeded").inc()
    return result


def _is_periodic(context: JobContext) -> bool:
    registry = cast("dict[tuple[str, str], object]", cast("Any", context.app).periodic_registry.periodic_tasks)
    return any(name == context.job.task_name for name, _ in registry)
