"""Disputes: opened by the bank (here by a card or a control), closed won or lost. docs.stripe.com/disputes"""

from typing import Any

from core.billing.payments.providers.simulator import balance, objects
from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.simulation import Simulation, merge_metadata
from core.billing.payments.providers.simulator.store import Json, child

_CLOSED = ("won", "lost", "warning_closed")
_EVIDENCE = {"winning_evidence": "won", "losing_evidence": "lost"}


def open_dispute(
    simulation: Simulation,
    charge: Json,
    *,
    status: str = "needs_response",
    reason: str = "fraudulent",
    amount: int | None = None,
) -> Json:
    """The payer objects. An inquiry (warning_...) takes no money yet."""
    if charge["disputed"]:
        raise Refusal(f"Charge {charge['id']} is disputed already.", code="charge_disputed")
    if charge["status"] != "succeeded":
        raise Refusal(f"Charge {charge['id']} has not succeeded.", param="charge")
    dispute = objects.dispute(
        charge, amount=charge["amount"] if amount is None else amount, reason=reason, status=status, now=simulation.now
    )
    if not status.startswith("warning_"):
        dispute["balance_transactions"] = [_movement(simulation, dispute, -dispute["amount"])]
    simulation.save(dispute)
    simulation.save(charge | {"disputed": True})
    simulation.emit("charge.dispute.created", dispute)
    if dispute["balance_transactions"]:
        simulation.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def close_dispute(simulation: Simulation, identifier: str, *, status: str) -> Json:
    """The bank has decided: `won` gives the money back, `lost` does not; an inquiry is closed without either."""
    dispute = simulation.get("dispute", identifier)
    if dispute["status"] in _CLOSED:
        raise Refusal("This dispute is already closed", executed=True)
    if dispute["status"].startswith("warning_"):
        status = "warning_closed"
    dispute["status"] = status
    if status == "won":
        dispute["balance_transactions"].append(_movement(simulation, dispute, dispute["amount"]))
    simulation.save(dispute)
    simulation.emit("charge.dispute.closed", dispute)
    if status == "won":
        simulation.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def update(simulation: Simulation, identifier: str, given: dict[str, Any]) -> Json:
    """Evidence decides as at Stripe's test mode: `winning_evidence` and `losing_evidence` as its uncategorized text."""
    dispute = simulation.get("dispute", identifier)
    if dispute["status"] in _CLOSED:
        raise Refusal("This dispute is already closed", executed=True)
    if "metadata" in given:
        dispute["metadata"] = merge_metadata(dispute["metadata"], given["metadata"])
    text = child(given, "evidence").get("uncategorized_text")
    if text is not None:
        dispute["evidence"]["uncategorized_text"] = text
        dispute["evidence_details"] |= {"has_evidence": True, "submission_count": 1}
        if dispute["status"] == "needs_response":
            dispute["status"] = "under_review"
    simulation.save(dispute)
    simulation.emit("charge.dispute.updated", dispute)
    decided = _EVIDENCE.get(text) if text is not None else None
    return close_dispute(simulation, identifier, status=decided) if decided else dispute


def _movement(simulation: Simulation, dispute: Json, amount: int) -> Json:
    taken = amount < 0
    return balance.move(
        simulation,
        amount=amount,
        currency=dispute["currency"],
        kind="adjustment",
        source=dispute["id"],
        category="dispute" if taken else "dispute_reversal",
        fee=balance.DISPUTE_FEE if taken else 0,
        description=f"Chargeback {'withdrawal' if taken else 'reversal'} for {dispute['charge']}",
    )
