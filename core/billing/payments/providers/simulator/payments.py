"""PaymentIntents and their charges: the states of docs.stripe.com/payments/paymentintents/lifecycle."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from core.billing.payments.providers.simulator import balance, disputes, methods, objects
from core.billing.payments.providers.simulator.amounts import check_amount
from core.billing.payments.providers.simulator.cards import CARDS, Card, Outcome, card_named
from core.billing.payments.providers.simulator.errors import Refusal, missing, wrong_state
from core.billing.payments.providers.simulator.parameters import one_of
from core.billing.payments.providers.simulator.simulation import Simulation, merge_metadata
from core.billing.payments.providers.simulator.store import Json

Parameters = dict[str, Any]

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_PLAIN = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
)


def create(simulation: Simulation, given: Parameters) -> Json:
    currency = given["currency"].lower()
    check_amount(given["amount"], currency)
    one_of(given.get("capture_method"), ("automatic", "automatic_async"), "capture_method")
    one_of(given.get("confirmation_method"), ("automatic",), "confirmation_method")
    intent = objects.payment_intent(objects.new_id("pi"), amount=given["amount"], currency=currency, now=simulation.now)
    intent["metadata"] = merge_metadata({}, given.get("metadata") or {})
    intent |= {name: given[name] for name in _PLAIN if name in given}
    if "customer" in given:
        intent["customer"] = simulation.get("customer", given["customer"], param="customer")["id"]
        intent["created"] = simulation.time_of(intent["customer"])
    _choose_means(simulation, intent, given)
    if "payment_method" in given:
        intent["payment_method"] = _use_for(simulation, intent, given["payment_method"])
        intent["status"] = "requires_confirmation"
    simulation.save(intent)
    simulation.emit("payment_intent.created", intent)
    return confirm(simulation, intent["id"], given) if given.get("confirm") else intent


def update(simulation: Simulation, identifier: str, given: Parameters) -> Json:
    intent = simulation.get("payment_intent", identifier)
    changed = {name: given[name] for name in _PLAIN if name in given}
    if "amount" in given or "currency" in given or "payment_method" in given:
        if intent["status"] not in _OPEN:
            raise wrong_state(
                f"This PaymentIntent's amount could not be updated because it has a status of {intent['status']}. "
                "You may only update the amount of a PaymentIntent with one of the following statuses: "
                f"{', '.join(_OPEN)}.",
                payment_intent=intent,
            )
        amount, currency = given.get("amount", intent["amount"]), given.get("currency", intent["currency"]).lower()
        check_amount(amount, currency)
        changed |= {"amount": amount, "currency": currency}
    if "payment_method" in given:
        changed |= {
            "payment_method": _use_for(simulation, intent, given["payment_method"]),
            "status": "requires_confirmation",
            "next_action": None,
        }
    if "metadata" in given:
        changed["metadata"] = merge_metadata(intent["metadata"] if given["metadata"] else {}, given["metadata"])
    return simulation.save(intent | changed)


def confirm(simulation: Simulation, identifier: str, given: Parameters) -> Json:
    """Charges the card. Raises Refusal 402 where it is declined; the intent then waits for another."""
    intent = simulation.get("payment_intent", identifier)
    if intent["status"] not in _OPEN:
        because = (
            "it has already succeeded after being previously confirmed"
            if intent["status"] == "succeeded"
            else f"it has a status of {intent['status']}"
        )
        raise wrong_state(f"You cannot confirm this PaymentIntent because {because}.", payment_intent=intent)
    if "payment_method" in given:
        intent["payment_method"] = _use_for(simulation, intent, given["payment_method"])
    if "setup_future_usage" in given:
        intent["setup_future_usage"] = given["setup_future_usage"]
    if intent["payment_method"] is None:
        raise wrong_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
            payment_intent=intent,
        )
    automatic = intent["automatic_payment_methods"]
    if automatic and automatic["allow_redirects"] == "always" and "return_url" not in given:
        raise Refusal(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. If "
            "you don't want to accept redirect-based payment methods, set "
            "`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to "
            "`never` when creating Setup Intents and Payment Intents.",
        )
    return attempt(simulation, intent, return_url=given.get("return_url"), unattended=_unattended(given))


def cancel(simulation: Simulation, identifier: str, given: Parameters) -> Json:
    one_of(
        given.get("cancellation_reason"),
        ("duplicate", "fraudulent", "requested_by_customer", "abandoned"),
        "cancellation_reason",
    )
    intent = simulation.get("payment_intent", identifier)
    if simulation.store.select("checkout.session", where="payment_intent = ?", values=(identifier,), limit=1):
        raise Refusal("You cannot perform this action on PaymentIntents created by Checkout.", executed=True)
    if intent["status"] not in _OPEN:
        raise wrong_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            "with one of the following statuses may be canceled: requires_payment_method, requires_capture, "
            "requires_reauthorization, requires_confirmation, requires_action, processing.",
            payment_intent=intent,
        )
    return close(simulation, intent, reason=given.get("cancellation_reason"))


def close(simulation: Simulation, intent: Json, *, reason: str | None) -> Json:
    intent |= {
        "status": "canceled",
        "canceled_at": simulation.now,
        "cancellation_reason": reason,
        "next_action": None,
    }
    simulation.save(intent)
    simulation.emit("payment_intent.canceled", intent)
    return intent


def attempt(simulation: Simulation, intent: Json, *, return_url: str | None, unattended: bool) -> Json:
    """One try with the intent's card: paid, declined (Refusal 402) or waiting for the payer's bank."""
    card = card_at(simulation, intent["payment_method"], intent["customer"])
    if card.outcome is Outcome.DECLINES:
        raise _decline(simulation, intent, card)
    if card.outcome is Outcome.NEEDS_ACTION:
        if unattended:
            refused = Card(
                name=card.name,
                last4=card.last4,
                code="authentication_required",
                decline_code="authentication_required",
                message="Your card was declined. This transaction requires authentication.",
            )
            raise _decline(simulation, intent, refused)
        return _ask_bank(simulation, intent, return_url)
    return settle(simulation, intent, card)


def settle(simulation: Simulation, intent: Json, card: Card) -> Json:
    """The money is here."""
    method = simulation.get("payment_method", intent["payment_method"])
    made = objects.charge(intent, method, card, now=simulation.time_of(intent["customer"]))
    charge = simulation.save(made)
    balance.move(
        simulation,
        amount=intent["amount"],
        currency=intent["currency"],
        kind="charge",
        source=charge["id"],
        category="charge",
        fee=balance.fee_of(intent["amount"]),
        identifier=charge["balance_transaction"],
    )
    if intent["customer"] is not None and intent["setup_future_usage"]:
        methods.save_for(simulation, method, intent["customer"])
    intent |= {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "latest_charge": charge["id"],
        "last_payment_error": None,
        "next_action": None,
    }
    simulation.save(intent)
    simulation.emit("charge.succeeded", charge)
    simulation.emit("payment_intent.succeeded", intent)
    if card.dispute is not None:
        disputes.open_dispute(simulation, charge, status=card.dispute, reason=card.dispute_reason)
    return intent


def answer_bank(simulation: Simulation, intent: Json, *, agreed: bool) -> Json:
    """The payer confirmed with the bank, or did not."""
    card = card_of(simulation, intent["payment_method"])
    if agreed:
        return settle(simulation, intent, card)
    message = (
        "We are unable to authenticate your payment method. Please choose a different payment method and try again."
    )
    intent |= {
        "status": "requires_payment_method",
        "next_action": None,
        "last_payment_error": {
            "type": "invalid_request_error",
            "code": "payment_intent_authentication_failure",
            "message": message,
            "payment_method": simulation.get("payment_method", intent["payment_method"]),
        },
        "payment_method": None,
    }
    simulation.save(intent)
    simulation.emit("payment_intent.payment_failed", intent)
    return intent


def use_card(simulation: Simulation, name: str) -> Json:
    """A PaymentMethod for a test card's name (a new one each time, as at Stripe), or one made before."""
    card = CARDS.get(name)
    if card is None:
        return simulation.get("payment_method", name, param="payment_method")
    method = objects.payment_method(objects.new_id("pm"), card, now=simulation.now)
    simulation.store.write_control(f"card {method['id']}", name)
    return simulation.save(method)


def card_of(simulation: Simulation, method_id: str) -> Card:
    """Which test card a PaymentMethod is; Stripe's object does not say it."""
    card = card_named(simulation.store.read_control(f"card {method_id}"))
    if card is None:
        raise missing("PaymentMethod", method_id, param="payment_method")
    return card


def card_at(simulation: Simulation, method_id: str, customer_id: str | None) -> Card:
    """The same at the customer's time: a card that is over by then is declined as expired."""
    card = card_of(simulation, method_id)
    face = simulation.get("payment_method", method_id)["card"]
    at = datetime.fromtimestamp(simulation.time_of(customer_id), UTC)
    if (at.year, at.month) <= (face["exp_year"], face["exp_month"]):
        return card
    return replace(
        card,
        outcome=Outcome.DECLINES,
        code="expired_card",
        decline_code="expired_card",
        message="Your card has expired.",
    )


def _use_for(simulation: Simulation, intent: Json, name: str) -> str:
    """The id of a PaymentMethod for an intent: one that is saved for a customer pays for that customer only."""
    method = use_card(simulation, name)
    if method["customer"] is not None and method["customer"] != intent["customer"]:
        raise Refusal(
            "The provided PaymentMethod cannot be attached. To reuse a PaymentMethod, you must attach it to a Customer "
            "first."
            if intent["customer"] is None
            else f"The customer does not have a payment method with the ID {method['id']}.",
            param="payment_method",
            executed=True,
        )
    if simulation.store.read_control(f"detached {method['id']}"):
        raise Refusal(
            "The provided PaymentMethod was previously used or detached from a Customer and may not be used again.",
            code="payment_method_unexpected_state",
            param="payment_method",
            executed=True,
        )
    return str(method["id"])


def _unattended(given: Parameters) -> bool:
    return given.get("off_session") == "true" or given.get("error_on_requires_action") is True


def _decline(simulation: Simulation, intent: Json, card: Card) -> Refusal:
    method = simulation.get("payment_method", intent["payment_method"])
    charge = simulation.save(objects.charge(intent, method, card, now=simulation.time_of(intent["customer"])))
    error: Json = {
        "type": "card_error",
        "charge": charge["id"],
        "code": card.code,
        "decline_code": card.decline_code,
        "message": card.message,
        "payment_method": method,
    }
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "latest_charge": charge["id"],
        "last_payment_error": error,
        "next_action": None,
    }
    simulation.save(intent)
    simulation.emit("charge.failed", charge)
    simulation.emit("payment_intent.payment_failed", intent)
    return Refusal(
        card.message,
        status=402,
        kind="card_error",
        code=card.code,
        executed=True,
        charge=charge["id"],
        decline_code=card.decline_code,
        payment_intent=intent,
        payment_method=method,
    )


def _ask_bank(simulation: Simulation, intent: Json, return_url: str | None) -> Json:
    url = f"{simulation.public_url}/bank/{intent['id']}?client_secret={intent['client_secret']}"
    if return_url is not None:
        action: Json = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
    else:
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}
    intent |= {"status": "requires_action", "next_action": action, "last_payment_error": None}
    simulation.save(intent)
    simulation.emit("payment_intent.requires_action", intent)
    return intent


def _choose_means(simulation: Simulation, intent: Json, given: Parameters) -> None:
    """Which means of payment an intent takes; the simulator has cards only."""
    if "payment_method_types" in given:
        if simulation.api_version >= "2026-09-30":
            raise Refusal(
                "`payment_method_types` is no longer supported. Use dynamic payment methods, or "
                "`allowed_payment_method_types`.",
                code="payment_method_types_no_longer_supported",
                param="payment_method_types",
            )
        intent["payment_method_types"] = given["payment_method_types"]
        return
    if "allowed_payment_method_types" in given:
        if "automatic_payment_methods" in given:
            raise Refusal(
                "You may only specify one of these parameters: allowed_payment_method_types, "
                "automatic_payment_methods.",
                param="allowed_payment_method_types",
            )
        intent["allowed_payment_method_types"] = given["allowed_payment_method_types"]
        return
    automatic = given.get("automatic_payment_methods") or {"enabled": True}
    one_of(automatic.get("allow_redirects"), ("always", "never"), "automatic_payment_methods[allow_redirects]")
    intent["automatic_payment_methods"] = {"allow_redirects": "always", **automatic}
