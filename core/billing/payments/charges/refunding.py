"""Money of invoices that goes back: what a credit note promised, what came twice, and what the provider reports."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits.invoicing import credit_from_invoice
from core.billing.invoices import crediting
from core.billing.invoices import service as invoices
from core.billing.payments.charges import charging, repository
from core.billing.payments.charges.errors import RefundNotFound, RefundNotRefused
from core.billing.payments.models import Payment, Refund
from core.foundation.outbox import tell

GONE = ("pending", "succeeded")
_REVERSED = UUID("5d1f0d4e-8f0b-5d55-9d3f-6f7f3c1d7a11")
"""Names what a refund that failed, or a dispute that was won, brings back: a cause of its own."""


async def execute(
    session: AsyncSession, *, tenant_id: UUID, credit_note_id: UUID, now: datetime, wall: datetime
) -> Sequence[Refund]:
    """Starts what a credit note gives back, once: by the newest card payments first. What came by hand goes by hand."""
    note = await crediting.get_credit_note(session, tenant_id, credit_note_id)
    await invoices.get_invoice(session, tenant_id, note.invoice_id, lock=True)
    if await repository.has_refunds_of_note(session, tenant_id, credit_note_id):
        return []
    left_minor, started = note.to_refund_minor, list[Refund]()
    for payment in reversed(await repository.list_payments(session, tenant_id, note.invoice_id)):
        part_minor = min(left_minor, await _refundable_minor(session, payment))
        if part_minor > 0:
            left_minor -= part_minor
            started.append(
                await charging.give_back(
                    session,
                    payment,
                    amount_minor=part_minor,
                    reason=f"credit note {note.number}",
                    credit_note_id=note.id,
                    now=now,
                    wall=wall,
                )
            )
    return started


async def retry(
    session: AsyncSession, *, tenant_id: UUID, invoice_id: UUID, refund_id: UUID, now: datetime, wall: datetime
) -> tuple[Refund, bool]:
    """Tries a refund again that the provider refused, as a refund of its own; and whether that was done before.

    Raises InvoiceNotFound, RefundNotFound, RefundNotRefused.
    """
    await invoices.get_invoice(session, tenant_id, invoice_id, lock=True)
    refused = await repository.find_refund(session, tenant_id, refund_id)
    if refused is None or refused.invoice_id != invoice_id:
        raise RefundNotFound
    if refused.origin == "reported" or refused.state in GONE:
        raise RefundNotRefused(
            f"It is {refused.state}, {refused.origin}: only what the provider refused is tried again."
        )
    payment = await repository.find_payment(session, tenant_id, refused.payment_id, locked=True)
    assert payment is not None, "payments are never deleted"
    for known in await repository.list_refunds(session, tenant_id, payment.id):
        same = (known.origin, known.credit_note_id) == (refused.origin, refused.credit_note_id)
        if known.id > refused.id and known.state in GONE and same and known.amount_minor == refused.amount_minor:
            return known, True
    if await _refundable_minor(session, payment) < refused.amount_minor:
        raise RefundNotRefused("The payment has less left than that: other refunds or a dispute took it.")
    again = await charging.give_back(
        session,
        payment,
        amount_minor=refused.amount_minor,
        reason=refused.reason or "tried again",
        credit_note_id=refused.credit_note_id,
        now=now,
        wall=wall,
    )
    return again, False


async def _refundable_minor(session: AsyncSession, payment: Payment) -> int:
    if payment.means != "intent" or payment.state != "succeeded":
        return 0
    refunds = await repository.list_refunds(session, payment.tenant_id, payment.id)
    gone_minor = sum(refund.amount_minor for refund in refunds if refund.state in GONE)
    return payment.amount_minor - gone_minor - await repository.disputed_minor(session, payment.tenant_id, payment.id)


async def conclude(
    session: AsyncSession,
    payment: Payment,
    refund: Refund,
    *,
    provider_id: str | None,
    state: str,
    failure_code: str | None,
    now: datetime,
    wall: datetime,
) -> None:
    """Brings a refund to what the provider says of it."""
    refund.provider_id, refund.updated_at = refund.provider_id or provider_id, wall
    if refund.state not in GONE or (refund.state == "succeeded" and state == "pending"):
        return
    changed = refund.state != state
    refund.state = state
    if state not in GONE:
        refund.failure_code = failure_code or state
        if refund.origin == "reported":
            await bring_back(session, payment, refund.id, refund.amount_minor, now=now)
    elif state == "succeeded" and changed:
        await tell_money(session, payment, "payment.refunded", str(refund.id), refund.amount_minor, now=now)
    await session.flush()


async def take(
    session: AsyncSession, payment: Payment, cause_id: UUID, amount_minor: int, reason: str, *, now: datetime
) -> None:
    """The invoice is owed again, as far as it had been paid."""
    assert payment.invoice_id is not None
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id, lock=True)
    gone_minor = min(amount_minor, invoice.paid_minor)
    if gone_minor > 0 and invoice.state in ("paid", "open", "uncollectible"):
        await invoices.unsettle(
            session,
            tenant_id=payment.tenant_id,
            invoice_id=invoice.id,
            amount_minor=gone_minor,
            cause_id=cause_id,
            reason=reason,
            now=now,
        )


async def bring_back(
    session: AsyncSession, payment: Payment, cause_id: UUID, amount_minor: int, *, now: datetime
) -> None:
    """The money stayed with us after all: it pays the invoice, and what that owes no more is in the wallet."""
    assert payment.invoice_id is not None
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id, lock=True)
    reversed_id = uuid5(_REVERSED, str(cause_id))
    back_minor = min(amount_minor, invoice.open_minor) if invoice.state in charging.PAYABLE else 0
    if back_minor > 0:
        await invoices.settle(
            session,
            tenant_id=payment.tenant_id,
            invoice_id=invoice.id,
            amount_minor=back_minor,
            payment_id=reversed_id,
            now=now,
        )
    taken_minor = await repository.taken_minor(session, payment.tenant_id, invoice.id, cause_id)
    left_minor = min(amount_minor, taken_minor) - back_minor
    if left_minor > 0:
        # It was credited, voided or paid otherwise meanwhile, as if this money were gone.
        await credit_from_invoice(
            session,
            tenant_id=payment.tenant_id,
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            amount_minor=left_minor,
            cause_id=reversed_id,
            now=now,
        )


async def tell_money(
    session: AsyncSession, payment: Payment, kind: str, fact: str, amount_minor: int, *, now: datetime
) -> None:
    """Tells of money that moved back."""
    assert payment.invoice_id is not None
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id)
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
            "currency": payment.currency,
            "amountMinor": amount_minor,
        },
    )
