"""A worker with tasks that only tests have, and with short times: `python -m tests.support.probe_worker`."""

import asyncio
from datetime import timedelta
from uuid import UUID

from core.billing.credits import service as credits
from core.foundation.clock import wall_now
from core.foundation.jobs import BackOff, Blueprint, JobContext, Permanent, runtime_of
from core.worker import app, tending

jobs = Blueprint()

healed: set[str] = set()
"""Causes that no longer make `fail` fail."""
ran: list[str] = []


@jobs.task(name="note", pass_context=True)
async def note(context: JobContext, *, word: str) -> None:
    ran.append(word)


@jobs.task(name="fail", pass_context=True, retry=BackOff(first=timedelta(minutes=1)))
async def fail(context: JobContext, *, cause: str) -> None:
    if cause not in healed:
        raise ValueError(f"a secret: {cause}")


@jobs.task(name="refuse", pass_context=True, retry=BackOff(attempts=5))
async def refuse(context: JobContext, *, cause: str) -> None:
    if cause not in healed:
        raise Permanent(f"{cause} can never be done")


@jobs.task(name="give", pass_context=True)
async def give(context: JobContext, *, tenant_id: str, customer_id: str, reference: str) -> None:
    """Gives one unit of credits, and dawdles before and after so that a kill may come anywhere."""
    await asyncio.sleep(0.02)
    async with runtime_of(context).database.tenant(UUID(tenant_id)) as session:
        await credits.top_up(
            session,
            tenant_id=UUID(tenant_id),
            customer_id=UUID(customer_id),
            currency="USD",
            amount_micro=1_000_000,
            kind="grant",
            reference=reference,
            occurred_at=wall_now(),
        )
    await asyncio.sleep(0.02)


app.include(app.assemble(), "probe", jobs)

if __name__ == "__main__":
    tending.SILENT_FOR = timedelta(seconds=1)
    tending.BEAT_EVERY = timedelta(seconds=0.2)
    from core.worker.main import run

    run()
