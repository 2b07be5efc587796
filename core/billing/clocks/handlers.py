"""The job that does what has fallen due on the tenants' clocks, every few seconds."""

from procrastinate import Blueprint, JobContext

from core.billing.clocks import service
from core.foundation.clock import wall_now
from core.foundation.jobs import runtime_of

jobs = Blueprint()


@jobs.periodic(cron="* * * * * */5")
@jobs.task(name="drain", lock="clocks:drain", queueing_lock="clocks:drain", pass_context=True)
async def drain(context: JobContext, timestamp: int) -> None:
    """Holds that expire, and whatever else rooms have registered."""
    await service.drain_all(runtime_of(context).database, wall_now=wall_now())
