"""Money for an invoice that came past the provider: a bank transfer, cash. Somebody says so, and is named with it."""

from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import service as invoices
from core.billing.invoices.errors import PaymentTooLarge
from core.billing.payments.charges import charging, repository
from core.billing.payments.charges.errors import (
    NothingToPay,
    PaymentGivenBack,
    PaymentInFlight,
    PaymentNotByHand,
    PaymentNotFound,
    ReferenceUsed,
)
from core.billing.payments.models import BY_HAND, Payment
from core.foundation.errors import InvalidInput
from core.foundation.ids import new_id

_TAKEN_BACK = UUID("0b5c5a8e-58d6-5d1f-9a56-1f4f0d8e7c21")
"""Names what takes a record back: a cause of its own."""


async def record_payment(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    invoice_id: UUID,
    amount_minor: int,
    reference: str,
    received_at: datetime | None,
    by: UUID,
    now: datetime,
    wall: datetime,
) -> tuple[Payment, bool]:
    """Settles an invoice, wholly or in part; and whether that reference was recorded before, with the same amount.

    Raises InvoiceNotFound, NothingToPay, PaymentTooLarge, PaymentInFlight, ReferenceUsed, InvalidInput.
    """
    invoice = await invoices.get_invoice(session, tenant_id, invoice_id, lock=True)
    known = await repository.find_by_reference(session, tenant_id, invoice_id, reference)
    if known is not None:
        if known.amount_minor != amount_minor:
            raise ReferenceUsed(known.amount_minor)
        return known, True
    if invoice.state not in charging.PAYABLE:
        raise NothingToPay(invoice.state)
    if amount_minor > invoice.open_minor:
        raise PaymentTooLarge(invoice.open_minor)
    if received_at is not None and received_at > now:
        raise InvalidInput("receivedAt", f"must not lie after {now.isoformat()}, the tenant's now")
    if await repository.find_pending(session, tenant_id, invoice_id) is not None:
        raise PaymentInFlight
    payment = Payment(
        tenant_id=tenant_id,
        id=new_id(),
        invoice_id=invoice_id,
        means=BY_HAND,
        state="succeeded",
        amount_minor=amount_minor,
        currency=invoice.currency,
        provider_account_id=BY_HAND,
        reference=reference,
        received_at=received_at or now,
        recorded_by=by,
        created_at=wall,
        updated_at=wall,
    )
    session.add(payment)
    await session.flush()
    await charging.count(session, payment, invoice, amount_minor, now=now)
    return payment, False


async def take_back(
    session: AsyncSession, *, tenant_id: UUID, invoice_id: UUID, payment_id: UUID, now: datetime, wall: datetime
) -> tuple[Payment, bool]:
    """Undoes a record that was a mistake, by an entry of its own: the invoice is owed again; whether it was undone
    before. The record stays, and its reference may be used anew.

    Raises InvoiceNotFound, PaymentNotFound, PaymentNotByHand, PaymentGivenBack.
    """
    invoice = await invoices.get_invoice(session, tenant_id, invoice_id, lock=True)
    payment = await repository.find_payment(session, tenant_id, payment_id, locked=True)
    if payment is None or payment.invoice_id != invoice_id:
        raise PaymentNotFound
    if payment.means != BY_HAND or payment.state not in ("succeeded", "canceled"):
        raise PaymentNotByHand(payment.means, payment.state)
    if payment.state == "canceled":
        return payment, True
    left_minor = invoice.paid_minor - await repository.promised_minor(session, tenant_id, invoice_id)
    if payment.amount_minor > left_minor:
        raise PaymentGivenBack(left_minor)
    await invoices.unsettle(
        session,
        tenant_id=tenant_id,
        invoice_id=invoice_id,
        amount_minor=payment.amount_minor,
        cause_id=uuid5(_TAKEN_BACK, str(payment.id)),
        reason="recorded by mistake",
        now=now,
    )
    payment.state, payment.updated_at = "canceled", wall
    await session.flush()
    return payment, False
