"""Jobs of invoices: the run, shared by several workers, and the nightly recomputation."""

from datetime import datetime, timedelta
from uuid import UUID

from procrastinate import Blueprint, JobContext

from core.billing.invoices import running
from core.billing.invoices.recomputing import standing
from core.billing.invoices.recomputing.recompute import Recomputed, recompute_all
from core.foundation.clock import wall_now
from core.foundation.jobs import defer, runtime_of
from core.foundation.telemetry import log

jobs = Blueprint()

_LOG = log("invoices")
_AT, _MISSED = 2, timedelta(hours=25)


@jobs.periodic(cron="* * * * * */10")
@jobs.task(name="start_runs", queueing_lock="invoices:start_runs", pass_context=True)
async def start_runs(context: JobContext, timestamp: int) -> None:
    """Gives each tenant with something due to as many jobs as may share it; one that is still waiting stays."""
    database = runtime_of(context).database
    for tenant_id in await running.tenants_due(database, now=wall_now()):
        async with database.nobody() as session:
            for number in range(running.WORKERS):
                lock = f"invoices:run:{tenant_id}:{number}"
                await defer(session, "invoices:run", lock=lock, queueing_lock=lock, tenant_id=str(tenant_id))


@jobs.task(name="run", pass_context=True)
async def run(context: JobContext, tenant_id: str) -> None:
    """Bills what is due for one tenant, beside the other jobs that do."""
    await running.run_tenant(runtime_of(context).database, UUID(tenant_id))


@jobs.periodic(cron="23 * * * *")
@jobs.task(name="recompute", lock="invoices:recompute", queueing_lock="invoices:recompute", pass_context=True)
async def recompute_nightly(context: JobContext, timestamp: int) -> None:
    """At night, or as soon as a night was missed: recomputes every final invoice and logs what differs."""
    runtime = runtime_of(context)
    last = await standing.find(runtime.cache)
    now = wall_now()
    if last is not None and now.hour != _AT and now - datetime.fromisoformat(last.at) < _MISSED:
        return
    result = Recomputed()
    async for drift in recompute_all(runtime.database, result=result):
        _LOG.error("invoice_drift", tenant=drift.tenant, invoice=drift.invoice, line=drift.line, cause=drift.cause)
    await standing.remember(runtime.cache, standing.Standing.of(result, at=wall_now()))
