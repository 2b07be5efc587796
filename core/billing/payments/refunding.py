"""Money that goes back: asked for by the tenant, or reported by the provider.

The credits go first, in the transaction that decides; the provider is asked by a job; if it refuses, they come back.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import service as credits
from core.billing.payments import repository
from core.billing.payments.errors import PurchaseNotPaid, RefundExceedsPayment, RefundExceedsUnspent
from core.billing.payments.models import Payment, Refund
from core.billing.payments.sale import GONE, Sale
from core.billing.payments.telling import tell_money
from core.foundation.crypto import input_hash
from core.foundation.errors import KeyReused
from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.identity.access import Principal
from core.identity.tenants.auditing import record


async def request(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    purchase_id: UUID,
    amount_minor: int | None,
    reason: str | None,
    requested_by: Principal,
    key: str | None,
    now: datetime,
    wall: datetime,
) -> tuple[Refund, bool]:
    """A refund of unspent credits, `amount_minor` or all that is left; and whether it is a replay of the key.

    Raises PurchaseNotFound, PurchaseNotPaid, RefundExceedsPayment, RefundExceedsUnspent, KeyReused.
    """
    sale = await repository.get_sale(session, tenant_id, purchase_id)
    wanted = input_hash([str(purchase_id), amount_minor, reason])
    if key is not None:
        # Under the purchase's lock, so two requests with one key are answered one after the other.
        known = await repository.find_refund_by_key(session, tenant_id, key)
        if known is not None:
            if known.input_hash != wanted:
                raise KeyReused
            return known, True
    payment = sale.settling
    if payment is None:
        raise PurchaseNotPaid
    asked_minor = sale.refundable_minor if amount_minor is None else amount_minor
    if not 0 < asked_minor <= sale.refundable_minor:
        raise RefundExceedsPayment(refundable_minor=sale.refundable_minor, currency=sale.purchase.currency)
    refund = _new_refund(sale, payment, origin="requested", amount_minor=asked_minor, now=now, wall=wall)
    refund.reason, refund.requested_by = reason, requested_by.id
    refund.idempotency_key, refund.input_hash = key, wanted
    await _take_back(session, sale, refund, now=now, unspent_only=True)
    record(
        session,
        tenant_id=tenant_id,
        actor=requested_by,
        action="refund.requested",
        subject=str(refund.id),  # there it says why: that text may name somebody, and can be overwritten
        details={"purchaseId": str(purchase_id), "amountMinor": asked_minor},
        occurred_at=now,
    )
    await defer(session, "payments:refund", tenant_id=str(tenant_id), refund_id=str(refund.id))
    return refund, False


async def report(
    session: AsyncSession,
    sale: Sale,
    payment: Payment,
    *,
    refund_id: UUID | None,
    provider_id: str | None,
    amount_minor: int,
    state: str,
    failure_code: str | None,
    now: datetime,
    wall: datetime,
) -> None:
    """What the provider says of a refund, ours by `refund_id` or one that was started there.

    What was spent of the credits becomes a receivable. `provider_id` None: a sum whose refunds are not known singly.
    """
    refund = sale.find_refund(refund_id=refund_id, provider_id=provider_id)
    if refund is None and provider_id is not None:
        refund = next((one for one in sale.nameless(payment) if one.amount_minor == amount_minor), None)
    if refund is not None:
        refund.provider_id = refund.provider_id or provider_id
        await conclude(session, sale, refund, state=state, failure_code=failure_code, now=now, wall=wall)
        return
    if sale.nameless(payment) and sale.gone_minor(payment) + amount_minor > payment.amount_minor:
        return  # Part of a sum that was booked before its parts were known.
    refund = _new_refund(sale, payment, origin="reported", amount_minor=amount_minor, now=now, wall=wall)
    refund.provider_id, refund.state, refund.failure_code = provider_id, state, failure_code
    if state not in GONE:
        refund.credits_micro = 0
    await _take_back(session, sale, refund, now=now, unspent_only=False)
    if state == "succeeded":
        await _tell(session, sale, refund, now=now)
    sale.conclude()


async def conclude(
    session: AsyncSession,
    sale: Sale,
    refund: Refund,
    *,
    state: str,
    failure_code: str | None,
    now: datetime,
    wall: datetime,
) -> None:
    """Brings a refund to the state that the provider reports; one that failed gives its credits back, once.

    A success may still turn into a failure (the payer's bank sends the money back); a failure is final.
    """
    refund.updated_at = wall
    if refund.state not in GONE or (refund.state == "succeeded" and state == "pending"):
        return
    is_new = refund.state != state
    refund.state = state
    if state == "succeeded" and is_new:
        await _tell(session, sale, refund, now=now)
    if state not in GONE:
        refund.failure_code = failure_code or state
        if refund.credits_micro:
            await credits.top_up(
                session,
                tenant_id=refund.tenant_id,
                customer_id=sale.purchase.customer_id,
                currency=refund.currency,
                amount_micro=refund.credits_micro,
                kind="refund_reversal",
                reference=str(refund.id),
                occurred_at=now,
            )
    sale.conclude()


async def _tell(session: AsyncSession, sale: Sale, refund: Refund, *, now: datetime) -> None:
    await tell_money(
        session,
        sale,
        "payment.refunded",
        payment_id=refund.payment_id,
        amount_minor=refund.amount_minor,
        now=now,
        fact=str(refund.id),
    )


def _new_refund(
    sale: Sale, payment: Payment, *, origin: str, amount_minor: int, now: datetime, wall: datetime
) -> Refund:
    return Refund(
        tenant_id=sale.purchase.tenant_id,
        id=new_id(),
        purchase_id=sale.purchase.id,
        payment_id=payment.id,
        origin=origin,
        state="pending",
        amount_minor=amount_minor,
        credits_micro=sale.credits_for(payment, amount_minor),
        currency=payment.currency,
        provider_account_id=payment.provider_account_id,
        created_at=now,
        updated_at=wall,
    )


async def _take_back(session: AsyncSession, sale: Sale, refund: Refund, *, now: datetime, unspent_only: bool) -> None:
    session.add(refund)
    await session.flush()
    sale.refunds.append(refund)
    if not refund.credits_micro:
        return
    taken = await credits.take_back(
        session,
        tenant_id=refund.tenant_id,
        customer_id=sale.purchase.customer_id,
        currency=refund.currency,
        amount_micro=refund.credits_micro,
        kind="refund",
        reference=str(refund.id),
        occurred_at=now,
    )
    if unspent_only and taken.receivable_micro:
        # The transaction is rolled back by this: nothing was taken.
        raise RefundExceedsUnspent(
            available_micro=taken.from_wallet_micro, required_micro=refund.credits_micro, currency=refund.currency
        )
