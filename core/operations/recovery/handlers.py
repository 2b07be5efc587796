"""Runs that somebody started, and the drill that comes by itself: asked for every night, run when DRILL_INTERVAL has
passed since the last one.
"""

import contextlib
from datetime import datetime, timedelta
from uuid import UUID

from procrastinate import Blueprint, JobContext

from core.foundation.clock import wall_now
from core.foundation.jobs import runtime_of
from core.foundation.telemetry import log
from core.operations.backups.keys import Keys
from core.operations.backups.taking import catalogue_of
from core.operations.recovery import evidence
from core.operations.recovery.looking import look
from core.operations.recovery.running import AlreadyRunning, carry_out, start

jobs = Blueprint()

FIRST_AFTER = timedelta(days=1)
"""An installation's first drill, after its first base backup."""

_LOG = log("recovery")


@jobs.periodic(cron="20 3 * * *")
@jobs.task(name="drill", lock="recovery:drill", queueing_lock="recovery:drill", pass_context=True)
async def drill_when_due(context: JobContext, timestamp: int) -> None:
    """On the machine that has backups and private key; elsewhere `cloudbill drill run` is somebody's to start."""
    runtime = runtime_of(context)
    settings = runtime.settings
    made = [backup.finished_at for backup in catalogue_of(settings).read().backups("database")]
    if not made:
        return
    if not Keys(settings).identity_path.exists():
        _LOG.warning("drill_skipped", reason="the private key of the backups is not kept on this machine")
        return
    last = await evidence.list_pieces(runtime.database, kind="drill", limit=1)
    if not is_due(last[0].recorded_at if last else None, min(made), now=wall_now(), interval=settings.drill_interval):
        return
    with contextlib.suppress(AlreadyRunning):  # somebody's own: the next night looks again
        await start(runtime.database, kind="drill", what="pitr", by=None)


@jobs.task(name="run", pass_context=True)
async def carry_out_run(context: JobContext, *, run_id: str) -> None:
    """A drill or a backup that somebody started, once."""
    runtime = runtime_of(context)
    outcome = await carry_out(runtime.database, runtime.settings, UUID(run_id))
    if outcome is not None:
        await look(runtime)  # what it changed is seen at once
        if outcome.state != "passed":
            _LOG.error("run_failed", run=run_id, error=outcome.error)


def is_due(last: datetime | None, first_backup: datetime, *, now: datetime, interval: timedelta) -> bool:
    """Whether it is time."""
    return now - first_backup >= FIRST_AFTER if last is None else now - last >= interval
