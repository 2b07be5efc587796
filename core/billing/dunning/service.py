"""Collecting what is owed, step by step on the tenant's clock: charge, tell, try again, and in the end stop.

Each step looks at what is known and decides; a charge itself is made between two steps (payments/charges), so a step
that is repeated, or a process that dies anywhere, neither charges nor tells twice.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.dunning import repository
from core.billing.dunning.declines import NextStep, next_step, shown
from core.billing.dunning.models import Collection
from core.billing.dunning.schedule import RETRY_SOON, Terms, ends_at, next_instant
from core.billing.invoices import service as invoices
from core.billing.invoices.models import Invoice
from core.billing.invoices.telling import is_failure_news
from core.billing.payments.charges import charging
from core.billing.payments.charges import repository as charges
from core.billing.payments.methods import repository as methods
from core.billing.payments.methods.models import PaymentMethod
from core.billing.subscriptions import service as subscriptions
from core.foundation.clock import wall_now
from core.foundation.ids import new_id
from core.foundation.outbox import tell

NO_CARD = "no_payment_method"
OVERDUE = "overdue"
POSTPONED = timedelta(days=1)


async def step(session: AsyncSession, invoice_id: UUID, *, tenant_id: UUID, now: datetime) -> bool:
    """Does what is due about one invoice; False where nothing was, or another has done it meanwhile."""
    invoice = await invoices.get_invoice(session, tenant_id, invoice_id, lock=True)
    collection = await repository.find_collection(session, tenant_id, invoice_id)
    if not await repository.is_due(session, tenant_id, invoice_id, now=now):
        return False
    if collection is not None:
        collection.fault = collection.postponed_to = None
    terms = await repository.find_terms(session, tenant_id)
    if collection is not None and collection.state == "ended" and collection.outcome == "pause":
        await _resume(session, collection, invoice, terms, now=now)
    elif invoice.state == "open" and await _never_began(session, invoice):
        await _drop(session, collection, invoice, terms, now=now)
    elif collection is None:
        await _go_on(session, _started(session, invoice, now=now), invoice, terms, now=now)
    else:
        if collection.state == "trying":
            await _conclude_try(session, collection, invoice, terms, now=now)
        elif invoice.state == "open":
            await _go_on(session, collection, invoice, terms, now=now)
        if invoice.state != "open" and collection.state == "waiting":
            await _end_well(session, collection, invoice, terms, now=now)
    await session.flush()
    return True


async def postpone(
    session: AsyncSession, invoice_id: UUID, failed: Exception, *, tenant_id: UUID, now: datetime
) -> None:
    """A step that could not be done: it is shown with the collection, and done again a day later."""
    invoice = await invoices.get_invoice(session, tenant_id, invoice_id, lock=True)
    collection = await repository.find_collection(session, tenant_id, invoice_id)
    if collection is None:
        collection = _started(session, invoice, now=now)
    collection.fault, collection.postponed_to = f"{type(failed).__name__}: {failed}"[:500], now + POSTPONED
    await session.flush()


def _started(session: AsyncSession, invoice: Invoice, *, now: datetime) -> Collection:
    collection = Collection(
        tenant_id=invoice.tenant_id,
        id=new_id(),
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        charges=invoice.collection == "automatic",
        state="waiting",
        tries=0,
        notices=0,
        last_tried_at=now,
        next_at=now,
        started_at=now,
    )
    session.add(collection)
    return collection


async def _never_began(session: AsyncSession, invoice: Invoice) -> bool:
    """Its subscription was given up before anything was paid for it: nothing was delivered, nothing is owed."""
    if invoice.subscription_id is None or invoice.paid_minor or invoice.credited_minor:
        return False
    found = await subscriptions.get_subscription(session, invoice.subscription_id, tenant_id=invoice.tenant_id)
    return found.state == "canceled" and found.cancel_reason == "never_paid"


async def _drop(
    session: AsyncSession, collection: Collection | None, invoice: Invoice, terms: Terms, *, now: datetime
) -> None:
    await invoices.void(session, tenant_id=invoice.tenant_id, invoice_id=invoice.id, now=now)
    if collection is not None and collection.state == "waiting":
        await _end_well(session, collection, invoice, terms, now=now)


async def _go_on(
    session: AsyncSession, collection: Collection, invoice: Invoice, terms: Terms, *, now: datetime
) -> None:
    """It begins, an instant of the schedule has come, or another card."""
    tenant_id = invoice.tenant_id
    await session.flush()
    has_failed = collection.first_failed_at is not None
    if collection.first_failed_at is not None and now >= ends_at(terms, collection.first_failed_at):
        await _give_up(session, collection, invoice, terms, now=now)
        return
    method = await methods.find_default(session, tenant_id, invoice.customer_id) if collection.charges else None
    never = None
    if method is not None and not has_failed:
        never = await repository.refused_for_good(session, tenant_id, method.id)
    if never is not None:
        # Its bank wanted it never tried again when an earlier invoice was charged: only another card will do.
        await _fail(session, collection, invoice, terms, code=never, advice="do_not_try_again", now=now)
    elif method is not None and (
        not has_failed
        or collection.next_step in (NextStep.RETRY, NextStep.RETRY_SOON)
        or await repository.is_fresh_card(session, tenant_id, invoice_id=invoice.id, method_id=method.id)
    ):
        if await charges.find_pending(session, tenant_id, invoice.id) is None:
            await _try(session, collection, invoice, method, now=now)
        else:
            collection.next_at = now + RETRY_SOON  # somebody is paying at this moment
    elif has_failed:
        _wait(collection, terms, now=now)
        await _notify(session, collection, invoice, terms, "dunning.notice", now=now)
    else:
        code = NO_CARD if collection.charges else OVERDUE
        await _fail(session, collection, invoice, terms, code=code, advice=None, now=now)


async def _try(
    session: AsyncSession, collection: Collection, invoice: Invoice, method: PaymentMethod, *, now: datetime
) -> None:
    attempt = await charging.begin(
        session,
        invoice,
        method,
        origin="collection",
        account_id=method.provider_account_id,
        now=now,
        wall=wall_now(),
    )
    await charging.put_on_queue(session, attempt)
    collection.state, collection.next_at = "trying", None
    collection.attempt_id, collection.last_tried_at = attempt.id, now
    await session.flush()


async def _conclude_try(
    session: AsyncSession, collection: Collection, invoice: Invoice, terms: Terms, *, now: datetime
) -> None:
    assert collection.attempt_id is not None, "a constraint holds it"
    attempt = await charges.find_attempt(session, collection.tenant_id, collection.attempt_id)
    assert attempt is not None, "attempts are never deleted"
    if attempt.state == "failed" and invoice.state == "open":
        collection.tries += 1
        await _fail(session, collection, invoice, terms, code=attempt.failure_code, advice=attempt.advice_code, now=now)
    else:
        # Paid; or the try was dropped since another way to pay took its place: what is left is looked at anew.
        collection.state, collection.next_at = "waiting", now


async def _fail(
    session: AsyncSession,
    collection: Collection,
    invoice: Invoice,
    terms: Terms,
    *,
    code: str | None,
    advice: str | None,
    now: datetime,
) -> None:
    """What is owed did not come: once more by the schedule, or by another card, and the customer is told."""
    meant = NextStep.NEW_CARD if code == OVERDUE else next_step(code, advice=advice)
    collection.last_code, collection.next_step = code, meant.value
    is_first = collection.first_failed_at is None
    collection.first_failed_at = collection.first_failed_at or now
    soon = meant is NextStep.RETRY_SOON and collection.tries == 1
    _wait(collection, terms, now=now, until=now + RETRY_SOON if soon else None)
    if is_first:
        # A sent invoice that is late is a matter of reminders, unless the tenant wants more of it.
        if invoice.subscription_id is not None and (collection.charges or terms.overdue_action != "leave"):
            await subscriptions.mark_past_due(session, invoice.subscription_id, tenant_id=invoice.tenant_id, now=now)
        await _tell(session, collection, invoice, terms, "dunning.started", now=now)
    if code != OVERDUE and await is_failure_news(session, invoice):
        fact = str(collection.tries)
        await _tell(session, collection, invoice, terms, "invoice.payment_failed", fact=fact, now=now)
    # The bank's question is one thing to tell, a refused card another: of one failure one of them.
    kind = "payment.action_required" if meant is NextStep.CUSTOMER else "dunning.notice"
    await _notify(session, collection, invoice, terms, kind, now=now)


def _wait(collection: Collection, terms: Terms, *, now: datetime, until: datetime | None = None) -> None:
    assert collection.first_failed_at is not None, "before a failure nothing waits for the schedule"
    collection.state = "waiting"
    collection.next_at = until or next_instant(terms, collection.first_failed_at, now)


async def _notify(
    session: AsyncSession, collection: Collection, invoice: Invoice, terms: Terms, kind: str, *, now: datetime
) -> None:
    """The customer is told how it stands, once a step."""
    collection.notices += 1
    await session.flush()
    await _tell(session, collection, invoice, terms, kind, fact=str(collection.notices), now=now)


async def _give_up(
    session: AsyncSession, collection: Collection, invoice: Invoice, terms: Terms, *, now: datetime
) -> None:
    action = terms.final_action if collection.charges else terms.overdue_action
    if invoice.subscription_id is not None and action in ("cancel", "uncollectible"):
        await subscriptions.cancel(
            session, invoice.subscription_id, tenant_id=invoice.tenant_id, now=now, unused="keep", reason="unpaid"
        )
    if invoice.subscription_id is not None and action == "pause":
        found = await subscriptions.get_subscription(session, invoice.subscription_id, tenant_id=invoice.tenant_id)
        if found.state in ("active", "past_due"):
            await subscriptions.pause(
                session, invoice.subscription_id, tenant_id=invoice.tenant_id, now=now, unused="keep"
            )
    if action == "uncollectible":
        await invoices.mark_uncollectible(session, tenant_id=invoice.tenant_id, invoice_id=invoice.id, now=now)
    _end(collection, action, now=now)
    await _tell(session, collection, invoice, terms, "dunning.exhausted", now=now, action=action)


async def _end_well(
    session: AsyncSession, collection: Collection, invoice: Invoice, terms: Terms, *, now: datetime
) -> None:
    """Nothing is owed any more: paid, or taken back."""
    had_failed = collection.first_failed_at is not None
    await charging.close_open(session, invoice, wall=wall_now())
    _end(collection, "paid" if invoice.state == "paid" else "closed", now=now)
    await session.flush()
    if not had_failed:
        return
    if invoice.state == "paid":
        await _tell(session, collection, invoice, terms, "dunning.recovered", now=now)
    if invoice.subscription_id is not None and not await repository.has_other_failing(session, collection):
        await subscriptions.recover(session, invoice.subscription_id, tenant_id=invoice.tenant_id, now=now)


async def _resume(
    session: AsyncSession, collection: Collection, invoice: Invoice, terms: Terms, *, now: datetime
) -> None:
    """It was paid after its subscription had been paused for it: that goes on."""
    collection.outcome = "recovered"
    if invoice.subscription_id is not None:
        found = await subscriptions.get_subscription(session, invoice.subscription_id, tenant_id=invoice.tenant_id)
        if found.state == "paused":
            await subscriptions.resume(session, invoice.subscription_id, tenant_id=invoice.tenant_id, now=now)
    await _tell(session, collection, invoice, terms, "dunning.recovered", now=now)


def _end(collection: Collection, outcome: str, *, now: datetime) -> None:
    collection.state, collection.outcome = "ended", outcome
    collection.next_at, collection.ended_at = None, now


async def _tell(
    session: AsyncSession,
    collection: Collection,
    invoice: Invoice,
    terms: Terms,
    kind: str,
    *,
    now: datetime,
    fact: str = "",
    action: str | None = None,
) -> None:
    next_at = collection.next_at
    tries_again = (
        next_at is not None
        and collection.first_failed_at is not None
        and next_at < ends_at(terms, collection.first_failed_at)
        and collection.next_step in (NextStep.RETRY, NextStep.RETRY_SOON)
    )
    await tell(
        session,
        tenant_id=invoice.tenant_id,
        kind=kind,
        subject_id=invoice.id,
        fact=fact,
        occurred_at=now,
        customer_id=invoice.customer_id,
        document={
            "invoiceId": str(invoice.id),
            "number": invoice.number,
            "subscriptionId": str(invoice.subscription_id) if invoice.subscription_id else None,
            "currency": invoice.currency,
            "openMinor": invoice.open_minor,
            "attempt": collection.tries,
            "nextAttemptAt": next_at.isoformat() if next_at is not None and tries_again else None,
            "declineCode": shown(collection.last_code),
            "nextStep": "new_card" if collection.next_step == NextStep.NEVER else collection.next_step,
            "action": action,
        },
    )
