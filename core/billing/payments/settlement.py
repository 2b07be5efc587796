"""What becomes of a purchase when a payment succeeds, fails or is canceled: in the transaction that learned of it."""

from datetime import datetime

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import service as credits
from core.billing.payments.models import Payment, Refund
from core.billing.payments.sale import Sale
from core.billing.payments.telling import tell_money
from core.foundation.ids import new_id
from core.foundation.jobs import Permanent, defer
from core.foundation.telemetry import log
from core.identity.tenants.auditing import record

PURCHASES_PAID = Counter("cloudbill_purchases_paid_total", "Purchases settled by a payment.", ["means"])
DOUBLE_PAYMENTS = Counter("cloudbill_double_payments_total", "Second payments of one purchase, refunded in full.")

_LOG = log("payments")


async def succeed(
    session: AsyncSession,
    sale: Sale,
    payment: Payment,
    *,
    intent_id: str | None,
    amount_minor: int | None,
    currency: str | None,
    now: datetime,
    wall: datetime,
) -> None:
    """The first payment settles the purchase; a second one is refunded. Nothing new when it is known already.

    `amount_minor` and `currency` are what the provider says it received, None where its report does not say. Raises
    Permanent where they are not what was asked for: a person looks at that.
    """
    if payment.provider_intent_id is None:
        payment.provider_intent_id = intent_id
    if payment.state == "succeeded":
        return
    purchase = sale.purchase
    if amount_minor not in (None, purchase.amount_minor) or currency not in (None, purchase.currency):
        raise Permanent(
            f"purchase {purchase.id} costs {purchase.amount_minor} {purchase.currency} (minor units) and "
            f"{amount_minor} {currency} were paid"
        )
    payment.state, payment.failure_code, payment.updated_at = "succeeded", None, wall
    if purchase.paid_by is not None:
        await _refund_second(session, sale, payment, now=now, wall=wall)
        return
    purchase.paid_by, purchase.paid_at = payment.means, now
    sale.conclude()
    await session.flush()
    await credits.top_up(
        session,
        tenant_id=purchase.tenant_id,
        customer_id=purchase.customer_id,
        currency=purchase.currency,
        amount_micro=purchase.credits_micro,
        kind="purchase",
        reference=str(purchase.id),
        occurred_at=now,
    )
    await tell_money(
        session, sale, "payment.succeeded", payment_id=payment.id, amount_minor=payment.amount_minor, now=now
    )
    await defer(session, "payments:close_other", tenant_id=str(purchase.tenant_id), purchase_id=str(purchase.id))
    PURCHASES_PAID.labels(payment.means).inc()


def fail(sale: Sale, payment: Payment, *, code: str | None, wall: datetime) -> None:
    """A declined attempt. It may be paid all the same, so it never undoes a success or an end."""
    if payment.state in ("pending", "failed"):
        payment.state, payment.failure_code, payment.updated_at = "failed", code or "declined", wall
        sale.conclude()


def cancel(sale: Sale, payment: Payment, *, wall: datetime) -> None:
    """This way to pay is closed. A success that comes in all the same counts."""
    if payment.state in ("pending", "failed"):
        payment.state, payment.updated_at = "canceled", wall
        sale.conclude()


async def _refund_second(session: AsyncSession, sale: Sale, payment: Payment, *, now: datetime, wall: datetime) -> None:
    purchase = sale.purchase
    refund = Refund(
        tenant_id=purchase.tenant_id,
        id=new_id(),
        purchase_id=purchase.id,
        payment_id=payment.id,
        origin="duplicate",
        state="pending",
        amount_minor=payment.amount_minor,
        credits_micro=0,
        currency=payment.currency,
        reason="paid twice",
        provider_account_id=payment.provider_account_id,
        created_at=now,
        updated_at=wall,
    )
    session.add(refund)
    sale.refunds.append(refund)
    record(
        session,
        tenant_id=purchase.tenant_id,
        actor=None,
        action="purchase.paid_twice",
        subject=str(purchase.id),
        details={"refundId": str(refund.id), "means": payment.means, "amountMinor": payment.amount_minor},
        occurred_at=now,
    )
    await session.flush()
    await defer(session, "payments:refund", tenant_id=str(purchase.tenant_id), refund_id=str(refund.id))
    DOUBLE_PAYMENTS.inc()
    _LOG.warning("purchase_paid_twice", purchaseId=str(purchase.id), refundId=str(refund.id))
