"""The worker of a restored, moved or failed-over copy waits: it runs no job until its holds are released."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prometheus_client import Gauge

from core.foundation.clock import wall_now
from core.foundation.runtime import Runtime
from core.foundation.telemetry import log
from core.operations.records.repeating import repeat_erasures
from core.operations.recovery import holding
from core.worker.tending import BEAT_EVERY, see_recovery, show_life

HELD = Gauge("cloudbill_worker_held", "Whether this worker waits (1) until a restored copy is released.")

_LOG = log("worker")


async def wait_while_held(runtime: Runtime) -> None:
    """Returns when nothing holds it; meanwhile it shows that it lives, and how recovery stands."""
    if not (holds := await holding.list_open(runtime.database)):
        HELD.set(0)
        return
    reasons = "; ".join(hold.reason for hold in holds)
    _LOG.warning("worker_held", reasons=reasons, release="cloudbill recovery release")
    HELD.set(1)
    try:
        erased = await repeat_erasures(runtime.database, runtime.settings, now=wall_now())
        _LOG.info("worker_held_erased_again", persons=erased)
    except Exception as error:  # the release does it again, and does not go on without
        _LOG.exception("worker_held_not_erased_again", error=type(error).__name__)
    async with _seeing(runtime):
        while await holding.list_open(runtime.database):
            with contextlib.suppress(Exception):  # the cache is never the truth, and says so elsewhere
                await show_life(runtime)
            await asyncio.sleep(BEAT_EVERY.total_seconds())
    HELD.set(0)
    _LOG.info("worker_released")


@asynccontextmanager
async def _seeing(runtime: Runtime) -> AsyncGenerator[None]:
    seeing = asyncio.create_task(see_recovery(runtime))
    try:
        yield
    finally:
        seeing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await seeing
