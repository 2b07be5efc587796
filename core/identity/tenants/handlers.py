"""The job that forgets remembered answers once they are old."""

from datetime import timedelta

from procrastinate import Blueprint, JobContext
from sqlalchemy import text

from core.foundation.clock import wall_now
from core.foundation.jobs import runtime_of

KEPT_FOR = timedelta(days=30)
"""Answers that moved no money; keys that did are columns of what they moved, and stay for ever."""

jobs = Blueprint()


@jobs.periodic(cron="17 3 * * *")
@jobs.task(name="forget_keys", queueing_lock="tenants:forget_keys", pass_context=True)
async def forget_keys(context: JobContext, timestamp: int) -> None:
    """Once a night."""
    async with runtime_of(context).database.nobody() as session:
        await session.execute(text("SELECT forget_idempotency_keys(:before)"), {"before": wall_now() - KEPT_FOR})
