"""Saved means of payment: attached to a customer, detached again. docs.stripe.com/api/payment_methods"""

from typing import Any

from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.simulation import Simulation
from core.billing.payments.providers.simulator.store import Json


def attach(simulation: Simulation, method: Json, given: dict[str, Any]) -> Json:
    customer = simulation.get("customer", given["customer"], param="customer")
    if method["customer"] not in (None, customer["id"]):
        raise Refusal(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_already_attached",
            executed=True,
        )
    return save_for(simulation, method, customer["id"])


def save_for(simulation: Simulation, method: Json, customer: str) -> Json:
    """Attached, whether it was before or not."""
    if method["customer"] == customer:
        return method
    if simulation.store.read_control(f"detached {method['id']}"):
        raise Refusal(
            "This PaymentMethod was previously used or detached from a Customer and may not be used again.",
            code="payment_method_unexpected_state",
            param="payment_method",
            executed=True,
        )
    method |= {"customer": customer}
    simulation.save(method)
    simulation.emit("payment_method.attached", method)
    return method


def detach(simulation: Simulation, identifier: str) -> Json:
    method = simulation.get("payment_method", identifier)
    if method["customer"] is None:
        raise Refusal(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_not_attached",
            executed=True,
        )
    method |= {"customer": None}
    simulation.store.write_control(f"detached {identifier}", True)
    simulation.save(method)
    simulation.emit("payment_method.detached", method)
    return method
