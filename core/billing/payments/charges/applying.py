"""A provider's event about a payment of an invoice, applied once and in whatever order it comes."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import service as invoices
from core.billing.payments.charges import charging, repository
from core.billing.payments.models import Dispute, Payment, Refund
from core.billing.payments.providers.base import DisputeStatus, ProviderEvent, ProviderEventKind, ProviderRefund
from core.foundation.ids import new_id
from core.foundation.jobs import Permanent
from core.foundation.outbox import tell

Kind = ProviderEventKind
GONE = ("pending", "succeeded")
_DISPUTES = {DisputeStatus.OPEN: "open", DisputeStatus.WON: "won", DisputeStatus.LOST: "lost"}
_REVERSED = UUID("5d1f0d4e-8f0b-5d55-9d3f-6f7f3c1d7a11")
"""Names what a won dispute brings back: a cause of its own."""


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
        await _conclude(session, payment, found, provider_id, state, failure, now=now, wall=wall)


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
    session.add(refund)
    await session.flush()
    if state in GONE:
        await _take(session, payment, refund.id, amount_minor, "refund", now=now)
    return refund


async def _conclude(
    session: AsyncSession,
    payment: Payment,
    refund: Refund,
    provider_id: str,
    state: str,
    failure: str | None,
    *,
    now: datetime,
    wall: datetime,
) -> None:
    refund.provider_id, refund.updated_at = refund.provider_id or provider_id, wall
    if refund.state not in GONE or (refund.state == "succeeded" and state == "pending"):
        return
    changed = refund.state != state
    refund.state = state
    if state not in GONE:
        refund.failure_code = failure or state
        if refund.origin == "reported":
            await _bring_back(session, payment, refund.id, refund.amount_minor, now=now)
    elif state == "succeeded" and changed:
        await _tell(session, payment, "payment.refunded", str(refund.id), refund.amount_minor, now=now)


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
        session.add(dispute)
        await session.flush()
        await _take(session, payment, dispute.id, dispute.amount_minor, "dispute", now=now)
        await _tell(session, payment, "payment.disputed", str(dispute.id), dispute.amount_minor, now=now)
    if dispute.state == "open" and state != "open":
        dispute.state, dispute.closed_at, payment.updated_at = state, now, wall
        if state == "won":
            await _bring_back(session, payment, dispute.id, dispute.amount_minor, now=now)
    await session.flush()
    return None


async def _take(
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


async def _bring_back(
    session: AsyncSession, payment: Payment, cause_id: UUID, amount_minor: int, *, now: datetime
) -> None:
    """The money stayed with us after all."""
    assert payment.invoice_id is not None
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id, lock=True)
    back_minor = min(amount_minor, invoice.open_minor)
    if back_minor > 0 and invoice.state in charging.PAYABLE:
        await invoices.settle(
            session,
            tenant_id=payment.tenant_id,
            invoice_id=invoice.id,
            amount_minor=back_minor,
            payment_id=uuid5(_REVERSED, str(cause_id)),
            now=now,
        )


async def _tell(
    session: AsyncSession, payment: Payment, kind: str, fact: str, amount_minor: int, *, now: datetime
) -> None:
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
