"""A provider's event, applied to the purchase that it is about: once, whatever came before it.

The event itself is what counts, not what the provider says now: so it can be applied again after a restore, and
without asking. Only where an event does not say enough (which refunds a sum is made of) is the provider asked first.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments import disputing, refunding, repository, settlement
from core.billing.payments.charges import applying as charges
from core.billing.payments.charges.applying import ChargePlace
from core.billing.payments.gateway import payment_provider
from core.billing.payments.methods import applying as cards
from core.billing.payments.methods.applying import CardPlace
from core.billing.payments.models import Payment
from core.billing.payments.providers.base import DisputeStatus, ProviderEvent, ProviderEventKind, ProviderRefund
from core.billing.payments.providers.errors import ProviderObjectMissing
from core.billing.payments.sale import Sale
from core.foundation.database import Database
from core.foundation.jobs import Permanent
from core.foundation.settings import Settings

Kind = ProviderEventKind
_DISPUTES = {DisputeStatus.OPEN: "open", DisputeStatus.WON: "won", DisputeStatus.LOST: "lost"}


@dataclass(frozen=True, slots=True)
class Located:
    """Whose event it is, and what the provider was asked for it."""

    tenant_id: UUID
    purchase_id: UUID
    refunds: list[ProviderRefund] = field(default_factory=list[ProviderRefund])


Place = Located | CardPlace | ChargePlace


async def locate(database: Database, settings: Settings, event: ProviderEvent, *, account_id: str) -> Place | None:
    """What an event is about, or None where it is not ours. Asks the provider where it must."""
    if event.kind in (*cards.SETUPS, *cards.CARDS):
        return await cards.locate(database, settings, event, account_id=account_id)
    charge = await _charge_of(database, settings, event, account_id=account_id)
    if charge is not None:
        return charge
    found = (event.reference.tenant_id, event.reference.purchase_id) if event.reference else None
    provider_ids = [known for known in (event.checkout_id, event.payment_id) if known]
    if found is None and provider_ids:
        async with database.reading() as session:
            found = await repository.find_purchase_of(session, account_id=account_id, provider_ids=provider_ids)
    if found is None and event.payment_id and settings.stripe_secret_key:
        # The bank's words carry none of our ids, and the payment behind a hosted page is not known to us yet.
        try:
            payment = await payment_provider(settings).get_payment(event.payment_id)
        except ProviderObjectMissing:
            return None
        if payment.charge is not None:
            return ChargePlace(
                payment.charge.tenant_id, payment.charge.payment_id, refunds=await _refunds(settings, event)
            )
        found = (payment.reference.tenant_id, payment.reference.purchase_id) if payment.reference else None
    if found is None:
        return None
    return Located(*found, refunds=await _refunds(settings, event))


async def _charge_of(
    database: Database, settings: Settings, event: ProviderEvent, *, account_id: str
) -> ChargePlace | None:
    """The payment of an invoice that an event is about, by our ids on it or by the provider's."""
    found = (event.charge.tenant_id, event.charge.payment_id) if event.charge else None
    if found is None and event.reference is None and event.payment_id:
        async with database.reading() as session:
            found = await repository.find_charge_of(session, account_id=account_id, provider_id=event.payment_id)
    if found is None:
        return None
    return ChargePlace(*found, refunds=await _refunds(settings, event))


async def _refunds(settings: Settings, event: ProviderEvent) -> list[ProviderRefund]:
    if event.kind is not Kind.CHARGE_REFUNDED or not event.payment_id or not settings.stripe_secret_key:
        return []
    try:
        return await payment_provider(settings).list_refunds(event.payment_id)
    except ProviderObjectMissing:
        return []


async def apply(
    session: AsyncSession, event: ProviderEvent, located: Place, *, account_id: str, now: datetime, wall: datetime
) -> str | None:
    """Applies it; returns why there was nothing to apply, else None.

    Raises PurchaseNotFound, NotPrepared, and Permanent where a person must look.
    """
    if isinstance(located, CardPlace):
        return await cards.apply(session, event, located, account_id=account_id, now=now, wall=wall)
    if isinstance(located, ChargePlace):
        return await charges.apply(session, event, located, account_id=account_id, now=now, wall=wall)
    sale = await repository.get_sale(session, located.tenant_id, located.purchase_id)
    if any(payment.provider_account_id != account_id for payment in sale.payments.values()):
        return "the purchase was paid through another account"
    payment = sale.payment_of(payment_id=event.payment_id, checkout_id=event.checkout_id)
    if payment.means == "checkout" and payment.provider_intent_id is None:
        payment.provider_intent_id = event.payment_id
    reason = await _apply(session, sale, payment, event, located.refunds, now=now, wall=wall)
    await session.flush()
    return reason


async def _apply(
    session: AsyncSession,
    sale: Sale,
    payment: Payment,
    event: ProviderEvent,
    refunds: list[ProviderRefund],
    *,
    now: datetime,
    wall: datetime,
) -> str | None:
    match event.kind:
        case Kind.PAYMENT_SUCCEEDED | Kind.CHECKOUT_COMPLETED:
            if not event.paid:
                return "the hosted page is complete and its payment is not certain yet"
            await _succeed(session, sale, payment, event, amount_minor=event.amount_minor, now=now, wall=wall)
        case Kind.PAYMENT_FAILED:
            settlement.fail(sale, payment, code=event.reason, wall=wall)
        case Kind.PAYMENT_CANCELED | Kind.CHECKOUT_EXPIRED:
            settlement.cancel(sale, payment, wall=wall)
        case Kind.REFUND_UPDATED:
            await _succeed(session, sale, payment, event, amount_minor=None, now=now, wall=wall)
            await refunding.report(
                session,
                sale,
                payment,
                refund_id=event.refund_id,
                provider_id=event.provider_refund_id,
                amount_minor=event.amount_minor or 0,
                state=event.status or "pending",
                failure_code=event.reason,
                now=now,
                wall=wall,
            )
        case Kind.CHARGE_REFUNDED:
            await _succeed(session, sale, payment, event, amount_minor=None, now=now, wall=wall)
            await report_refunds(session, sale, payment, refunds, now=now, wall=wall)
            unexplained_minor = (event.amount_minor or 0) - sale.gone_minor(payment)
            if unexplained_minor > 0:
                await refunding.report(
                    session,
                    sale,
                    payment,
                    refund_id=None,
                    provider_id=None,
                    amount_minor=unexplained_minor,
                    state="succeeded",
                    failure_code=None,
                    now=now,
                    wall=wall,
                )
        case Kind.DISPUTE_OPENED | Kind.DISPUTE_CLOSED:
            return await _dispute(session, sale, payment, event, now=now, wall=wall)
        case _:
            return "nothing changes by it"
    return None


async def report_refunds(
    session: AsyncSession,
    sale: Sale,
    payment: Payment,
    refunds: list[ProviderRefund],
    *,
    now: datetime,
    wall: datetime,
) -> None:
    """Books all refunds that the provider lists for a payment, oldest first."""
    for refund in reversed(refunds):
        await refunding.report(
            session,
            sale,
            payment,
            refund_id=refund.refund_id,
            provider_id=refund.provider_refund_id,
            amount_minor=refund.amount_minor,
            state=refund.status.value,
            failure_code=refund.failure_reason,
            now=now,
            wall=wall,
        )


async def _succeed(
    session: AsyncSession,
    sale: Sale,
    payment: Payment,
    event: ProviderEvent,
    *,
    amount_minor: int | None,
    now: datetime,
    wall: datetime,
) -> None:
    """What was refunded or disputed had been paid, even if that is heard of later."""
    await settlement.succeed(
        session,
        sale,
        payment,
        intent_id=event.payment_id,
        amount_minor=amount_minor,
        currency=event.currency if amount_minor is not None else None,
        now=now,
        wall=wall,
    )


async def _dispute(
    session: AsyncSession, sale: Sale, payment: Payment, event: ProviderEvent, *, now: datetime, wall: datetime
) -> str | None:
    if event.dispute_id is None or event.amount_minor is None or event.currency is None:
        raise Permanent("the dispute lacks its id, amount or currency")
    state = _DISPUTES.get(DisputeStatus(event.status)) if event.status else None
    if state is None:
        return "an inquiry of the bank: no money has moved"
    await _succeed(session, sale, payment, event, amount_minor=None, now=now, wall=wall)
    await disputing.report(
        session,
        sale,
        payment,
        provider_id=event.dispute_id,
        state=state,
        amount_minor=event.amount_minor,
        currency=event.currency,
        now=now,
        wall=wall,
    )
    return None
