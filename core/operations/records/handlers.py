"""Jobs of the records: sealing and verifying the audit log, completing erasures, removing what is over its time."""

from procrastinate import Blueprint, JobContext

from core.foundation.clock import wall_now
from core.foundation.jobs import runtime_of
from core.foundation.telemetry import log
from core.operations.records import erasing
from core.operations.records.retention import removing
from core.operations.records.sealing import audit_heads, seal_all, verify_all

jobs = Blueprint()
_LOG = log("records")


@jobs.periodic(cron="* * * * *")
@jobs.task(name="seal_audit", queueing_lock="records:seal_audit", lock="records:seal_audit", pass_context=True)
async def seal_audit(context: JobContext, timestamp: int) -> None:
    """Chains the audit rows of the last minute."""
    runtime = runtime_of(context)
    await seal_all(runtime.database, audit_heads(runtime.settings), now=wall_now())


@jobs.periodic(cron="41 3 * * *")
@jobs.task(name="verify_audit", queueing_lock="records:verify_audit", pass_context=True)
async def verify_audit(context: JobContext, timestamp: int) -> None:
    """Once a night; what it finds stands in the log."""
    runtime = runtime_of(context)
    async for finding in verify_all(runtime.database, audit_heads(runtime.settings)):
        _LOG.error("audit_finding", tenant_id=str(finding.tenant_id), row=finding.row, detail=finding.detail)


@jobs.periodic(cron="23 4 * * *")
@jobs.task(name="complete_erasures", queueing_lock="records:complete_erasures", pass_context=True)
async def complete_erasures(context: JobContext, timestamp: int) -> None:
    """Destroys the keys of erased persons whose invoices need be kept no longer."""
    runtime = runtime_of(context)
    await erasing.complete_due(runtime.database, now=wall_now())


@jobs.periodic(cron="53 3 * * *")
@jobs.task(
    name="remove_over_time",
    lock="records:remove_over_time",
    queueing_lock="records:remove_over_time",
    pass_context=True,
)
async def remove_over_time(context: JobContext, timestamp: int) -> None:
    """Once a night; what it removed stands in the audit logs, a metric and the log."""
    runtime = runtime_of(context)
    async for removed in removing.remove_over_time(runtime.database, runtime.settings, wall=wall_now()):
        _LOG.info("records_removed", tenant=removed.tenant, kind=removed.kind, records=removed.records)


@jobs.task(name="note_erasure", pass_context=True)
async def note_erasure(context: JobContext, *, tenant_id: str, subject_kind: str, subject_id: str) -> None:
    """Notes a tombstone outside the database, for copies from before."""
    erasing.note(runtime_of(context).settings, tenant_id=tenant_id, subject_kind=subject_kind, subject_id=subject_id)
