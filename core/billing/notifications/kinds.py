"""What can be told, by template: to whom, on which channels, whether one may opt out, and with which values."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Audience = Literal["customer", "user", "invited", "payers", "builders"]
"""customer: who pays the tenant. user: the person concerned. invited: who is to become one. payers, builders: owners
of the tenant, and with them those who see to its money, or to its programs."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that a template may name, with an example; an optional one may be none."""

    sample: Any
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of message. Without a category nobody opts out: the law or the card networks want it told, or safety."""

    audience: Audience
    category: str | None = None
    sms: bool = False
    variables: dict[str, Variable]


_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_COMMON = {
    "seller": Variable("Acme Ltd"),
    "name": Variable("Ada Lovelace", optional=True),
    "zone": Variable("UTC"),
    "console": Variable("https://console.example.com"),
}
_AMOUNT = {"amount": Variable("19.99 USD")}
_PAY = {"pay": Variable("https://api.example.com/payment/pay/…/page", optional=True)}
"""Where an invoice is paid, or another card is saved, without signing in."""
_JOIN = "https://console.example.com/join?…"
"""Where an invitation is accepted, without being known before."""
_NUMBER = {"number": Variable("INV-2026-0001", optional=True)}


def _kind(audience: Audience, *parts: dict[str, Variable], category: str | None = None, sms: bool = False) -> Kind:
    variables = dict(_COMMON)
    for part in parts:
        variables |= part
    return Kind(audience=audience, category=category, sms=sms, variables=variables)


KINDS: dict[str, Kind] = {
    "receipt": _kind(
        "customer",
        _AMOUNT,
        _NUMBER,
        {"paid_at": Variable(_AT), "period_end": Variable(_AT, optional=True)},
        category="receipts",
    ),
    "payment_recovered": _kind("customer", _AMOUNT, _NUMBER, {"paid_at": Variable(_AT)}, category="receipts"),
    "payment_failed": _kind(
        "customer",
        _AMOUNT,
        _NUMBER,
        _PAY,
        {"attempt": Variable(1, optional=True), "next_attempt_at": Variable(_AT, optional=True)},
        sms=True,
    ),
    "payment_overdue": _kind("customer", _AMOUNT, _NUMBER, _PAY),
    "payment_exhausted": _kind("customer", _AMOUNT, _NUMBER, _PAY, sms=True),
    "payment_action": _kind("customer", _AMOUNT, _NUMBER, _PAY, sms=True),
    "refund": _kind("customer", _AMOUNT, category="receipts"),
    "invoice_ready": _kind("customer", _AMOUNT, _NUMBER, _PAY, {"due_at": Variable(_AT, optional=True)}),
    "credit_note": _kind(
        "customer", _AMOUNT, _NUMBER, {"invoice_number": Variable("INV-2026-0001", optional=True)}, category="receipts"
    ),
    "trial_ending": _kind(
        "customer",
        {
            "plan": Variable("starter", optional=True),
            "trial_end": Variable(_AT),
            "amount": Variable("19.99 USD", optional=True),
        },
    ),
    "subscription_canceled": _kind("customer", {"plan": Variable("starter", optional=True), "ended_at": Variable(_AT)}),
    "card_expiring": _kind("customer", {"last4": Variable("4242", optional=True)}, category="reminders"),
    "low_balance": _kind(
        "customer",
        {"balance": Variable("0.75 USD"), "threshold": Variable("1 USD", optional=True)},
        category="reminders",
        sms=True,
    ),
    "top_up_failed": _kind("customer", {"balance": Variable("0.75 USD", optional=True)}, sms=True),
    "dispute_opened": _kind("payers", _AMOUNT),
    "sign_in_method_added": _kind("user", {"method": Variable("Google"), "at": Variable(_AT)}),
    "sign_in_method_removed": _kind("user", {"method": Variable("Google"), "at": Variable(_AT)}),
    "password_changed": _kind("user", {"at": Variable(_AT)}),
    "invitation": _kind(
        "invited", {"role": Variable("finance"), "expires_at": Variable(_AT), "join": Variable(_JOIN, optional=True)}
    ),
    "api_key_created": _kind("builders", {"prefix": Variable("cbk_0123456789ab"), "at": Variable(_AT)}),
    "webhook_disabled": _kind("builders", {"endpoint": Variable("0198…"), "at": Variable(_AT)}),
}

CATEGORIES = ("receipts", "reminders")
"""What a customer may opt out of. Failed payments, ends of trials and safety are told all the same."""

VARIABLES = {template: kind.variables for template, kind in KINDS.items()}
