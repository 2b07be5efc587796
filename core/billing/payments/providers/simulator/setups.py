"""SetupIntents: a card is saved for later without being charged. docs.stripe.com/payments/setupintents/lifecycle"""

from typing import Any

from core.billing.payments.providers.simulator import methods, objects, payments
from core.billing.payments.providers.simulator.cards import Card, Outcome
from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.parameters import one_of
from core.billing.payments.providers.simulator.simulation import Simulation, merge_metadata
from core.billing.payments.providers.simulator.store import Json

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(simulation: Simulation, given: dict[str, Any]) -> Json:
    one_of(given.get("usage"), ("off_session", "on_session"), "usage")
    identifier = objects.new_id("seti")
    setup: Json = {
        "id": identifier,
        "object": "setup_intent",
        "allowed_payment_method_types": given.get("allowed_payment_method_types"),
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{identifier}_secret_{objects.random_text(25)}",
        "created": simulation.now,
        "customer": None,
        "customer_account": None,
        "description": given.get("description"),
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merge_metadata({}, given.get("metadata") or {}),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"mandate_options": None, "network": None}},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": given.get("usage") or "off_session",
    }
    if "customer" in given:
        customer = simulation.get("customer", given["customer"], param="customer")
        setup |= {"customer": customer["id"], "created": simulation.time_of(customer["id"])}
    if "payment_method" in given:
        method = payments.use_card(simulation, given["payment_method"])
        setup |= {"payment_method": method["id"], "status": "requires_confirmation"}
    simulation.save(setup)
    simulation.emit("setup_intent.created", setup)
    return confirm(simulation, identifier, given) if given.get("confirm") else setup


def confirm(simulation: Simulation, identifier: str, given: dict[str, Any]) -> Json:
    """Raises Refusal 402 where the bank refuses the card; the setup then waits for another."""
    setup = simulation.get("setup_intent", identifier)
    if setup["status"] not in _OPEN:
        raise _wrong_state(f"You cannot confirm this SetupIntent because it has a status of {setup['status']}.", setup)
    if "payment_method" in given:
        setup["payment_method"] = payments.use_card(simulation, given["payment_method"])["id"]
    if setup["payment_method"] is None:
        raise _wrong_state(
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a "
            "payment method and then confirm it again.",
            setup,
        )
    card = payments.card_at(simulation, setup["payment_method"], setup["customer"])
    if card.outcome is Outcome.DECLINES and not card.declines_charges_only:
        raise _decline(simulation, setup, card)
    if card.outcome is Outcome.NEEDS_ACTION:
        return _ask_bank(simulation, setup, given.get("return_url"))
    return succeed(simulation, setup)


def succeed(simulation: Simulation, setup: Json) -> Json:
    if setup["customer"] is not None:
        method = simulation.get("payment_method", setup["payment_method"])
        methods.save_for(simulation, method, setup["customer"])
    setup |= {"status": "succeeded", "next_action": None, "last_setup_error": None}
    simulation.save(setup)
    simulation.emit("setup_intent.succeeded", setup)
    return setup


def answer_bank(simulation: Simulation, setup: Json, *, agreed: bool) -> Json:
    """The payer confirmed with the bank, or did not."""
    if agreed:
        return succeed(simulation, setup)
    message = (
        "We are unable to authenticate your payment method. Please choose a different payment method and try again."
    )
    error: Json = {"type": "invalid_request_error", "code": "setup_intent_authentication_failure", "message": message}
    return _fail(simulation, setup, error)


def cancel(simulation: Simulation, identifier: str, given: dict[str, Any]) -> Json:
    one_of(given.get("cancellation_reason"), ("abandoned", "duplicate", "requested_by_customer"), "cancellation_reason")
    setup = simulation.get("setup_intent", identifier)
    if setup["status"] not in _OPEN:
        raise _wrong_state(f"You cannot cancel this SetupIntent because it has a status of {setup['status']}.", setup)
    setup |= {"status": "canceled", "cancellation_reason": given.get("cancellation_reason"), "next_action": None}
    simulation.save(setup)
    simulation.emit("setup_intent.canceled", setup)
    return setup


def _ask_bank(simulation: Simulation, setup: Json, return_url: str | None) -> Json:
    url = f"{simulation.public_url}/bank/{setup['id']}?client_secret={setup['client_secret']}"
    if return_url is not None:
        action: Json = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
    else:
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}
    setup |= {"status": "requires_action", "next_action": action, "last_setup_error": None}
    simulation.save(setup)
    simulation.emit("setup_intent.requires_action", setup)
    return setup


def _decline(simulation: Simulation, setup: Json, card: Card) -> Refusal:
    error: Json = {
        "type": "card_error",
        "code": card.code,
        "decline_code": card.decline_code,
        "message": card.message,
        "payment_method": simulation.get("payment_method", setup["payment_method"]),
    }
    setup = _fail(simulation, setup, error)
    return Refusal(
        card.message,
        status=402,
        kind="card_error",
        code=card.code,
        executed=True,
        decline_code=card.decline_code,
        setup_intent=setup,
    )


def _fail(simulation: Simulation, setup: Json, error: Json) -> Json:
    setup |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_setup_error": error,
    }
    simulation.save(setup)
    simulation.emit("setup_intent.setup_failed", setup)
    return setup


def _wrong_state(message: str, setup: Json) -> Refusal:
    return Refusal(message, code="setup_intent_unexpected_state", executed=True, setup_intent=setup)
