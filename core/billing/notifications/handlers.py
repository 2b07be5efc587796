"""The jobs of telling: spread facts, send a message, call an endpoint."""

from datetime import timedelta
from uuid import UUID

from core.billing.notifications import repository, sending, spreading
from core.billing.notifications.channels.base import NotTaken, Refused, Uncertain
from core.billing.notifications.webhooks import calling
from core.billing.notifications.webhooks import repository as webhooks
from core.billing.notifications.webhooks.spreading import call_soon
from core.foundation.clock import wall_now
from core.foundation.jobs import BackOff, Blueprint, JobContext, defer, is_last_attempt, runtime_of
from core.foundation.runtime import Runtime

jobs = Blueprint()

OVERDUE = timedelta(seconds=30)
SENDING = BackOff(attempts=14, first=timedelta(seconds=20), longest=timedelta(hours=4))
"""A day, about."""


@jobs.task(name="spread", pass_context=True)
async def spread(context: JobContext, *, tenant_id: str) -> None:
    """All facts of the tenant that wait, a batch a transaction."""
    runtime, tenant = runtime_of(context), UUID(tenant_id)
    while True:
        async with runtime.database.tenant(tenant) as session:
            found = await spreading.spread(session, tenant_id=tenant, wall=wall_now())
        if found < spreading.BATCH:
            return


@jobs.periodic(cron="*/1 * * * *")
@jobs.task(name="sweep", lock="notifications:sweep", queueing_lock="notifications:sweep", pass_context=True)
async def sweep(context: JobContext, timestamp: int) -> None:
    """Facts and webhooks whose job was parked or lost go out all the same."""
    del timestamp
    runtime = runtime_of(context)
    async with runtime.database.reading() as session:
        tenants = await repository.tenants_waiting(session, before=wall_now() - OVERDUE)
        overdue = await webhooks.list_overdue(session, before=wall_now() - 4 * OVERDUE)
    for tenant in tenants:
        async with runtime.database.nobody() as session:
            await defer(session, "notifications:spread", tenant_id=str(tenant))
    for row in overdue:
        async with runtime.database.nobody() as session:
            await call_soon(session, row.tenant_id, row.id)


@jobs.task(name="send", retry=SENDING, pass_context=True)
async def send(context: JobContext, *, tenant_id: str, message_id: str) -> None:
    """One message, handed over at most once."""
    runtime, tenant, wanted = runtime_of(context), UUID(tenant_id), UUID(message_id)
    async with runtime.database.tenant(tenant) as session:
        claimed = await sending.claim(session, runtime.settings, tenant_id=tenant, message_id=wanted, wall=wall_now())
    if claimed is None or claimed.channel is None:
        return
    try:
        provider_id = await claimed.channel.send(claimed.outgoing)
    except NotTaken as error:
        hopeless = is_last_attempt(context, error)
        await _note(runtime, tenant, wanted, state="failed" if hopeless else "queued", reason=str(error))
        if not hopeless:
            raise
    except Refused as error:
        await _note(runtime, tenant, wanted, state="failed", reason=str(error))
    except Uncertain as error:
        await _note(runtime, tenant, wanted, state="uncertain", reason=str(error))
    else:
        async with runtime.database.tenant(tenant) as session:
            await sending.record(
                session,
                tenant_id=tenant,
                message_id=wanted,
                state="sent",
                at=wall_now(),
                provider_id=provider_id,
            )


@jobs.task(name="call", pass_context=True)
async def call(context: JobContext, *, tenant_id: str, delivery_id: str) -> None:
    """One delivery to one endpoint; when it is tried again is a job of its own."""
    await calling.deliver(runtime_of(context), tenant_id=UUID(tenant_id), delivery_id=UUID(delivery_id))


async def _note(runtime: Runtime, tenant: UUID, message_id: UUID, *, state: str, reason: str) -> None:
    async with runtime.database.tenant(tenant) as session:
        await sending.record(session, tenant_id=tenant, message_id=message_id, state=state, reason=reason)
