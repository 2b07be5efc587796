"""Jobs of the ledger: sealing every few seconds, the hourly search for what came late, verification once a day."""

import time

from procrastinate import Blueprint, JobContext

from core.billing.ledger.heads import Heads
from core.billing.ledger.sealing import seal_all
from core.billing.ledger.signing import load_signing_keys
from core.billing.ledger.verification import standing
from core.billing.ledger.verification.verify import Verified, verify
from core.foundation.clock import wall_now
from core.foundation.jobs import runtime_of
from core.foundation.runtime import Runtime
from core.foundation.telemetry import log

jobs = Blueprint()

_LOG = log("ledger")


@jobs.periodic(cron="* * * * * */5")
@jobs.task(name="seal", lock="ledger:seal", queueing_lock="ledger:seal", pass_context=True)
async def seal(context: JobContext, timestamp: int) -> None:
    """Seals what was committed in the last moments."""
    runtime = runtime_of(context)
    await seal_all(runtime.database, _heads(runtime))


@jobs.periodic(cron="17 * * * *")
@jobs.task(name="seal_late", lock="ledger:seal", queueing_lock="ledger:seal_late", pass_context=True)
async def seal_late(context: JobContext, timestamp: int) -> None:
    """Compares all transactions with all blocks and seals what was committed too late to be seen before."""
    runtime = runtime_of(context)
    await seal_all(runtime.database, _heads(runtime), thorough=True)


@jobs.periodic(cron="* * * * * */20")
@jobs.task(name="verify", lock="ledger:verify", queueing_lock="ledger:verify", pass_context=True)
async def verify_daily(context: JobContext, timestamp: int) -> None:
    """Verifies all ledgers when that was not done for a day, and logs what it finds."""
    runtime = runtime_of(context)
    if await standing.find(runtime.cache) is not None:
        return
    started = time.monotonic()
    verified = Verified()
    async for finding in verify(runtime.database, _heads(runtime), verified=verified):
        _LOG.error("ledger_finding", tenant=finding.tenant, check=finding.check, row=finding.row, detail=finding.detail)
    await standing.remember(
        runtime.cache,
        standing.Standing(wall_now(), verified.findings, verified.transactions, round(time.monotonic() - started, 3)),
    )


def _heads(runtime: Runtime) -> Heads:
    return Heads(runtime.settings.heads_path, load_signing_keys(runtime.settings))
