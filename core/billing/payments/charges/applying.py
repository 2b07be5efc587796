"""A provider's event about a payment of an invoice, applied once and in whatever order it comes."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import service as invoices
from core.billing.invoices.errors import InvoiceNotFound
from core.billing.payments.charges import charging, refunding, repository
from core.billing.payments.charges.refunding import GONE
from core.billing.payments.models import Dispute, Payment, Refund
from core.billing.payments.providers.base import DisputeStatus, ProviderEvent, ProviderEventKind, ProviderRefund
from core.foundation.ids import new_id
from core.foundation.jobs import Permanent

Kind = ProviderEventKind
_DISPUTES = {DisputeStatus.OPEN: "open", DisputeStatus.WON: "won", DisputeStatus.LOST: "lost"}


@dataclass(frozen=True, slots=True)
class ChargePlace:
    """Whose event it is, and what the provider was asked for it."""

    tenant_id: UUID
    payment_id: UUID
    refunds: list[ProviderRefund] = field(default_factory=list[ProviderRefund])


async def apply(
    session: AsyncSession, event: ProviderEvent, place: ChargePlace, *, account_id: str, now: datetime, wall: datetime
) -> str | None:
    """Applies it; returns why there was nothing to apply, else None. Raises Permanent where a person must look."""
    known = await repository.find_payment(session, place.tenant_id, place.payment_id)
    if known is None:
        known = await _adopt(session, event, place, account_id=account_id, wall=wall)
    if known is None or known.invoice_id is None:
        return "not about a payment of ours"
    if known.provider_account_id != account_id:
        return "the invoice was paid through another account"
    # The invoice first, as by everyone else who changes what is paid of it.
    await invoices.get_invoice(session, place.tenant_id, known.invoice_id, lock=True)
    payment = await repository.find_payment(session, place.tenant_id, place.payment_id, locked=True)
    assert payment is not None, "payments are never deleted"
    if payment.provider_id is None:
        payment.provider_id = payment.provider_intent_id = event.payment_id
    attempt = await repository.find_last(session, place.tenant_id, payment.id)
    match event.kind:
        case Kind.PAYMENT_SUCCEEDED:
            await charging.succeed(
                session, payment, amount_minor=event.amount_minor, currency=event.currency, now=now, wall=wall
            )
        case Kind.PAYMENT_FAILED:
            # A pending try hears of its end as the answer to its call; the event may be of the try before it.
            if attempt is None or attempt.state != "action_required":
                return "the answer to the call has told it"
            await charging.fail(
                session, attempt, payment, code=event.reason or "declined", advice=event.advice, now=now, wall=wall
            )
        case Kind.PAYMENT_CANCELED:
            if payment.state in repository.OPEN:
                payment.state, payment.updated_at = "canceled", wall
        case Kind.REFUND_UPDATED | Kind.CHARGE_REFUNDED:
            await _had_succeeded(session, payment, now=now, wall=wall)
            await _refunds(session, payment, event, place.refunds, now=now, wall=wall)
        case Kind.DISPUTE_OPENED | Kind.DISPUTE_CLOSED:
            await _had_succeeded(session, payment, now=now, wall=wall)
            return await _dispute(session, payment, event, now=now, wall=wall)
        case _:
            return "nothing changes by it"
    await session.flush()
    return None


async def _adopt(
    session: AsyncSession, event: ProviderEvent, place: ChargePlace, *, account_id: str, wall: datetime
) -> Payment | None:
    """Money for an invoice of ours by a payment that was lost: a restored copy knows the first without the second."""
    invoice_id = event.charge.invoice_id if event.charge else None
    if event.kind is not Kind.PAYMENT_SUCCEEDED or invoice_id is None or not event.amount_minor or not event.currency:
        return None
    try:
        invoice = await invoices.get_invoice(session, place.tenant_id, invoice_id, lock=True)
    except InvoiceNotFound:
        return None
    if invoice.currency != event.currency:
        return None
    payment = Payment(
        tenant_id=place.tenant_id,
        id=place.payment_id,
        invoice_id=invoice_id,
        means="intent",
        # Beside one that is open it must not be open, too; it is settled in a moment.
        state="canceled",
        amount_minor=event.amount_minor,
        currency=event.currency,
        provider_account_id=account_id,
        provider_id=event.payment_id,
        provider_intent_id=event.payment_id,
        created_at=event.created_at,
        updated_at=wall,
    )
    session.add(payment)
    await session.flush()
    return payment


async def _had_succeeded(session: AsyncSession, payment: Payment, *, now: datetime, wall: datetime) -> None:
    """What was refunded or disputed had been paid, even if that is heard of later."""
    await charging.succeed(session, payment, amount_minor=None, currency=None, now=now, wall=wall)


async def _refunds(
    session: AsyncSession,
    payment: Payment,
    event: ProviderEvent,
    listed: list[ProviderRefund],
    *,
    now: datetime,
    wall: datetime,
) -> None:
    told = [
        (refund.refund_id, refund.provider_refund_id, refund.amount_minor, refund.status.value, refund.failure_reason)
        for refund in reversed(listed)
    ]
    if event.kind is Kind.REFUND_UPDATED and event.provider_refund_id is not None:
        told.append(
            (
                event.refund_id,
                event.provider_refund_id,
                event.amount_minor or 0,
                event.status or "pending",
                event.reason,
            )
        )
    known = list(await repository.list_refunds(session, payment.tenant_id, payment.id))
    for refund_id, provider_id, amount_minor, state, failure in told:
        found = next((r for r in known if r.id == refund_id or r.provider_id == provider_id), None)
        if found is None:
            found = await _reported(session, payment, provider_id, amount_minor, state, now=now, wall=wall)
            known.append(found)
        await refunding.conclude(
            session, payment, found, provider_id=provider_id, state=state, failure_code=failure, now=now, wall=wall
        )


async def _reported(
    session: AsyncSession,
    payment: Payment,
    provider_id: str,
    amount_minor: int,
    state: str,
    *,
    now: datetime,
    wall: datetime,
) -> Refund:
    """A refund that was made at the provider's dashboard: the invoice is owed again."""
    refund = Refund(
        tenant_id=payment.tenant_id,
        id=new_id(),
        invoice_id=payment.invoice_id,
        payment_id=payment.id,
        origin="reported",
        state="pending",
        amount_minor=amount_minor,
        credits_micro=0,
        currency=payment.currency,
        provider_account_id=payment.provider_account_id,
        provider_id=provider_id,
        created_at=now,
        updated_at=wall,
    )
    if state in GONE:
        await refunding.take(session, payment, refund, now=now)
    session.add(refund)
    await session.flush()
    return refund


async def _dispute(
    session: AsyncSession, payment: Payment, event: ProviderEvent, *, now: datetime, wall: datetime
) -> str | None:
    if event.dispute_id is None or event.amount_minor is None or event.currency is None:
        raise Permanent("the dispute lacks its id, amount or currency")
    if event.currency != payment.currency:
        raise Permanent(f"dispute {event.dispute_id} is in {event.currency}, its payment in {payment.currency}")
    state = _DISPUTES.get(DisputeStatus(event.status)) if event.status else None
    if state is None:
        return "an inquiry of the bank: no money has moved"
    dispute = await repository.find_dispute(
        session, payment.tenant_id, account_id=payment.provider_account_id, provider_id=event.dispute_id
    )
    if dispute is None:
        dispute = Dispute(
            tenant_id=payment.tenant_id,
            id=new_id(),
            invoice_id=payment.invoice_id,
            payment_id=payment.id,
            state="open",
            amount_minor=event.amount_minor,
            credits_micro=0,
            currency=event.currency,
            provider_account_id=payment.provider_account_id,
            provider_id=event.dispute_id,
            created_at=now,
        )
        await refunding.take(session, payment, dispute, now=now)
        session.add(dispute)
        await session.flush()
        await refunding.tell_money(session, payment, "payment.disputed", str(dispute.id), dispute.amount_minor, now=now)
    if dispute.state == "open" and state != "open":
        dispute.state, dispute.closed_at, payment.updated_at = state, now, wall
        if state == "won":
            await refunding.bring_back(session, payment, dispute, now=now)
    await session.flush()
    return None
