"""The account, its balance, customers and the test cards as payment methods."""

from typing import Any

from core.billing.payments.providers.simulator import balance as movements
from core.billing.payments.providers.simulator import clocks, objects
from core.billing.payments.providers.simulator.cards import CARDS
from core.billing.payments.providers.simulator.errors import missing
from core.billing.payments.providers.simulator.simulation import Simulation, merge_metadata
from core.billing.payments.providers.simulator.store import Json


def account() -> Json:
    return {
        "id": objects.ACCOUNT_ID,
        "object": "account",
        "business_profile": {"mcc": None, "name": "CloudBill simulator", "product_description": None, "url": None},
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "simulator@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "type": "standard",
    }


def balance(simulation: Simulation) -> Json:
    """Everything that moved, fees taken off and payouts gone, by currency."""
    available = [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(movements.total(simulation).items())
    ]
    nothing = [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
    return {"object": "balance", "available": available or nothing, "livemode": False, "pending": nothing}


def create_customer(simulation: Simulation, given: dict[str, Any]) -> Json:
    created = customer(now=simulation.now)
    if "test_clock" in given:
        clock = simulation.get(clocks.KIND, given["test_clock"], param="test_clock")
        created |= {"test_clock": clock["id"], "created": clock["frozen_time"]}
    created |= {name: given[name] for name in ("description", "email", "name", "phone") if name in given}
    created["metadata"] = merge_metadata({}, given.get("metadata") or {})
    simulation.save(created)
    simulation.emit("customer.created", created)
    return created


def payment_method(simulation: Simulation, identifier: str) -> Json:
    """One that was used, or the description of a test card by its name."""
    found = simulation.store.find("payment_method", identifier)
    if found is not None:
        return found
    if identifier not in CARDS:
        raise missing("PaymentMethod", identifier)
    return objects.payment_method(identifier, CARDS[identifier], now=simulation.now)


def customer(*, now: int) -> Json:
    return {
        "id": objects.new_id("cus", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": objects.random_text(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
