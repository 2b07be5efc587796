"""Balance transactions and payouts: what moved on the account. docs.stripe.com/api/balance_transactions

A charge costs 2.9 % and 30 minor units, a dispute 1500; refunds give no fee back. Money is paid out when a control says
so (`POST /_simulator/payouts`), or by the API; Stripe does it each day.
"""

from typing import Any

from core.billing.payments.providers.simulator import objects
from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.simulation import Simulation
from core.billing.payments.providers.simulator.store import Json, Store

DISPUTE_FEE = 1500


def fee_of(amount: int) -> int:
    """What a charge costs, rounded half up."""
    return (amount * 29 + 500) // 1000 + 30


def move(
    simulation: Simulation,
    *,
    amount: int,
    currency: str,
    kind: str,
    source: str,
    category: str,
    fee: int = 0,
    identifier: str | None = None,
    description: str | None = None,
) -> Json:
    """Writes one movement; negative when money leaves the account."""
    details = [{"amount": fee, "application": None, "currency": currency, "description": "Fee", "type": "stripe_fee"}]
    return simulation.save(
        {
            "id": identifier or objects.new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": simulation.now,
            "balance_type": "payments",
            "created": simulation.now,
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": details if fee else [],
            "net": amount - fee,
            "reporting_category": category,
            "source": source,
            "status": "available",
            "type": kind,
        }
    )


def payout(simulation: Simulation, given: dict[str, Any]) -> Json:
    """Pays out what is available in a currency; without an amount all of it, transaction by transaction."""
    currency = given["currency"].lower()
    waiting = _waiting(simulation.store, currency)
    total = sum(found["net"] for found in waiting)
    amount = given.get("amount", total)
    if amount < 1 or amount > total:
        raise Refusal(
            "You have insufficient funds in your Stripe account for this transfer.",
            code="balance_insufficient",
            param="amount",
        )
    identifier = objects.new_id("po")
    moved = move(simulation, amount=-amount, currency=currency, kind="payout", source=identifier, category="payout")
    made: Json = {
        "id": identifier,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": simulation.now,
        "automatic": amount == total,
        "balance_transaction": moved["id"],
        "created": simulation.now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_simulator",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed" if amount == total else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "paid",
        "trace_id": None,
        "type": "bank_account",
    }
    simulation.save(made)
    if amount == total:
        for found in (*waiting, moved):
            simulation.store.write_control(f"payout {found['id']}", identifier)
    simulation.emit("payout.created", made)
    simulation.emit("payout.paid", made)
    return made


def total(simulation: Simulation) -> dict[str, int]:
    """What is on the account, by currency."""
    found: dict[str, int] = {}
    for moved in simulation.store.select("balance_transaction"):
        found[moved["currency"]] = found.get(moved["currency"], 0) + moved["net"]
    return found


def _waiting(store: Store, currency: str) -> list[Json]:
    return [
        moved
        for moved in store.select(
            "balance_transaction", where="json_extract(body, '$.currency') = ?", values=(currency,)
        )
        if moved["type"] != "payout" and store.read_control(f"payout {moved['id']}") is None
    ]
