"""Asking the provider to charge: between two transactions, never in one; safe to do again after a crash anywhere.

The intent's key comes from the payment, the confirmation's from the try, so whoever repeats gets the first answer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.billing.invoices import service as invoices
from core.billing.payments import repository as payments
from core.billing.payments.charges import charging, refunding, repository
from core.billing.payments.charges.models import PaymentAttempt
from core.billing.payments.gateway import payment_provider
from core.billing.payments.methods import repository as methods
from core.billing.payments.methods.asking import KnownCustomer, known_customer
from core.billing.payments.methods.models import PaymentMethod
from core.billing.payments.models import Payment, Refund
from core.billing.payments.providers.base import PaymentStatus, ProviderPayment, RefundReason, RefundRequest
from core.billing.payments.providers.errors import (
    CardDeclined,
    PaymentStateConflict,
    ProviderObjectMissing,
    ProviderRejected,
    RefundRefused,
)
from core.billing.payments.providers.saving import ChargeReference, ChargeRequest
from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.foundation.settings import Settings

LEASE = timedelta(seconds=60)
"""How long one may take at the provider before another takes over."""


@dataclass(frozen=True, slots=True)
class Performed:
    """How a try stands; `action_url` is the bank's page, while the payer is waited for there."""

    attempt: PaymentAttempt
    action_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Claimed:
    attempt: PaymentAttempt
    payment: Payment
    method: PaymentMethod
    customer_id: UUID
    description: str


async def perform(
    database: Database,
    settings: Settings,
    *,
    tenant_id: UUID,
    attempt_id: UUID,
    wall: datetime,
    return_url: str | None = None,
) -> Performed | None:
    """Has a pending try charged; None where another is at it. With `return_url` the payer is there to confirm.

    Raises PaymentProviderUnavailable, ProviderUnavailable, LiveProviderRefused: the try stays pending.
    """
    claimed = await _claim(database, tenant_id, attempt_id, wall=wall)
    if not isinstance(claimed, _Claimed):
        return claimed
    told: ProviderPayment | None = None
    code = advice = None
    try:
        if claimed.attempt.origin == "customer" and return_url is None:
            # The customer was there and is gone: what came of it is looked at, and nothing is charged anew.
            told = await _look(database, settings, tenant_id, claimed.payment.id)
            code = None if told is not None and told.status is not PaymentStatus.PENDING else "abandoned"
        else:
            told = await _charge(database, settings, claimed, return_url=return_url)
    except CardDeclined as declined:
        code, advice = declined.decline_code or "card_declined", declined.advice_code
    except (PaymentStateConflict, ProviderRejected, ProviderObjectMissing) as refused:
        code = refused.provider_code or refused.code
        told = await _look(database, settings, tenant_id, claimed.payment.id)
    except BaseException:
        async with database.tenant(tenant_id) as session:
            attempt = await repository.find_attempt(session, tenant_id, attempt_id, locked=True)
            if attempt is not None:
                attempt.lease_until = None
        raise
    async with database.tenant(tenant_id) as session:
        # The invoice is locked first, as by everyone else who changes what is paid of it.
        await invoices.get_invoice(session, tenant_id, claimed.attempt.invoice_id, lock=True)
        payment = await repository.find_payment(session, tenant_id, claimed.payment.id, locked=True)
        attempt = await repository.find_attempt(session, tenant_id, attempt_id, locked=True)
        assert payment is not None, "payments are never deleted"
        assert attempt is not None, "attempts are never deleted"
        now = await tenant_now(session, tenant_id)
        attempt.lease_until = None
        if told is not None and told.status is PaymentStatus.PAID:
            await charging.succeed(
                session,
                payment,
                amount_minor=told.amount_received_minor,
                currency=told.currency,
                now=now,
                wall=wall,
            )
        elif told is not None and code is None and told.status is PaymentStatus.REQUIRES_ACTION:
            charging.wait_for_payer(attempt)
        elif told is not None and code is None and told.status is PaymentStatus.PROCESSING:
            pass  # the provider's event tells the end
        else:
            code = code or (told.failure_code if told else None) or "declined"
            await charging.fail(session, attempt, payment, code=code, advice=advice, now=now, wall=wall)
        return Performed(attempt, told.action_url if told else None)


async def _claim(
    database: Database, tenant_id: UUID, attempt_id: UUID, *, wall: datetime
) -> "_Claimed | Performed | None":
    async with database.tenant(tenant_id) as session:
        attempt = await repository.find_attempt(session, tenant_id, attempt_id, locked=True)
        if attempt is None or attempt.state != "pending":
            return Performed(attempt) if attempt is not None else None
        if attempt.lease_until is not None and attempt.lease_until > wall:
            return None
        payment = await repository.find_payment(session, tenant_id, attempt.payment_id)
        assert payment is not None, "payments are never deleted"
        invoice = await invoices.get_invoice(session, tenant_id, attempt.invoice_id)
        if (
            payment.state == "canceled"
            or invoice.state not in charging.PAYABLE
            or payment.amount_minor > invoice.open_minor
        ):
            # Paid, credited or given up meanwhile: nobody is charged for it.
            attempt.state, attempt.concluded_at = "canceled", await tenant_now(session, tenant_id)
            return Performed(attempt)
        attempt.lease_until = wall + LEASE
        method = await methods.get_method(session, tenant_id, attempt.payment_method_id)
        return _Claimed(attempt, payment, method, invoice.customer_id, f"Invoice {invoice.number}")


async def _charge(
    database: Database, settings: Settings, claimed: _Claimed, *, return_url: str | None
) -> ProviderPayment:
    tenant_id, payment = claimed.attempt.tenant_id, claimed.payment
    customer = await known_customer(database, settings, tenant_id=tenant_id, customer_id=claimed.customer_id)
    provider_id = payment.provider_id or await _intent(database, customer, claimed)
    key = f"attempt-{claimed.attempt.id}"
    if return_url is None:
        return await customer.provider.charge_away(
            provider_id, method_id=claimed.method.provider_id, idempotency_key=key
        )
    return await customer.provider.confirm_payment(
        provider_id, card=claimed.method.provider_id, return_url=return_url, idempotency_key=key
    )


async def _intent(database: Database, customer: KnownCustomer, claimed: _Claimed) -> str:
    payment = claimed.payment
    request = ChargeRequest(
        reference=ChargeReference(tenant_id=payment.tenant_id, payment_id=payment.id, invoice_id=payment.invoice_id),
        customer_id=customer.provider_id,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        description=claimed.description,
    )
    made = await customer.provider.create_charge(request, idempotency_key=f"charge-{payment.id}")
    async with database.tenant(payment.tenant_id) as session:
        kept = await repository.find_payment(session, payment.tenant_id, payment.id, locked=True)
        assert kept is not None, "payments are never deleted"
        kept.provider_id = kept.provider_intent_id = made.payment_id
    return made.payment_id


async def _look(database: Database, settings: Settings, tenant_id: UUID, payment_id: UUID) -> ProviderPayment | None:
    """How a payment stands at the provider, which may have moved on without us."""
    async with database.tenant(tenant_id) as session:
        payment = await repository.find_payment(session, tenant_id, payment_id)
        is_test = await payments.is_test_tenant(session, tenant_id)
    if payment is None or payment.provider_id is None:
        return None
    try:
        return await payment_provider(settings, is_test_tenant=is_test).get_payment(payment.provider_id)
    except ProviderObjectMissing:
        return None


async def look_again(
    database: Database, settings: Settings, *, tenant_id: UUID, attempt_id: UUID, wall: datetime
) -> None:
    """Brings a try that waited for its payer at the bank up to date with the provider."""
    async with database.tenant(tenant_id) as session:
        attempt = await repository.find_attempt(session, tenant_id, attempt_id)
    if attempt is None or attempt.state != "action_required":
        return
    told = await _look(database, settings, tenant_id, attempt.payment_id)
    if told is None or told.status not in (PaymentStatus.PAID, PaymentStatus.PENDING):
        return
    async with database.tenant(tenant_id) as session:
        await invoices.get_invoice(session, tenant_id, attempt.invoice_id, lock=True)
        payment = await repository.find_payment(session, tenant_id, attempt.payment_id, locked=True)
        attempt = await repository.find_attempt(session, tenant_id, attempt_id, locked=True)
        assert payment is not None, "payments are never deleted"
        assert attempt is not None, "attempts are never deleted"
        now = await tenant_now(session, tenant_id)
        if told.status is PaymentStatus.PAID:
            amount_minor, currency = told.amount_received_minor, told.currency
            await charging.succeed(session, payment, amount_minor=amount_minor, currency=currency, now=now, wall=wall)
        else:
            code = told.failure_code or "declined"
            await charging.fail(session, attempt, payment, code=code, advice=told.advice_code, now=now, wall=wall)


async def close(database: Database, settings: Settings, *, tenant_id: UUID, payment_id: UUID, wall: datetime) -> None:
    """Closes the intent of a payment that was replaced; money that came all the same counts, or goes back."""
    async with database.tenant(tenant_id) as session:
        payment = await repository.find_payment(session, tenant_id, payment_id)
        is_test = await payments.is_test_tenant(session, tenant_id)
    if payment is None or payment.provider_id is None or payment.state == "succeeded":
        return
    provider = payment_provider(settings, is_test_tenant=is_test)
    try:
        told = await provider.cancel_payment(payment.provider_id, idempotency_key=f"cancel-{payment.id}")
    except PaymentStateConflict:
        told = await provider.get_payment(payment.provider_id)
    if told.status is PaymentStatus.PAID:
        async with database.tenant(tenant_id) as session:
            assert payment.invoice_id is not None
            await invoices.get_invoice(session, tenant_id, payment.invoice_id, lock=True)
            kept = await repository.find_payment(session, tenant_id, payment_id, locked=True)
            assert kept is not None, "payments are never deleted"
            await charging.succeed(
                session,
                kept,
                amount_minor=told.amount_received_minor,
                currency=told.currency,
                now=await tenant_now(session, tenant_id),
                wall=wall,
            )


async def refund(database: Database, settings: Settings, wanted: Refund, *, is_test: bool, wall: datetime) -> None:
    """Sends an invoice payment's refund to the provider, or asks how one that was sent stands."""
    async with database.tenant(wanted.tenant_id) as session:
        payment = await repository.find_payment(session, wanted.tenant_id, wanted.payment_id)
    assert payment is not None, "payments are never deleted"
    assert payment.invoice_id is not None, "only payments of invoices come here"
    assert payment.provider_id is not None, "only a payment that succeeded is refunded"
    provider = payment_provider(settings, is_test_tenant=is_test)
    state, provider_id, failure_code = "failed", wanted.provider_id, None
    try:
        if provider_id is not None:
            told = await provider.get_refund(provider_id)
        else:
            request = RefundRequest(
                reference=ChargeReference(tenant_id=wanted.tenant_id, payment_id=payment.id),
                payment_id=payment.provider_id,
                refund_id=wanted.id,
                amount_minor=wanted.amount_minor,
                reason=RefundReason.DUPLICATE if wanted.origin == "duplicate" else RefundReason.REQUESTED,
            )
            told = await provider.create_refund(request, idempotency_key=f"refund-{wanted.id}")
        state, provider_id, failure_code = told.status.value, told.provider_refund_id, told.failure_reason
    except (RefundRefused, PaymentStateConflict, ProviderObjectMissing, ProviderRejected) as error:
        failure_code = error.provider_code or error.code
    async with database.tenant(wanted.tenant_id) as session:
        # The invoice first, as by everyone else who changes what is paid of it.
        await invoices.get_invoice(session, wanted.tenant_id, payment.invoice_id, lock=True)
        found = await session.get(Refund, (wanted.tenant_id, wanted.id), with_for_update=True, populate_existing=True)
        assert found is not None, "refunds are never deleted"
        await refunding.conclude(
            session,
            payment,
            found,
            provider_id=provider_id,
            state=state,
            failure_code=failure_code,
            now=await tenant_now(session, wanted.tenant_id),
            wall=wall,
        )
