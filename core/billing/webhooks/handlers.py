"""The job that applies a provider's event."""

from uuid import UUID

from core.billing.payments import applying
from core.billing.payments.applying import Located, Place
from core.billing.payments.errors import NotPrepared, PurchaseNotFound
from core.billing.payments.gateway import payment_provider
from core.billing.payments.preparing import prepare
from core.billing.payments.providers.base import ProviderEvent, ProviderEventKind
from core.billing.payments.providers.errors import MalformedProviderEvent
from core.billing.webhooks import repository
from core.billing.webhooks.service import WEBHOOK_EVENTS
from core.foundation.clock import tenant_now, wall_now
from core.foundation.jobs import Blueprint, JobContext, Permanent, describe, is_last_attempt, runtime_of
from core.foundation.runtime import Runtime
from core.foundation.telemetry import log

jobs = Blueprint()

_LOG = log("webhooks")


# No lock: a poisoned event must not hold up the others, and the row of the purchase puts them in line.
@jobs.task(name="apply", pass_context=True)
async def apply(context: JobContext, *, event_id: str) -> None:
    """Applies one event. What can never be applied is parked: the event, not the job, is what waits for a replay."""
    runtime, wanted = runtime_of(context), UUID(event_id)
    try:
        state = await _apply(runtime, wanted)
    except Exception as error:
        hopeless = isinstance(error, Permanent | MalformedProviderEvent) or is_last_attempt(context, error)
        async with runtime.database.nobody() as session:
            if not hopeless:
                await repository.note_failure(session, wanted, describe(error))
            elif await repository.lock(session, wanted) == "received":
                await repository.close(session, wanted, state="parked", tenant_id=None, reason=describe(error))
        if not hopeless:
            raise
        _LOG.error("webhook_event_parked", eventId=event_id, error=describe(error), exc_info=True)
        state = "parked"
    if state is not None:
        WEBHOOK_EVENTS.labels(state).inc()


async def _apply(runtime: Runtime, event_id: UUID) -> str | None:
    """What became of it, None where that was known before."""
    async with runtime.database.nobody() as session:
        stored = await repository.find(session, event_id)
    if stored is None or stored.state != "received":
        return None
    account_id: str = stored.provider_account_id
    event = payment_provider(runtime.settings).parse_event(stored.payload)
    if event.kind is ProviderEventKind.UNKNOWN:
        return await _ignore(runtime, event_id, "an event that changes nothing here")
    located = await applying.locate(runtime.database, runtime.settings, event, account_id=account_id)
    if located is None:
        return await _ignore(runtime, event_id, "not about a payment of ours")
    try:
        return await _apply_to(runtime, event_id, event, located, account_id=account_id)
    except NotPrepared:
        assert isinstance(located, Located), "only a purchase is prepared"
        # The event overtook the answer to the request that made the payment.
        await prepare(
            runtime.database,
            runtime.settings,
            tenant_id=located.tenant_id,
            purchase_id=located.purchase_id,
            wall=wall_now(),
        )
        return await _apply_to(runtime, event_id, event, located, account_id=account_id)


async def _apply_to(
    runtime: Runtime, event_id: UUID, event: ProviderEvent, located: Place, *, account_id: str
) -> str | None:
    try:
        async with runtime.database.tenant(located.tenant_id) as session:
            if await repository.lock(session, event_id) != "received":
                return None
            now = await tenant_now(session, located.tenant_id)
            reason = await applying.apply(session, event, located, account_id=account_id, now=now, wall=wall_now())
            state = "applied" if reason is None else "ignored"
            # In the same transaction as what it caused: once, or not at all.
            await repository.close(session, event_id, state=state, tenant_id=located.tenant_id, reason=reason)
            return state
    except PurchaseNotFound:
        return await _ignore(runtime, event_id, "not about a purchase of ours")


async def _ignore(runtime: Runtime, event_id: UUID, reason: str) -> str | None:
    async with runtime.database.nobody() as session:
        if await repository.lock(session, event_id) != "received":
            return None
        await repository.close(session, event_id, state="ignored", tenant_id=None, reason=reason)
    return "ignored"
