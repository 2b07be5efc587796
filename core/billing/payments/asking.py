"""Asking the provider how things stand, where its events are late or lost: between two transactions, never in one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.billing.payments import refunding, repository, settlement
from core.billing.payments.applying import report_refunds
from core.billing.payments.charges import performing
from core.billing.payments.gateway import payment_provider
from core.billing.payments.models import Refund
from core.billing.payments.preparing import prepare, reference
from core.billing.payments.providers.base import (
    CheckoutStatus,
    PaymentProvider,
    PaymentStatus,
    ProviderCheckout,
    ProviderPayment,
    ProviderRefund,
    RefundReason,
    RefundRequest,
)
from core.billing.payments.providers.errors import (
    PaymentStateConflict,
    ProviderObjectMissing,
    ProviderRejected,
    RefundRefused,
)
from core.billing.payments.sale import Sale
from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.foundation.settings import Settings

OPEN_FOR = timedelta(hours=24)
"""How long a purchase may be paid: as long as the provider's hosted page stays open."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the provider said."""

    intent: ProviderPayment | None
    checkout: ProviderCheckout | None
    refunds: list[ProviderRefund]


@dataclass(frozen=True, slots=True)
class Asked:
    """A purchase as the provider knows it. `checkout_url` is None once nothing can be paid on the page."""

    sale: Sale
    checkout_url: str | None


async def ask(database: Database, settings: Settings, *, tenant_id: UUID, purchase_id: UUID, wall: datetime) -> Asked:
    """Brings a purchase up to date with the provider; what is missing there is made, what is too old is closed."""
    async with database.tenant(tenant_id) as session:
        sale = await repository.get_sale(session, tenant_id, purchase_id)
        is_test = await repository.is_test_tenant(session, tenant_id)
        for payment in sale.payments.values():
            payment.updated_at = wall  # Asked counts, answered or not: the next time is a longer while away.
    too_old = not sale.purchase.paid_by and wall - sale.purchase.recorded_at > OPEN_FOR
    missing = any(payment.provider_id is None and payment.state != "canceled" for payment in sale.payments.values())
    if missing and not sale.purchase.paid_by and not too_old:
        sale = (await prepare(database, settings, tenant_id=tenant_id, purchase_id=purchase_id, wall=wall)).sale
    provider = payment_provider(settings, is_test_tenant=is_test)
    heard = await _hear(provider, sale, close=too_old)
    sale = await _record(database, tenant_id, purchase_id, heard, close=too_old, wall=wall)
    is_open = heard.checkout is not None and heard.checkout.status is CheckoutStatus.OPEN and not sale.purchase.paid_by
    return Asked(sale, heard.checkout.url if heard.checkout is not None and is_open else None)


async def close_other(
    database: Database, settings: Settings, *, tenant_id: UUID, purchase_id: UUID, wall: datetime
) -> None:
    """Closes the way by which a paid purchase was not paid; a success found there is refunded like any second one."""
    async with database.tenant(tenant_id) as session:
        sale = await repository.get_sale(session, tenant_id, purchase_id)
        is_test = await repository.is_test_tenant(session, tenant_id)
        (other,) = (payment for payment in sale.payments.values() if not sale.settles(payment))
        if other.state in ("succeeded", "canceled"):
            return
        if other.provider_id is None:
            if sale.purchase.lease_until is not None and sale.purchase.lease_until > wall:
                raise _StillPreparing
            settlement.cancel(sale, other, wall=wall)  # Nobody ever heard of it, so nobody can pay it.
            return
    provider = payment_provider(settings, is_test_tenant=is_test)
    if other.means == "intent":
        heard = _Heard(await _closed_intent(provider, other.provider_id), None, [])
    else:
        heard = _Heard(None, await _closed_checkout(provider, other.provider_id), [])
    await _record(database, tenant_id, purchase_id, heard, close=False, wall=wall)


class _StillPreparing(Exception):
    """Another request is making it at this moment: come back."""


async def refund(database: Database, settings: Settings, *, tenant_id: UUID, refund_id: UUID, wall: datetime) -> None:
    """Sends a refund to the provider, or asks how one that was sent stands; a refusal gives the credits back."""
    async with database.tenant(tenant_id) as session:
        wanted = await session.get(Refund, (tenant_id, refund_id))
        if wanted is None or wanted.state != "pending":
            return
        is_test = await repository.is_test_tenant(session, tenant_id)
        purchase_id = wanted.purchase_id
        sale = await repository.get_sale(session, tenant_id, purchase_id, locked=False) if purchase_id else None
    if sale is None:
        await performing.refund(database, settings, wanted, is_test=is_test, wall=wall)
        return
    provider = payment_provider(settings, is_test_tenant=is_test)
    state, provider_id, failure_code = "failed", wanted.provider_id, None
    try:
        told = await _send(provider, sale, wanted)
        state, provider_id, failure_code = told.status.value, told.provider_refund_id, told.failure_reason
    except (RefundRefused, PaymentStateConflict, ProviderObjectMissing, ProviderRejected) as error:
        failure_code = error.provider_code or error.code
    async with database.tenant(tenant_id) as session:
        sale = await repository.get_sale(session, tenant_id, sale.purchase.id)
        now = await tenant_now(session, tenant_id)
        found = sale.find_refund(refund_id=refund_id, provider_id=None)
        assert found is not None, "refunds are never deleted"
        found.provider_id = found.provider_id or provider_id
        await refunding.conclude(session, sale, found, state=state, failure_code=failure_code, now=now, wall=wall)


async def _send(provider: PaymentProvider, sale: Sale, wanted: Refund) -> ProviderRefund:
    if wanted.provider_id is not None:
        return await provider.get_refund(wanted.provider_id)
    payment = next(payment for payment in sale.payments.values() if payment.id == wanted.payment_id)
    assert payment.provider_intent_id is not None, "only a payment that succeeded is refunded"
    request = RefundRequest(
        reference=reference(sale.purchase),
        payment_id=payment.provider_intent_id,
        refund_id=wanted.id,
        amount_minor=wanted.amount_minor,
        reason=RefundReason.DUPLICATE if wanted.origin == "duplicate" else RefundReason.REQUESTED,
    )
    return await provider.create_refund(request, idempotency_key=f"refund-{wanted.id}")


async def _hear(provider: PaymentProvider, sale: Sale, *, close: bool) -> _Heard:
    intent_id, checkout_id = sale.payments["intent"].provider_id, sale.payments["checkout"].provider_id
    intent = checkout = None
    if intent_id is not None:
        intent = await (_closed_intent(provider, intent_id) if close else provider.get_payment(intent_id))
    if checkout_id is not None:
        checkout = await (_closed_checkout(provider, checkout_id) if close else provider.get_checkout(checkout_id))
    settling = sale.settling
    refunds: list[ProviderRefund] = []
    if settling is not None and settling.provider_intent_id is not None:
        refunds = await provider.list_refunds(settling.provider_intent_id)
    return _Heard(intent, checkout, refunds)


async def _closed_intent(provider: PaymentProvider, payment_id: str) -> ProviderPayment:
    try:
        return await provider.cancel_payment(payment_id, idempotency_key=f"cancel-{payment_id}")
    except PaymentStateConflict:
        return await provider.get_payment(payment_id)


async def _closed_checkout(provider: PaymentProvider, checkout_id: str) -> ProviderCheckout:
    try:
        return await provider.expire_checkout(checkout_id, idempotency_key=f"expire-{checkout_id}")
    except PaymentStateConflict:
        return await provider.get_checkout(checkout_id)


async def _record(
    database: Database, tenant_id: UUID, purchase_id: UUID, heard: _Heard, *, close: bool, wall: datetime
) -> Sale:
    async with database.tenant(tenant_id) as session:
        sale = await repository.get_sale(session, tenant_id, purchase_id)
        now = await tenant_now(session, tenant_id)
        by_intent, by_checkout = sale.payments["intent"], sale.payments["checkout"]
        by_intent.updated_at = by_checkout.updated_at = wall
        intent, checkout = heard.intent, heard.checkout
        if intent is not None and intent.status is PaymentStatus.PAID:
            await settlement.succeed(
                session,
                sale,
                by_intent,
                intent_id=intent.payment_id,
                amount_minor=intent.amount_received_minor,
                currency=intent.currency,
                now=now,
                wall=wall,
            )
        elif intent is not None and intent.status is PaymentStatus.CANCELED:
            settlement.cancel(sale, by_intent, wall=wall)
        elif intent is not None and intent.failure_code:
            settlement.fail(sale, by_intent, code=intent.failure_code, wall=wall)
        if checkout is not None and checkout.paid:
            await settlement.succeed(
                session,
                sale,
                by_checkout,
                intent_id=checkout.payment_id,
                amount_minor=checkout.amount_minor,
                currency=checkout.currency,
                now=now,
                wall=wall,
            )
        elif checkout is not None and checkout.status is CheckoutStatus.EXPIRED:
            settlement.cancel(sale, by_checkout, wall=wall)
        for payment in sale.payments.values():
            if close and payment.provider_id is None:
                settlement.cancel(sale, payment, wall=wall)  # Never made, so nobody can pay it.
        settling = sale.settling
        if settling is not None:
            await report_refunds(session, sale, settling, heard.refunds, now=now, wall=wall)
        return sale
