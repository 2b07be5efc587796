"""The values a text is given, out of a fact's document: figures with their currency, instants, names."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.foundation.money import format_micro, minor_digits, minor_to_units


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A fact as the outbox holds it."""

    kind: str
    subject_id: UUID
    document: Mapping[str, Any]
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is told, as known at the moment of sending."""

    name: str | None
    email: str | None
    phone: str | None
    language: str
    zone: str


def values_of(
    template: str, told: Told, person: Person, *, seller: str, console: str, pay: str | None, join: str | None
) -> dict[str, Any]:
    """All variables of the template; what the document lacks is None."""
    document = told.document
    common = {"seller": seller, "name": person.name, "zone": person.zone, "console": console}
    match template:
        case "receipt":
            own = {
                **_money(document, "totalMinor", "amountMinor"),
                "number": document.get("number"),
                "paid_at": told.occurred_at,
                "period_end": _instant(document, "periodEnd"),
            }
        case "payment_recovered":
            own = {
                **_money(document, "totalMinor", "amountMinor"),
                "number": document.get("number"),
                "paid_at": told.occurred_at,
            }
        case "payment_failed":
            own = {
                **_money(document, "openMinor", "amountMinor"),
                "number": document.get("number"),
                "attempt": document.get("attempt"),
                "next_attempt_at": _instant(document, "nextAttemptAt"),
                "pay": pay,
            }
        case "payment_overdue" | "payment_exhausted" | "payment_action":
            own = {**_money(document, "openMinor", "amountMinor"), "number": document.get("number"), "pay": pay}
        case "refund" | "dispute_opened":
            own = _money(document, "amountMinor")
        case "invoice_ready":
            own = {
                **_money(document, "openMinor", "totalMinor"),
                "number": document.get("number"),
                "due_at": _instant(document, "dueAt"),
                "pay": pay,
            }
        case "credit_note":
            own = {
                **_money(document, "totalMinor", "amountMinor"),
                "number": document.get("number"),
                "invoice_number": document.get("invoiceNumber"),
            }
        case "trial_ending":
            own = {
                "plan": document.get("plan"),
                "trial_end": _instant(document, "trialEnd") or told.occurred_at,
                **_money(document, "amountMinor"),
            }
        case "subscription_canceled":
            own = {"plan": document.get("plan"), "ended_at": _instant(document, "endedAt") or told.occurred_at}
        case "card_expiring":
            own = {"last4": document.get("last4")}
        case "low_balance":
            own = {"balance": _micro(document, "availableMicro"), "threshold": _micro(document, "thresholdMicro")}
        case "top_up_failed":
            own = {"balance": _micro(document, "availableMicro")}
        case "invitation":
            own = {
                "role": str(document.get("role")).replace("_", " "),
                "expires_at": _instant(document, "expiresAt"),
                "join": join,
            }
        case "api_key_created":
            own = {"prefix": document.get("prefix"), "at": told.recorded_at}
        case "webhook_disabled":
            own = {"endpoint": str(told.subject_id), "at": told.recorded_at}
        case _:  # what concerns the safety of a user
            own = {"method": document.get("method"), "at": told.recorded_at}
    return common | own


def _money(document: Mapping[str, Any], *names: str) -> dict[str, str | None]:
    found = next((document[name] for name in names if document.get(name) is not None), None)
    currency = document.get("currency")
    if found is None or currency is None:
        return {"amount": None}
    return {"amount": f"{minor_to_units(int(found), currency):.{minor_digits(currency)}f} {currency}"}


def _micro(document: Mapping[str, Any], name: str) -> str | None:
    found = document.get(name)
    return None if found is None else f"{format_micro(int(found))} {document.get('currency') or ''}".strip()


def _instant(document: Mapping[str, Any], name: str) -> datetime | None:
    found = document.get(name)
    return None if found is None else datetime.fromisoformat(str(found))
