"""Which facts become messages, and in which slot: of one slot a person is told once on a channel.

An invoice or a purchase has one slot for its outcome. Paid first: a receipt, and failures that are reported later are
not told. Failed first: the failure, and when the money comes after all, that it came. So nobody reads of one renewal
that it was paid and that it failed; that a subscription entered its next period is told by its payment alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Planned:
    """A message to be made of a fact."""

    template: str
    slot: str


_PLAIN = {
    "payment.refunded": "refund",
    "payment.disputed": "dispute_opened",
    "credit_note.issued": "credit_note",
    "subscription.trial_ending": "trial_ending",
    "subscription.canceled": "subscription_canceled",
    "payment_method.expiring": "card_expiring",
    "credits.low": "low_balance",
    "credits.top_up_failed": "top_up_failed",
    "payment.action_required": "payment_action",
    "security.sign_in_method_added": "sign_in_method_added",
    "security.sign_in_method_removed": "sign_in_method_removed",
    "security.password_changed": "password_changed",
    "security.api_key_created": "api_key_created",
    "invitation.created": "invitation",
    "webhook.endpoint_disabled": "webhook_disabled",
}
FAILURES = ("payment_failed", "payment_overdue", "payment_exhausted", "payment_action")
_OVERDUE = "overdue"
"""What an invoice that was sent failed by: nothing was charged."""


def plan(
    kind: str, *, subject_id: UUID, fact: str, document: Mapping[str, Any], told: Mapping[str, str]
) -> Planned | None:
    """What is told of a fact; None where nobody is. `told`: slot -> template of what the person was told before."""
    outcome = f"outcome:{subject_id}"
    match kind:
        case "invoice.paid":
            # An invoice of nothing, or one whose total went into the wallet, was paid by nobody.
            return _paid(outcome, told) if document.get("totalMinor", 1) > 0 else None
        case "payment.succeeded":
            # That of an invoice is told when the invoice is paid, which may take several payments.
            return None if document.get("invoiceId") else _paid(outcome, told)
        case "payment.failed":
            return None if document.get("invoiceId") else _failed("payment_failed", outcome, fact, told)
        case "dunning.notice":
            late = document.get("declineCode") == _OVERDUE
            return _failed("payment_overdue" if late else "payment_failed", outcome, fact, told)
        case "dunning.exhausted":
            late = document.get("declineCode") == _OVERDUE
            return _failed("payment_overdue" if late else "payment_exhausted", outcome, f"exhausted:{fact}", told)
        case "payment.action_required":
            return None if _is_paid(outcome, told) else Planned("payment_action", f"{kind}:{subject_id}:{fact}")
        case "invoice.finalized":
            sent = document.get("collection") == "send_invoice" and document.get("openMinor", 1) > 0
            return Planned("invoice_ready", f"{kind}:{subject_id}") if sent else None
        case _:
            template = _PLAIN.get(kind)
            return None if template is None else Planned(template, f"{kind}:{subject_id}:{fact}")


def overtakes(kind: str, document: Mapping[str, Any]) -> bool:
    """Whether failures of the same subject that still wait to be sent are not worth telling any more."""
    return kind == "invoice.paid" or (kind == "payment.succeeded" and not document.get("invoiceId"))


def deciding_slots(subject_id: UUID) -> tuple[str, ...]:
    """The slots that decide what may still be told of a subject."""
    return (f"outcome:{subject_id}", f"recovered:{subject_id}")


def _is_paid(outcome: str, told: Mapping[str, str]) -> bool:
    return told.get(outcome) == "receipt" or outcome.replace("outcome:", "recovered:", 1) in told


def _paid(outcome: str, told: Mapping[str, str]) -> Planned:
    before = told.get(outcome)
    if before in FAILURES:
        return Planned("payment_recovered", outcome.replace("outcome:", "recovered:", 1))
    return Planned("receipt", outcome)


def _failed(template: str, outcome: str, fact: str, told: Mapping[str, str]) -> Planned | None:
    if _is_paid(outcome, told):
        return None
    return Planned(template, f"{outcome}:{fact}" if outcome in told else outcome)
