"""Stripe's test cards: what each is called, looks like and does. Source: docs.stripe.com/testing."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Outcome(StrEnum):
    """What happens when the card is charged."""

    PAYS = "pays"
    DECLINES = "declines"
    NEEDS_ACTION = "needs_action"


@dataclass(frozen=True, kw_only=True)
class Card:
    """A test card. `code` and `decline_code` are of its refusal; `dispute` is the status a dispute begins with."""

    name: str
    last4: str
    brand: str = "visa"
    country: str = "US"
    outcome: Outcome = Outcome.PAYS
    code: str | None = None
    decline_code: str | None = None
    message: str = ""
    dispute: str | None = None
    dispute_reason: str = "fraudulent"
    refund_fails: bool = False
    declines_charges_only: bool = False
    """Saving it succeeds."""
    exp_month: int = 12
    exp_year: int = 2034


_DECLINED = "Your card was declined."


def _declined(name: str, last4: str, decline_code: str, message: str = _DECLINED) -> Card:
    return Card(
        name=name,
        last4=last4,
        outcome=Outcome.DECLINES,
        code="card_declined",
        decline_code=decline_code,
        message=message,
    )


def _refused(name: str, last4: str, code: str, message: str) -> Card:
    return Card(name=name, last4=last4, outcome=Outcome.DECLINES, code=code, decline_code=code, message=message)


DECLINES = "declines:"
"""Begins the name of a card that declines with the code behind it; only a control of the simulator gives one."""


def card_named(name: str | None) -> Card | None:
    """A test card, or one that a control made to decline with a code of its choice (`declines:do_not_honor`)."""
    if name is not None and name.startswith(DECLINES):
        code = name.removeprefix(DECLINES)
        if code in ("expired_card", "processing_error", "incorrect_cvc"):
            return _refused(name, "0002", code, _DECLINED)
        return replace(_declined(name, "0002", code), declines_charges_only=True)
    return CARDS.get(name or "")


CARDS = {
    card.name: card
    for card in (
        Card(name="pm_card_visa", last4="4242"),
        Card(name="pm_card_visa_debit", last4="5556"),
        Card(name="pm_card_mastercard", last4="4444", brand="mastercard"),
        Card(name="pm_card_mastercard_debit", last4="3222", brand="mastercard"),
        Card(name="pm_card_amex", last4="8431", brand="amex"),
        Card(name="pm_card_de", last4="0016", country="DE"),
        Card(name="pm_card_gb", last4="0002", country="GB"),
        _declined("pm_card_chargeDeclined", "0002", "generic_decline"),
        _declined("pm_card_visa_chargeDeclined", "0002", "generic_decline"),
        _declined(
            "pm_card_chargeDeclinedInsufficientFunds", "9995", "insufficient_funds", "Your card has insufficient funds."
        ),
        _declined(
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            "9995",
            "insufficient_funds",
            "Your card has insufficient funds.",
        ),
        _declined("pm_card_visa_chargeDeclinedLostCard", "9987", "lost_card"),
        _declined("pm_card_visa_chargeDeclinedStolenCard", "9979", "stolen_card"),
        _declined("pm_card_visa_chargeDeclinedFraudulent", "0019", "fraudulent"),
        _declined("pm_card_chargeDeclinedFraudulent", "0019", "fraudulent"),
        # Attaching this card succeeds, charging it later fails: dunning is tried with it.
        replace(_declined("pm_card_chargeCustomerFail", "0341", "generic_decline"), declines_charges_only=True),
        _declined("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "6975", "card_velocity_exceeded"),
        _refused("pm_card_chargeDeclinedExpiredCard", "0069", "expired_card", "Your card has expired."),
        _refused(
            "pm_card_chargeDeclinedIncorrectCvc", "0127", "incorrect_cvc", "Your card's security code is incorrect."
        ),
        _refused(
            "pm_card_chargeDeclinedProcessingError",
            "0119",
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
        Card(name="pm_card_authenticationRequired", last4="3184", outcome=Outcome.NEEDS_ACTION),
        Card(name="pm_card_threeDSecure2Required", last4="3220", outcome=Outcome.NEEDS_ACTION),
        Card(name="pm_card_createDispute", last4="0259", dispute="needs_response"),
        Card(
            name="pm_card_createDisputeProductNotReceived",
            last4="2685",
            dispute="needs_response",
            dispute_reason="product_not_received",
        ),
        Card(name="pm_card_createDisputeInquiry", last4="1976", dispute="warning_needs_response"),
        Card(name="pm_card_refundFail", last4="5126", refund_fails=True),
    )
}


@dataclass(frozen=True)
class DemoCard:
    """A card on the Checkout page: Stripe's name, its number, what it does, and how that is coloured."""

    name: str
    number: str
    does: str
    tone: str


CHECKOUT_CARDS = {
    "pay": DemoCard("pm_card_visa", "Visa •••• 4242", "Pays", "good"),
    "act": DemoCard("pm_card_authenticationRequired", "Visa •••• 3184", "Asks bank", "careful"),
    "decline": DemoCard("pm_card_chargeDeclined", "Visa •••• 0002", "Declines", "bad"),
    "poor": DemoCard("pm_card_chargeDeclinedInsufficientFunds", "Visa •••• 9995", "No funds", "bad"),
}
