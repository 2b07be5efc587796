"""Facts about a purchase's money: who bought credits has a receipt, and hears of what goes back or is disputed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.sale import Sale
from core.foundation.outbox import tell


async def tell_money(
    session: AsyncSession,
    sale: Sale,
    kind: str,
    *,
    payment_id: UUID,
    amount_minor: int,
    now: datetime,
    fact: str = "",
) -> None:
    """Tells it with the transaction, once by kind and `fact`."""
    purchase = sale.purchase
    await tell(
        session,
        tenant_id=purchase.tenant_id,
        kind=kind,
        subject_id=purchase.id,
        customer_id=purchase.customer_id,
        fact=fact,
        occurred_at=now,
        document={
            "paymentId": str(payment_id),
            "purchaseId": str(purchase.id),
            "currency": purchase.currency,
            "amountMinor": amount_minor,
        },
    )
