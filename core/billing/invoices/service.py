"""What happens to an invoice once it is final: it is paid, money goes back, it is voided or given up."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits.invoicing import credit_from_invoice
from core.billing.invoices import repository
from core.billing.invoices.activating import activate_paid
from core.billing.invoices.errors import InvoiceNotFound, InvoiceStateRefused, PaymentTooLarge
from core.billing.invoices.models import Invoice, InvoicePayment
from core.billing.invoices.telling import tell_invoice, tell_settled
from core.foundation.ids import new_id


async def get_invoice(session: AsyncSession, tenant_id: UUID, invoice_id: UUID, *, lock: bool = False) -> Invoice:
    """An invoice of the tenant's. Raises InvoiceNotFound."""
    found = await session.get(
        Invoice, (tenant_id, invoice_id), with_for_update={"key_share": True} if lock else None, populate_existing=lock
    )
    if found is None:
        raise InvoiceNotFound
    return found


async def settle(
    session: AsyncSession, *, tenant_id: UUID, invoice_id: UUID, amount_minor: int, payment_id: UUID, now: datetime
) -> Invoice:
    """Money for an open invoice, once a payment; with the last of it the invoice is paid.

    Raises InvoiceNotFound, PaymentTooLarge, and InvoiceStateRefused where nothing is owed (a draft, void).
    """
    invoice = await get_invoice(session, tenant_id, invoice_id, lock=True)
    if await repository.find_payment(session, tenant_id, invoice_id, payment_id):
        return invoice
    if invoice.state not in ("open", "uncollectible"):
        raise InvoiceStateRefused(invoice.state, "paid", "only what is open can be paid; give the money back")
    if not 0 < amount_minor <= invoice.open_minor:
        raise PaymentTooLarge(invoice.open_minor)
    await _allocate(session, invoice, amount_minor, payment_id, now)
    if invoice.open_minor == 0:
        await _paid(session, invoice, now)
    await session.flush()
    return invoice


async def unsettle(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    invoice_id: UUID,
    amount_minor: int,
    cause_id: UUID,
    reason: str,
    now: datetime,
) -> Invoice:
    """Money that went back (a dispute, a payment returned by a bank), once a cause: the invoice is open again.

    A refund that a credit note asked for is none: the note says what became of it.
    """
    invoice = await get_invoice(session, tenant_id, invoice_id, lock=True)
    if await repository.find_payment(session, tenant_id, invoice_id, cause_id):
        return invoice
    if not 0 < amount_minor <= invoice.paid_minor:
        raise InvoiceStateRefused(invoice.state, "open", f"{invoice.paid_minor} of it was paid ({reason})")
    await _allocate(session, invoice, -amount_minor, cause_id, now)
    if invoice.state == "paid" and invoice.open_minor > 0:
        invoice.state, invoice.paid_at = "open", None
    await session.flush()
    return invoice


async def void(session: AsyncSession, *, tenant_id: UUID, invoice_id: UUID, now: datetime) -> Invoice:
    """Nothing is owed of it any more, and what was on it is not billed again. Raises InvoiceStateRefused.

    Its number stays, and credits that were used on it go back into the wallet. Of a draft no line was ever final: it
    is left without any, and without amounts.
    """
    invoice = await get_invoice(session, tenant_id, invoice_id, lock=True)
    if invoice.state == "void":
        return invoice
    if invoice.state == "draft":
        invoice.lines = invoice.subtotal_minor = invoice.discount_minor = invoice.tax_minor = 0
        invoice.total_minor = invoice.open_minor = 0
    if invoice.state == "paid" or invoice.paid_minor or invoice.credited_minor:
        raise InvoiceStateRefused(invoice.state, "void", "something was paid or credited: issue a credit note")
    if invoice.applied_minor > 0:
        await credit_from_invoice(
            session,
            tenant_id=tenant_id,
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            amount_minor=invoice.applied_minor,
            cause_id=invoice.id,
            now=now,
            paid_of=invoice.id,
        )
    invoice.state, invoice.voided_at = "void", now
    await session.flush()
    await tell_invoice(session, "invoice.voided", invoice, now=now)
    return invoice


async def mark_uncollectible(session: AsyncSession, *, tenant_id: UUID, invoice_id: UUID, now: datetime) -> Invoice:
    """It is given up; money that still comes is taken. Raises InvoiceStateRefused."""
    invoice = await get_invoice(session, tenant_id, invoice_id, lock=True)
    if invoice.state == "uncollectible":
        return invoice
    if invoice.state != "open":
        raise InvoiceStateRefused(invoice.state, "uncollectible", "only an open invoice is given up")
    invoice.state, invoice.uncollectible_at = "uncollectible", now
    await session.flush()
    await tell_invoice(session, "invoice.uncollectible", invoice, now=now)
    return invoice


async def open_for_collection(
    session: AsyncSession, tenant_id: UUID, *, now: datetime, limit: int = 100
) -> Sequence[Row[Any]]:
    """Open invoices of automatic collection that are final by `now`, the earliest due first."""
    return await repository.list_for_collection(session, tenant_id, now=now, limit=limit)


async def credit_off(session: AsyncSession, invoice: Invoice, amount_minor: int, *, now: datetime) -> None:
    """A credit note took this off what is open of a locked invoice; with the last of it nothing is left to pay."""
    invoice.credited_minor += amount_minor
    invoice.open_minor -= amount_minor
    if amount_minor and invoice.open_minor == 0 and invoice.state in ("open", "uncollectible"):
        await _paid(session, invoice, now)
    await session.flush()


async def _allocate(session: AsyncSession, invoice: Invoice, amount_minor: int, cause_id: UUID, now: datetime) -> None:
    await session.execute(
        insert(InvoicePayment).values(
            tenant_id=invoice.tenant_id,
            id=new_id(),
            invoice_id=invoice.id,
            cause_id=cause_id,
            amount_minor=amount_minor,
            occurred_at=now,
        )
    )
    invoice.paid_minor += amount_minor
    invoice.open_minor -= amount_minor


async def _paid(session: AsyncSession, invoice: Invoice, now: datetime) -> None:
    invoice.state, invoice.paid_at = "paid", now
    await session.flush()
    await tell_invoice(session, "invoice.paid", invoice, now=now)
    await tell_settled(session, [invoice.id], tenant_id=invoice.tenant_id, now=now)
    await activate_paid(session, invoice, now=now)
