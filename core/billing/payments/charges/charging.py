"""Charging an invoice: what is stored before the provider is asked, and what becomes of its answers.

One intent at a time stands for what is open of an invoice, and each try confirms that one: however many of them race,
repeat or are answered late, it can succeed once. Money that nothing is owed for any more goes back.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import service as invoices
from core.billing.invoices.models import Invoice
from core.billing.invoices.numbering import held_with_state_of
from core.billing.invoices.telling import is_failure_news
from core.billing.payments.charges import repository
from core.billing.payments.charges.errors import ChargesHeld, NothingToPay, PaymentInFlight
from core.billing.payments.charges.models import PaymentAttempt
from core.billing.payments.methods.models import PaymentMethod
from core.billing.payments.models import Payment, Refund
from core.foundation.errors import InvalidInput
from core.foundation.ids import new_id
from core.foundation.jobs import Permanent, defer
from core.foundation.outbox import tell

PAYABLE = ("open", "uncollectible")


async def begin(
    session: AsyncSession,
    invoice: Invoice,
    method: PaymentMethod,
    *,
    origin: str,
    account_id: str,
    now: datetime,
    wall: datetime,
    amount_minor: int | None = None,
) -> PaymentAttempt:
    """A try to charge a locked invoice by a saved card: all that is open, or a part. The provider is asked by a job.

    Raises ChargesHeld, NothingToPay, PaymentInFlight, InvalidInput.
    """
    state_of = await held_with_state_of(session)
    if state_of is not None:
        raise ChargesHeld(state_of)
    if invoice.state not in PAYABLE:
        raise NothingToPay(invoice.state)
    asked_minor = invoice.open_minor if amount_minor is None else amount_minor
    if not 0 < asked_minor <= invoice.open_minor:
        raise InvalidInput("amountMinor", f"must be at least 1 and at most {invoice.open_minor}, which is open")
    if await repository.find_pending(session, invoice.tenant_id, invoice.id) is not None:
        raise PaymentInFlight
    payment = await _payment(session, invoice, asked_minor, account_id=account_id, wall=wall)
    await repository.drop_unconfirmed(session, invoice.tenant_id, invoice.id, now=now)
    attempt = PaymentAttempt(
        tenant_id=invoice.tenant_id,
        id=new_id(),
        payment_id=payment.id,
        invoice_id=invoice.id,
        number=await repository.count_attempts(session, invoice.tenant_id, payment.id) + 1,
        origin=origin,
        payment_method_id=method.id,
        state="pending",
        created_at=now,
    )
    session.add(attempt)
    await session.flush()
    return attempt


async def put_on_queue(session: AsyncSession, attempt: PaymentAttempt) -> None:
    """Has the provider asked by the worker."""
    await defer(session, "payments:charge", tenant_id=str(attempt.tenant_id), attempt_id=str(attempt.id))


async def _payment(
    session: AsyncSession, invoice: Invoice, amount_minor: int, *, account_id: str, wall: datetime
) -> Payment:
    """The intent that stands for this sum; one of another sum is closed."""
    known = await repository.find_open_payment(session, invoice.tenant_id, invoice.id)
    if known is not None and known.amount_minor == amount_minor and known.provider_account_id == account_id:
        return known
    await close_open(session, invoice, wall=wall)
    payment = Payment(
        tenant_id=invoice.tenant_id,
        id=new_id(),
        invoice_id=invoice.id,
        means="intent",
        state="pending",
        amount_minor=amount_minor,
        currency=invoice.currency,
        provider_account_id=account_id,
        created_at=wall,
        updated_at=wall,
    )
    session.add(payment)
    await session.flush()
    return payment


async def close_open(session: AsyncSession, invoice: Invoice, *, wall: datetime) -> None:
    """By the intent there was nobody pays any more; money that comes all the same counts, or goes back."""
    known = await repository.find_open_payment(session, invoice.tenant_id, invoice.id)
    if known is not None:
        known.state, known.updated_at = "canceled", wall
        await session.flush()
        await defer(session, "payments:close_charge", tenant_id=str(known.tenant_id), payment_id=str(known.id))


async def succeed(
    session: AsyncSession,
    payment: Payment,
    *,
    amount_minor: int | None,
    currency: str | None,
    now: datetime,
    wall: datetime,
) -> None:
    """Money for a locked payment: once. What the invoice does not take goes back.

    Raises Permanent where it is not what was asked for: a person looks at that.
    """
    attempt = await repository.find_last(session, payment.tenant_id, payment.id)
    if attempt is not None and attempt.state != "succeeded":
        attempt.state, attempt.concluded_at, attempt.failure_code = "succeeded", now, None
    if payment.state == "succeeded":
        return
    if amount_minor not in (None, payment.amount_minor) or currency not in (None, payment.currency):
        raise Permanent(
            f"payment {payment.id} is of {payment.amount_minor} {payment.currency} (minor units) and "
            f"{amount_minor} {currency} were paid"
        )
    payment.state, payment.failure_code, payment.updated_at = "succeeded", None, wall
    assert payment.invoice_id is not None, "only payments of invoices come here"
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id, lock=True)
    taken_minor = min(payment.amount_minor, invoice.open_minor) if invoice.state in PAYABLE else 0
    await session.flush()
    await count(session, payment, invoice, taken_minor, now=now)
    if taken_minor < payment.amount_minor:
        await give_back(
            session,
            payment,
            amount_minor=payment.amount_minor - taken_minor,
            reason="nothing was owed for it any more",
            credit_note_id=None,
            now=now,
            wall=wall,
        )


async def count(session: AsyncSession, payment: Payment, invoice: Invoice, taken_minor: int, *, now: datetime) -> None:
    """Money that is there settles a locked invoice, and is told of."""
    await _tell(session, payment, invoice, "payment.succeeded", fact=str(payment.id), now=now)
    if taken_minor > 0:
        await invoices.settle(
            session,
            tenant_id=payment.tenant_id,
            invoice_id=invoice.id,
            amount_minor=taken_minor,
            payment_id=payment.id,
            now=now,
        )


async def fail(
    session: AsyncSession,
    attempt: PaymentAttempt,
    payment: Payment,
    *,
    code: str,
    advice: str | None,
    now: datetime,
    wall: datetime,
) -> None:
    """A refused try. It may be paid all the same, so it never undoes a success."""
    if attempt.state not in ("pending", "action_required") or payment.state == "succeeded":
        return
    attempt.state, attempt.failure_code, attempt.advice_code = "failed", code, advice
    attempt.concluded_at, attempt.lease_until = now, None
    if payment.state == "pending":
        payment.state = "failed"
    payment.failure_code, payment.updated_at = code, wall
    assert payment.invoice_id is not None
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id)
    if await is_failure_news(session, invoice):
        await _tell(session, payment, invoice, "payment.failed", fact=str(attempt.id), now=now, declineCode=code)


def wait_for_payer(attempt: PaymentAttempt) -> None:
    """The payer, who is there, must confirm with the bank."""
    if attempt.state == "pending":
        attempt.state, attempt.lease_until = "action_required", None


async def give_back(
    session: AsyncSession,
    payment: Payment,
    *,
    amount_minor: int,
    reason: str,
    credit_note_id: UUID | None,
    now: datetime,
    wall: datetime,
) -> Refund:
    """A refund of a payment that succeeded; the money follows by a job."""
    refund = Refund(
        tenant_id=payment.tenant_id,
        id=new_id(),
        invoice_id=payment.invoice_id,
        payment_id=payment.id,
        credit_note_id=credit_note_id,
        origin="requested" if credit_note_id else "duplicate",
        state="pending",
        amount_minor=amount_minor,
        credits_micro=0,
        currency=payment.currency,
        reason=reason,
        provider_account_id=payment.provider_account_id,
        created_at=now,
        updated_at=wall,
    )
    session.add(refund)
    await session.flush()
    await defer(session, "payments:refund", tenant_id=str(payment.tenant_id), refund_id=str(refund.id))
    return refund


async def _tell(
    session: AsyncSession, payment: Payment, invoice: Invoice, kind: str, *, fact: str, now: datetime, **more: str
) -> None:
    await tell(
        session,
        tenant_id=payment.tenant_id,
        kind=kind,
        subject_id=invoice.id,
        fact=fact,
        occurred_at=now,
        customer_id=invoice.customer_id,
        document={
            "paymentId": str(payment.id),
            "invoiceId": str(invoice.id),
            "number": invoice.number,
            "subscriptionId": str(invoice.subscription_id) if invoice.subscription_id else None,
            "currency": payment.currency,
            "amountMinor": payment.amount_minor,
            **more,
        },
    )
