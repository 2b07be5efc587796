"""Stripe's objects and events, read into our own words. Pure: plain dictionaries in, dataclasses out.

The same readers serve answers of the API and bodies of webhooks, whose shapes are equal. They raise KeyError, TypeError
or ValueError on what is not Stripe's form; the callers name that.
"""

from collections.abc import Callable
from dataclasses import replace

from core.billing.payments.providers.base import (
    CheckoutStatus,
    DisputeStatus,
    PaymentStatus,
    ProviderCheckout,
    ProviderDispute,
    ProviderEvent,
    ProviderEventKind,
    ProviderPayment,
    ProviderRefund,
    PurchaseReference,
    RefundStatus,
)
from core.billing.payments.providers.errors import MalformedProviderEvent
from core.billing.payments.providers.stripe_fields import (
    StripeObject,
    action_url,
    currency,
    failure_code,
    found_id,
    instant,
    integer,
    mapping,
    metadata,
    text,
    uuid,
)
from core.billing.payments.providers.stripe_saved_objects import (
    TENANT_KEY,
    charge_reference,
    read_card,
    read_setup,
    setup_reference,
)

PURCHASE_KEY = "cloudbill_purchase_id"
REFUND_KEY = "cloudbill_refund_id"

_PAYMENT_STATUS = {
    "requires_payment_method": PaymentStatus.PENDING,
    "requires_confirmation": PaymentStatus.PENDING,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "requires_capture": PaymentStatus.PROCESSING,
    "processing": PaymentStatus.PROCESSING,
    "succeeded": PaymentStatus.PAID,
    "canceled": PaymentStatus.CANCELED,
}
_REFUND_STATUS = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.CANCELED,
}
_DISPUTE_STATUS = {
    "warning_needs_response": DisputeStatus.INQUIRY,
    "warning_under_review": DisputeStatus.INQUIRY,
    "warning_closed": DisputeStatus.INQUIRY_CLOSED,
    "prevented": DisputeStatus.INQUIRY_CLOSED,
    "needs_response": DisputeStatus.OPEN,
    "under_review": DisputeStatus.OPEN,
    "appeal_needs_response": DisputeStatus.OPEN,
    "appeal_under_review": DisputeStatus.OPEN,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}


def reference_metadata(reference: PurchaseReference) -> dict[str, str]:
    """Our ids as Stripe metadata."""
    return {TENANT_KEY: str(reference.tenant_id), PURCHASE_KEY: str(reference.purchase_id)}


def read_payment(intent: StripeObject) -> ProviderPayment:
    """A PaymentIntent."""
    return ProviderPayment(
        payment_id=text(intent["id"]),
        status=_PAYMENT_STATUS[intent["status"]],
        amount_minor=integer(intent["amount"]),
        amount_received_minor=integer(intent.get("amount_received") or 0),
        currency=currency(intent),
        client_secret=intent.get("client_secret"),
        charge_id=found_id(intent.get("latest_charge")),
        failure_code=failure_code(intent.get("last_payment_error")),
        reference=_reference(intent),
        charge=charge_reference(intent),
        action_url=action_url(intent),
        advice_code=_advice(intent),
        created_at=instant(intent["created"]),
    )


def read_checkout(session: StripeObject) -> ProviderCheckout:
    """A Checkout Session."""
    return ProviderCheckout(
        checkout_id=text(session["id"]),
        # The field is null on sessions made before Stripe introduced it; none of ours are that old.
        status=CheckoutStatus(session.get("status") or "open"),
        paid=session["payment_status"] in ("paid", "no_payment_required"),
        url=session.get("url"),
        payment_id=found_id(session.get("payment_intent")),
        setup_id=found_id(session.get("setup_intent")),
        amount_minor=integer(session.get("amount_total") or 0),
        currency=currency(session) if session.get("currency") else None,
        reference=_reference(session),
        created_at=instant(session["created"]),
        expires_at=instant(session["expires_at"]),
    )


def read_refund(refund: StripeObject) -> ProviderRefund:
    """A Refund. Its status may be null at Stripe for means of payment that we do not offer: pending."""
    return ProviderRefund(
        provider_refund_id=text(refund["id"]),
        status=_REFUND_STATUS[refund.get("status") or "pending"],
        amount_minor=integer(refund["amount"]),
        currency=currency(refund),
        payment_id=found_id(refund.get("payment_intent")),
        charge_id=found_id(refund.get("charge")),
        refund_id=uuid(metadata(refund).get(REFUND_KEY)),
        failure_reason=refund.get("failure_reason"),
        created_at=instant(refund["created"]),
    )


def read_dispute(dispute: StripeObject) -> ProviderDispute:
    """A Dispute. A status that is new at Stripe counts as open: better a wallet held than credits given away."""
    return ProviderDispute(
        dispute_id=text(dispute["id"]),
        status=_DISPUTE_STATUS.get(dispute["status"], DisputeStatus.OPEN),
        amount_minor=integer(dispute["amount"]),
        currency=currency(dispute),
        payment_id=found_id(dispute.get("payment_intent")),
        charge_id=text(found_id(dispute["charge"])),
        reason=text(dispute.get("reason") or "general"),
        created_at=instant(dispute["created"]),
    )


def read_envelope(payload: StripeObject) -> ProviderEvent:
    """An event without its contents: id, type, instant, mode and account. Raises MalformedProviderEvent."""
    try:
        return ProviderEvent(
            event_id=text(payload["id"]),
            kind=ProviderEventKind.UNKNOWN,
            provider_type=text(payload["type"]),
            created_at=instant(payload["created"]),
            is_live=payload.get("livemode") is True,
            account_id=payload.get("account"),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise _malformed(error) from None


def read_event(payload: StripeObject) -> ProviderEvent:
    """A webhook's event, or one from the list. Raises MalformedProviderEvent."""
    event = read_envelope(payload)
    known = _READERS.get(event.provider_type)
    if known is None:
        return event
    kind, reader = known
    try:
        return reader(replace(event, kind=kind), mapping(payload["data"]["object"]))
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise _malformed(error) from None


def _malformed(error: Exception) -> MalformedProviderEvent:
    # Only the name of what is wrong: the body holds client secrets and personal data.
    return MalformedProviderEvent(f"The event is not of Stripe's form ({type(error).__name__}).")


def _payment_event(event: ProviderEvent, intent: StripeObject) -> ProviderEvent:
    payment = read_payment(intent)
    paid = event.kind is ProviderEventKind.PAYMENT_SUCCEEDED
    return replace(
        event,
        reference=payment.reference,
        charge=payment.charge,
        advice=payment.advice_code,
        amount_minor=payment.amount_received_minor if paid else payment.amount_minor,
        currency=payment.currency,
        status=payment.status.value,
        paid=paid,
        reason=payment.failure_code or intent.get("cancellation_reason"),
        payment_id=payment.payment_id,
        charge_id=payment.charge_id,
    )


def _checkout_event(event: ProviderEvent, session: StripeObject) -> ProviderEvent:
    checkout = read_checkout(session)
    if session.get("mode") == "setup":
        return replace(event, kind=ProviderEventKind.UNKNOWN)  # the setup's own event tells of the card
    return replace(
        event,
        reference=checkout.reference,
        amount_minor=checkout.amount_minor,
        currency=checkout.currency,
        status=checkout.status.value,
        paid=checkout.paid,
        payment_id=checkout.payment_id,
        checkout_id=checkout.checkout_id,
    )


def _refund_event(event: ProviderEvent, refund: StripeObject) -> ProviderEvent:
    read = read_refund(refund)
    return replace(
        event,
        reference=_reference(refund),
        charge=charge_reference(refund),
        amount_minor=read.amount_minor,
        currency=read.currency,
        status=read.status.value,
        reason=read.failure_reason or refund.get("reason"),
        payment_id=read.payment_id,
        charge_id=read.charge_id,
        provider_refund_id=read.provider_refund_id,
        refund_id=read.refund_id,
    )


def _charge_event(event: ProviderEvent, charge: StripeObject) -> ProviderEvent:
    return replace(
        event,
        reference=_reference(charge),
        charge=charge_reference(charge),
        amount_minor=integer(charge["amount_refunded"]),
        currency=currency(charge),
        payment_id=found_id(charge.get("payment_intent")),
        charge_id=text(charge["id"]),
    )


def _dispute_event(event: ProviderEvent, dispute: StripeObject) -> ProviderEvent:
    read = read_dispute(dispute)
    return replace(
        event,
        reference=_reference(dispute),
        charge=charge_reference(dispute),
        amount_minor=read.amount_minor,
        currency=read.currency,
        status=read.status.value,
        reason=read.reason,
        payment_id=read.payment_id,
        charge_id=read.charge_id,
        dispute_id=read.dispute_id,
    )


def _setup_event(event: ProviderEvent, setup: StripeObject) -> ProviderEvent:
    read = read_setup(setup)
    return replace(
        event,
        setup=setup_reference(setup),
        status=read.status.value,
        reason=read.failure_code,
        setup_id=read.setup_id,
        method_id=read.method_id,
    )


def _card_event(event: ProviderEvent, method: StripeObject) -> ProviderEvent:
    if method.get("type") != "card":
        return replace(event, kind=ProviderEventKind.UNKNOWN)
    card = read_card(method)
    return replace(event, card=card, method_id=card.method_id)


def _advice(intent: StripeObject) -> str | None:
    last_error = intent.get("last_payment_error")
    return mapping(last_error).get("advice_code") if last_error else None


_Reader = Callable[[ProviderEvent, StripeObject], ProviderEvent]
_READERS: dict[str, tuple[ProviderEventKind, _Reader]] = {
    "payment_intent.succeeded": (ProviderEventKind.PAYMENT_SUCCEEDED, _payment_event),
    "payment_intent.payment_failed": (ProviderEventKind.PAYMENT_FAILED, _payment_event),
    "payment_intent.canceled": (ProviderEventKind.PAYMENT_CANCELED, _payment_event),
    "payment_intent.requires_action": (ProviderEventKind.PAYMENT_REQUIRES_ACTION, _payment_event),
    "checkout.session.completed": (ProviderEventKind.CHECKOUT_COMPLETED, _checkout_event),
    "checkout.session.async_payment_succeeded": (ProviderEventKind.CHECKOUT_COMPLETED, _checkout_event),
    "checkout.session.expired": (ProviderEventKind.CHECKOUT_EXPIRED, _checkout_event),
    "refund.created": (ProviderEventKind.REFUND_UPDATED, _refund_event),
    "refund.updated": (ProviderEventKind.REFUND_UPDATED, _refund_event),
    "refund.failed": (ProviderEventKind.REFUND_UPDATED, _refund_event),
    "charge.refunded": (ProviderEventKind.CHARGE_REFUNDED, _charge_event),
    "charge.dispute.created": (ProviderEventKind.DISPUTE_OPENED, _dispute_event),
    "charge.dispute.closed": (ProviderEventKind.DISPUTE_CLOSED, _dispute_event),
    "setup_intent.succeeded": (ProviderEventKind.SETUP_SUCCEEDED, _setup_event),
    "setup_intent.setup_failed": (ProviderEventKind.SETUP_FAILED, _setup_event),
    "setup_intent.canceled": (ProviderEventKind.SETUP_FAILED, _setup_event),
    "payment_method.detached": (ProviderEventKind.CARD_DETACHED, _card_event),
    "payment_method.updated": (ProviderEventKind.CARD_UPDATED, _card_event),
    "payment_method.automatically_updated": (ProviderEventKind.CARD_UPDATED, _card_event),
}


def _reference(found: StripeObject) -> PurchaseReference | None:
    """Our ids; None where they are absent or were edited at the dashboard into something else."""
    ours = metadata(found)
    tenant_id, purchase_id = uuid(ours.get(TENANT_KEY)), uuid(ours.get(PURCHASE_KEY))
    if tenant_id is None or purchase_id is None:
        return None
    return PurchaseReference(tenant_id=tenant_id, purchase_id=purchase_id)
