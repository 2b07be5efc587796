"""Jobs of payments: what is done at the provider after a decision, and the sweep for what its events did not tell."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from core.billing.payments import asking, repository
from core.billing.payments.charges import performing, refunding
from core.billing.payments.charges import repository as charges
from core.billing.payments.errors import LiveProviderRefused, PaymentProviderUnavailable
from core.billing.payments.methods import asking as saving
from core.billing.payments.providers.errors import ProviderError, ProviderKeyConflict, ProviderObjectMissing
from core.billing.payments.reconciling import standing
from core.billing.payments.reconciling.reconcile import WINDOW, reconcile
from core.billing.payments.topping import asking as topping
from core.foundation.clock import tenant_now, wall_now
from core.foundation.jobs import BackOff, Blueprint, JobContext, Permanent, defer, describe, runtime_of
from core.foundation.telemetry import log

jobs = Blueprint()

PATIENCE = timedelta(seconds=60)
"""How long events may take before the provider is asked."""
_REFUND_PATIENCE = timedelta(minutes=10)
_TRY_PATIENCE = timedelta(minutes=5)
_SWEPT_AT_ONCE = 100

_LOG = log("payments")


@contextmanager
def _refused_for_good() -> Generator[None]:
    """What no second try would change is a person's to look at."""
    try:
        yield
    except (LiveProviderRefused, ProviderKeyConflict) as error:
        raise Permanent(error.detail) from error


@jobs.task(name="close_other", pass_context=True)
async def close_other(context: JobContext, *, tenant_id: str, purchase_id: str) -> None:
    """Once a purchase is paid one way, the other is closed."""
    runtime = runtime_of(context)
    with _refused_for_good():
        await asking.close_other(
            runtime.database,
            runtime.settings,
            tenant_id=UUID(tenant_id),
            purchase_id=UUID(purchase_id),
            wall=wall_now(),
        )


@jobs.task(name="refund", pass_context=True)
async def refund(context: JobContext, *, tenant_id: str, refund_id: str) -> None:
    """Money that was promised back goes back."""
    runtime = runtime_of(context)
    with _refused_for_good():
        await asking.refund(
            runtime.database, runtime.settings, tenant_id=UUID(tenant_id), refund_id=UUID(refund_id), wall=wall_now()
        )


@jobs.task(name="detach", pass_context=True)
async def detach(context: JobContext, *, tenant_id: str, method_id: str) -> None:
    """A card that was removed here is removed at the provider."""
    runtime = runtime_of(context)
    try:
        with _refused_for_good():
            await saving.detach(
                runtime.database, runtime.settings, tenant_id=UUID(tenant_id), method_id=UUID(method_id)
            )
    except ProviderObjectMissing:
        _LOG.warning("card_gone_at_provider", paymentMethodId=method_id)


@jobs.task(name="top_up", pass_context=True)
async def top_up(context: JobContext, *, tenant_id: str, purchase_id: str) -> None:
    """Charges a saved card for a top-up that a low wallet has asked for."""
    runtime = runtime_of(context)
    with _refused_for_good():
        await topping.charge(
            runtime.database,
            runtime.settings,
            tenant_id=UUID(tenant_id),
            purchase_id=UUID(purchase_id),
            wall=wall_now(),
        )


@jobs.task(name="charge", pass_context=True)
async def charge(context: JobContext, *, tenant_id: str, attempt_id: str) -> None:
    """Asks the provider to charge an invoice."""
    runtime = runtime_of(context)
    with _refused_for_good():
        await performing.perform(
            runtime.database,
            runtime.settings,
            tenant_id=UUID(tenant_id),
            attempt_id=UUID(attempt_id),
            wall=wall_now(),
        )


@jobs.task(name="refund_note", pass_context=True)
async def refund_note(context: JobContext, *, tenant_id: str, credit_note_id: str) -> None:
    """What a credit note gives back is started."""
    async with runtime_of(context).database.tenant(UUID(tenant_id)) as session:
        now = await tenant_now(session, UUID(tenant_id))
        await refunding.execute(
            session, tenant_id=UUID(tenant_id), credit_note_id=UUID(credit_note_id), now=now, wall=wall_now()
        )


@jobs.task(name="close_charge", pass_context=True)
async def close_charge(context: JobContext, *, tenant_id: str, payment_id: str) -> None:
    """Closes a payment of an invoice in whose place there is another."""
    runtime = runtime_of(context)
    with _refused_for_good():
        await performing.close(
            runtime.database, runtime.settings, tenant_id=UUID(tenant_id), payment_id=UUID(payment_id), wall=wall_now()
        )


@jobs.task(name="ask", pass_context=True, retry=BackOff(attempts=3))
async def ask(context: JobContext, *, tenant_id: str, purchase_id: str) -> None:
    """Asks the provider how a purchase stands. Where it does not say, the sweep comes again, ever more rarely."""
    runtime = runtime_of(context)
    try:
        await asking.ask(
            runtime.database,
            runtime.settings,
            tenant_id=UUID(tenant_id),
            purchase_id=UUID(purchase_id),
            wall=wall_now(),
        )
    except (LiveProviderRefused, PaymentProviderUnavailable, ProviderError) as error:
        _LOG.warning("purchase_still_uncertain", purchaseId=purchase_id, error=describe(error))


@jobs.periodic(cron="40 2 * * *")
@jobs.task(name="reconcile", pass_context=True, queueing_lock="payments:reconcile", retry=BackOff(attempts=5))
async def reconcile_nightly(context: JobContext, timestamp: int) -> None:
    """Holds the provider's account of the last days against our books; a metric says what differs."""
    runtime, wall = runtime_of(context), wall_now()
    if runtime.settings.stripe_secret_key is None:
        return
    since = wall - WINDOW
    done = await reconcile(runtime.database, runtime.settings, since=since, wall=wall)
    await standing.remember(runtime.cache, done, since=since, at=wall)
    for finding in done.open_findings:
        _LOG.error(
            "payment_differs",
            difference=finding.difference.value,
            kind=finding.kind,
            providerId=finding.provider_id,
            rowId=finding.row_id,
            oursMinor=finding.ours_minor,
            theirsMinor=finding.theirs_minor,
        )
    _LOG.info("payments_reconciled", compared=done.compared, differences=len(done.open_findings))


@jobs.periodic(cron="* * * * * */30")
@jobs.task(name="sweep", pass_context=True, lock="payments:sweep", queueing_lock="payments:sweep")
async def sweep(context: JobContext, timestamp: int) -> None:
    """Has the provider asked about everything that its events should have told by now."""
    database, wall = runtime_of(context).database, wall_now()
    async with database.reading() as session:
        purchases = await repository.list_uncertain_purchases(
            session, wall=wall, patience=PATIENCE, limit=_SWEPT_AT_ONCE
        )
        refunds = await repository.list_uncertain_refunds(
            session, wall=wall, patience=_REFUND_PATIENCE, limit=_SWEPT_AT_ONCE
        )
        attempts = await charges.list_stuck(session, wall_before=wall - _TRY_PATIENCE, limit=_SWEPT_AT_ONCE)
    async with database.nobody() as session:
        for tenant_id, purchase_id in purchases:
            await defer(
                session,
                "payments:ask",
                queueing_lock=f"payments:ask:{purchase_id}",
                tenant_id=str(tenant_id),
                purchase_id=str(purchase_id),
            )
        for tenant_id, attempt_id in attempts:
            await defer(
                session,
                "payments:charge",
                queueing_lock=f"payments:charge:{attempt_id}",
                tenant_id=str(tenant_id),
                attempt_id=str(attempt_id),
            )
        for tenant_id, refund_id in refunds:
            await defer(
                session,
                "payments:refund",
                queueing_lock=f"payments:refund:{refund_id}",
                tenant_id=str(tenant_id),
                refund_id=str(refund_id),
            )
