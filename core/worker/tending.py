"""What a worker does besides jobs, for as long as it runs: it shows that it lives and takes up the jobs of the dead.

Loops rather than jobs: a job that waits for its turn could not be the one that frees the queue.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NoReturn

from sqlalchemy import text

from core.foundation import job_queue
from core.foundation.clock import wall_now
from core.foundation.jobs import BACK_OFF
from core.foundation.runtime import Runtime
from core.foundation.telemetry import log
from core.operations.backups import measuring as backups
from core.operations.jobs.measuring import measure
from core.operations.recovery.looking import look, look_every

HEARTBEAT_KEY = "worker:heartbeat"
HEARTBEAT_LIVES = timedelta(seconds=15)
BEAT_EVERY = timedelta(seconds=5)
LOOK_EVERY = timedelta(minutes=1)
SILENT_FOR = timedelta(seconds=20)
"""A worker that has not been heard of for so long is dead."""

_LOG = log("worker")


async def tend(runtime: Runtime) -> None:
    """Runs all loops until it is cancelled."""
    await asyncio.gather(
        _keep_doing(BEAT_EVERY, lambda: show_life(runtime)),
        _keep_doing(BEAT_EVERY, lambda: tend_queue(runtime)),
        _keep_doing(LOOK_EVERY, lambda: look_at_backups(runtime)),
        see_recovery(runtime),
    )


async def show_life(runtime: Runtime) -> None:
    """Says in the cache that this worker runs and reaches its database."""
    async with runtime.database.nobody() as session:
        await session.execute(text("SELECT 1"))
    await runtime.cache.set(HEARTBEAT_KEY, wall_now().isoformat(), ex=HEARTBEAT_LIVES)


async def tend_queue(runtime: Runtime) -> None:
    """Takes up the jobs of silent workers and measures what is parked."""
    async with runtime.database.nobody() as session:
        stalled = await job_queue.take_up_stalled(session, silent_for=SILENT_FOR, attempts=BACK_OFF.attempts)
    async with runtime.database.reading() as session:
        await measure(session)
    if stalled:
        _LOG.warning("stalled_jobs_taken_up", jobs=stalled)


async def look_at_backups(runtime: Runtime) -> None:
    """Measures the backups of this machine; what is wrong with them stands in the log, too."""
    for trouble in await asyncio.to_thread(backups.look, runtime.settings, now=wall_now()) or ():
        _LOG.error("backups", trouble=trouble.key, summary=trouble.summary)


async def see_recovery(runtime: Runtime) -> NoReturn:
    """Stores how recovery stands, for the API to show; a held worker does so, too."""
    await _keep_doing(look_every(runtime.settings), lambda: look(runtime))


async def _keep_doing(every: timedelta, work: Callable[[], Awaitable[None]]) -> NoReturn:
    while True:
        try:
            await work()
        except Exception as error:
            _LOG.warning("worker_tending_failed", error=type(error).__name__)
        await asyncio.sleep(every.total_seconds())
