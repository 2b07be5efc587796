"""A payer's objection through the bank: while it is open or lost the money is gone, and won it comes back."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import service as credits
from core.billing.payments.models import Dispute, Payment
from core.billing.payments.sale import Sale
from core.billing.payments.telling import tell_money
from core.foundation.ids import new_id
from core.foundation.jobs import Permanent


async def report(
    session: AsyncSession,
    sale: Sale,
    payment: Payment,
    *,
    provider_id: str,
    state: str,
    amount_minor: int,
    currency: str,
    now: datetime,
    wall: datetime,
) -> None:
    """Books what the provider says of a dispute: `state` is open, won or lost.

    The end may be heard of before the beginning: both bookings are made then, as they would have been one by one.
    """
    purchase = sale.purchase
    if currency != payment.currency:
        raise Permanent(f"dispute {provider_id} is in {currency}, purchase {purchase.id} in {payment.currency}")
    dispute = sale.find_dispute(provider_id)
    if dispute is None:
        dispute = Dispute(
            tenant_id=purchase.tenant_id,
            id=new_id(),
            purchase_id=purchase.id,
            payment_id=payment.id,
            state="open",
            amount_minor=amount_minor,
            credits_micro=sale.credits_for(payment, amount_minor),
            currency=currency,
            provider_account_id=payment.provider_account_id,
            provider_id=provider_id,
            created_at=now,
        )
        session.add(dispute)
        await session.flush()
        sale.disputes.append(dispute)
        await tell_money(
            session,
            sale,
            "payment.disputed",
            payment_id=payment.id,
            amount_minor=amount_minor,
            now=now,
            fact=str(dispute.id),
        )
        if dispute.credits_micro:
            await credits.take_back(
                session,
                tenant_id=dispute.tenant_id,
                customer_id=purchase.customer_id,
                currency=dispute.currency,
                amount_micro=dispute.credits_micro,
                kind="dispute",
                reference=str(dispute.id),
                occurred_at=now,
            )
    if dispute.state != "open" or state == "open":
        return
    dispute.state, dispute.closed_at = state, now
    payment.updated_at = wall
    if state == "won" and dispute.credits_micro:
        await credits.top_up(
            session,
            tenant_id=dispute.tenant_id,
            customer_id=purchase.customer_id,
            currency=dispute.currency,
            amount_micro=dispute.credits_micro,
            kind="dispute_reversal",
            reference=str(dispute.id),
            occurred_at=now,
        )
