"""Stripe's errors, given our names. Stripe's own sentences stay out: they may quote keys, ids and addresses."""

from typing import cast

import stripe

from core.billing.payments.providers.errors import (
    CardDeclined,
    PaymentStateConflict,
    ProviderCredentialsRefused,
    ProviderError,
    ProviderKeyConflict,
    ProviderObjectMissing,
    ProviderRejected,
    ProviderUnavailable,
    RefundRefused,
)

# Source: docs.stripe.com/error-codes
_STATE_CODES = {
    "payment_intent_unexpected_state",
    "intent_invalid_state",
    "setup_intent_unexpected_state",
}
_REFUND_CODES = {
    "charge_already_refunded",
    "charge_disputed",
    "refund_disputed_payment",
    "insufficient_funds",
    "balance_insufficient",
}


def named(error: stripe.StripeError) -> ProviderError:
    """`error` in our words, with Stripe's code and request id for the log."""
    code, request_id = error.code, error.request_id
    if isinstance(error, stripe.CardError):
        decline_code = getattr(error.error, "decline_code", None) if error.error else None
        advice_code = getattr(error.error, "advice_code", None) if error.error else None
        return CardDeclined(
            decline_code or code, advice_code=advice_code, provider_code=code, provider_request_id=request_id
        )
    if isinstance(error, stripe.IdempotencyError):
        return ProviderKeyConflict(
            "An idempotency key was used at the payment provider before with another input.",
            provider_code=code,
            provider_request_id=request_id,
        )
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return ProviderCredentialsRefused(
            "The payment provider refused our key. Check STRIPE_SECRET_KEY and its rights.",
            provider_code=code,
            provider_request_id=request_id,
        )
    if isinstance(error, stripe.InvalidRequestError):
        return _invalid_request(error)
    status = error.http_status
    reason = f"HTTP {status}" if status else "no connection"
    return ProviderUnavailable(
        f"The payment provider does not answer as it should ({reason}). Try again.",
        provider_code=code,
        provider_request_id=request_id,
    )


def _invalid_request(error: stripe.InvalidRequestError) -> ProviderError:
    code, request_id = error.code, error.request_id
    param = cast(str | None, error.param)  # pyright: ignore[reportUnknownMemberType]  (untyped in the library)
    if code == "resource_missing" and error.http_status == 404:
        return ProviderObjectMissing(
            "The payment provider does not know this id. Is the key of the right account and mode?",
            provider_code=code,
            provider_request_id=request_id,
        )
    if code in _STATE_CODES:
        return PaymentStateConflict(
            "The payment has moved on at the provider: it is paid, canceled or expired already.",
            provider_code=code,
            provider_request_id=request_id,
        )
    # A refund larger than what is left has no code; every other refusal of an amount has one.
    if code in _REFUND_CODES or (code is None and param == "amount"):
        return RefundRefused(
            "The payment provider will not refund that: too little is left of the payment, or it is disputed.",
            provider_code=code,
            provider_request_id=request_id,
        )
    # The parameter's name is ours to know; its value never comes along.
    where = f" at parameter {param}" if param else ""
    return ProviderRejected(
        f"The payment provider refused the request{where} ({code or 'no code'}).",
        provider_code=code,
        provider_request_id=request_id,
    )
