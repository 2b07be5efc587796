"""Refunds of charges: never more than was paid and is left. docs.stripe.com/api/refunds"""

from typing import Any

from core.billing.payments.providers.simulator import balance, objects, payments
from core.billing.payments.providers.simulator.amounts import show
from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.parameters import one_of
from core.billing.payments.providers.simulator.simulation import Simulation, merge_metadata
from core.billing.payments.providers.simulator.store import Json


def create(simulation: Simulation, given: dict[str, Any]) -> Json:
    one_of(given.get("reason"), ("duplicate", "fraudulent", "requested_by_customer"), "reason")
    charge = find_charge(simulation, given)
    amount = _amount(charge, given.get("amount"))
    refund = objects.refund(charge, amount=amount, now=simulation.time_of(charge["customer"]))
    refund |= {"reason": given.get("reason"), "metadata": merge_metadata({}, given.get("metadata") or {})}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    simulation.save(refund)
    simulation.save(charge)
    balance.move(
        simulation,
        amount=-amount,
        currency=refund["currency"],
        kind="refund",
        source=refund["id"],
        category="refund",
        identifier=refund["balance_transaction"],
    )
    simulation.emit("refund.created", refund)
    simulation.emit("charge.refunded", charge)
    _move_on(simulation, refund, charge)
    return refund


def update(simulation: Simulation, identifier: str, given: dict[str, Any]) -> Json:
    refund = simulation.get("refund", identifier)
    if "metadata" in given:
        refund["metadata"] = merge_metadata(refund["metadata"], given["metadata"])
    simulation.save(refund)
    simulation.emit("refund.updated", refund)
    return refund


def find_charge(simulation: Simulation, given: dict[str, Any]) -> Json:
    """The charge that `charge` names, or the paid one of `payment_intent`."""
    if ("charge" in given) == ("payment_intent" in given):
        raise Refusal(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
            param="payment_intent",
        )
    if "charge" in given:
        charge = simulation.get("charge", given["charge"], param="charge")
    else:
        intent = simulation.get("payment_intent", given["payment_intent"], param="payment_intent")
        if intent["status"] != "succeeded":
            raise Refusal(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                param="payment_intent",
                executed=True,
            )
        charge = simulation.get("charge", intent["latest_charge"])
    return charge


def _amount(charge: Json, asked: int | None) -> int:
    if charge["status"] != "succeeded":
        raise Refusal(f"Charge {charge['id']} has not succeeded.", param="charge", executed=True)
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise Refusal(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", executed=True
        )
    if charge["disputed"]:
        raise Refusal(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
            executed=True,
        )
    amount = left if asked is None else asked
    if amount < 1:
        raise Refusal("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        what = "charge amount" if left == charge["amount"] else "unrefunded amount on charge"
        currency = charge["currency"]
        raise Refusal(
            f"Refund amount ({show(amount, currency)}) is greater than {what} ({show(left, currency)})",
            param="amount",
            executed=True,
        )
    return amount


def _move_on(simulation: Simulation, refund: Json, charge: Json) -> None:
    """What the bank answers: a reference, or, with the card made for it, that the money came back."""
    if not payments.card_of(simulation, charge["payment_method"]).refund_fails:
        card = {"type": "refund", "reference": objects.random_text(20), "reference_status": "available"}
        told = refund | {"destination_details": {"type": "card", "card": card}}
        simulation.save(told)
        simulation.emit("refund.updated", told)
        return
    failed = refund | {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    back = balance.move(
        simulation,
        amount=refund["amount"],
        currency=refund["currency"],
        kind="refund_failure",
        source=refund["id"],
        category="refund_failure",
    )
    failed["failure_balance_transaction"] = back["id"]
    simulation.save(failed)
    simulation.save(charge | {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False})
    simulation.emit("refund.updated", failed)
    simulation.emit("refund.failed", failed)
