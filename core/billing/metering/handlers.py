"""The jobs of usage: the coming months' partitions, and counting anew what was written."""

from procrastinate import Blueprint, JobContext
from sqlalchemy import text

from core.billing.metering.events.checking import check_all
from core.foundation.clock import wall_now
from core.foundation.jobs import runtime_of

MONTHS_AHEAD = 12

jobs = Blueprint()


@jobs.periodic(cron="37 3 * * *")
@jobs.task(name="make_partitions", queueing_lock="metering:make_partitions", pass_context=True)
async def make_partitions(context: JobContext, timestamp: int) -> None:
    """Once a night, a year ahead; a month that is there already is left alone."""
    async with runtime_of(context).database.nobody() as session:
        await session.execute(
            text(
                "SELECT create_usage_partition(month::date) FROM generate_series("
                "date_trunc('month', :today ::date), :today ::date + make_interval(months => :ahead), '1 month') "
                "AS month"
            ),
            {"today": wall_now().date(), "ahead": MONTHS_AHEAD},
        )


@jobs.periodic(cron="7 * * * *")
@jobs.task(name="check_usage", lock="metering:check_usage", queueing_lock="metering:check_usage", pass_context=True)
async def check_usage(context: JobContext, timestamp: int) -> None:
    """Once an hour: every hour of usage that was written since is counted anew and compared with its aggregates."""
    await check_all(runtime_of(context).database, now=wall_now())
