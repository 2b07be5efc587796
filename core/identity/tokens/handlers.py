"""The job that forgets sign-ins whose last refresh token has expired."""

from datetime import timedelta

from procrastinate import Blueprint, JobContext
from sqlalchemy import text

from core.foundation.clock import wall_now
from core.foundation.jobs import runtime_of

KEPT_FOR = timedelta(days=30)
"""After the expiry: until then a stolen token that is tried late is still recognized as one."""

jobs = Blueprint()


@jobs.periodic(cron="27 3 * * *")
@jobs.task(name="forget_sign_ins", queueing_lock="tokens:forget_sign_ins", pass_context=True)
async def forget_sign_ins(context: JobContext, timestamp: int) -> None:
    """Once a night."""
    async with runtime_of(context).database.nobody() as session:
        await session.execute(text("SELECT forget_sign_ins(:before)"), {"before": wall_now() - KEPT_FOR})
