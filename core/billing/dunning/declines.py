"""What a refused charge means for the next try. Pure.

Sources: Stripe's decline codes and advised next steps (docs.stripe.com/declines/codes), network advice codes
(docs.stripe.com/declines/card#advice-codes), and the rules of Visa and Mastercard that a card whose issuer says "never
again" is not tried again, and none more than 15 times in 30 days (docs.stripe.com/declines/card#network-retry-rules).
"""

from enum import StrEnum


class NextStep(StrEnum):
    """What may be done next."""

    RETRY = "retry"
    """The same card by the schedule: money or the issuer may be back."""
    RETRY_SOON = "retry_soon"
    """Something technical: once more within hours, then by the schedule."""
    CUSTOMER = "customer"
    """The payer must confirm with the bank; the card itself is good."""
    NEW_CARD = "new_card"
    """This card will not do. Only another one is charged."""
    NEVER = "never"
    """Lost, stolen, or its owner said stop: the card is not tried again, and the customer is not told why."""


_STEPS = {
    NextStep.RETRY: (
        "insufficient_funds", "do_not_honor", "generic_decline", "card_declined", "call_issuer",
        "card_velocity_exceeded", "withdrawal_count_limit_exceeded", "no_action_taken", "not_permitted",
        "service_not_allowed",
        "transaction_not_allowed", "do_not_try_again_today", "declined",
    ),
    NextStep.RETRY_SOON: (
        "processing_error", "issuer_not_available", "try_again_later", "reenter_transaction", "approve_with_id",
        "rate_limit",
    ),
    NextStep.CUSTOMER: ("authentication_required", "offline_pin_required", "online_or_offline_pin_required",
                        "payment_intent_authentication_failure"),
    NextStep.NEW_CARD: (
        "expired_card", "invalid_account", "invalid_expiry_month", "invalid_expiry_year", "incorrect_number",
        "invalid_number", "incorrect_cvc", "invalid_cvc", "incorrect_zip", "card_not_supported",
        "currency_not_supported", "new_account_information_available", "invalid_amount", "testmode_decline",
        "payment_method_unexpected_state",
        "resource_missing", "provider_object_missing", "no_payment_method",
    ),
    NextStep.NEVER: (
        "stolen_card", "lost_card", "pickup_card", "restricted_card", "fraudulent", "merchant_blacklist",
        "security_violation", "stop_payment_order", "revocation_of_authorization", "revocation_of_all_authorizations",
        "do_not_try_again", "highest_risk_level",
    ),
}  # fmt: skip
_STEP_OF = {code: step for step, codes in _STEPS.items() for code in codes}
NEVER_CODES = _STEPS[NextStep.NEVER]
"""A card that was refused so is not tried again, whatever the schedule says."""
_ADVICE = {
    "do_not_try_again": NextStep.NEVER,
    "confirm_card_data": NextStep.NEW_CARD,
    "try_again_later": NextStep.RETRY,
}


def next_step(code: str | None, *, advice: str | None = None) -> NextStep:
    """By the bank's code; what the network advises goes before it. A new code is tried by the schedule."""
    step = _STEP_OF.get(code or "", NextStep.RETRY)
    if step in (NextStep.NEVER, NextStep.CUSTOMER):
        return step
    return _ADVICE.get(advice or "", step)


def shown(code: str | None) -> str | None:
    """The code as a customer may see it: of a lost or stolen card nobody is told."""
    return "generic_decline" if next_step(code) is NextStep.NEVER else code
