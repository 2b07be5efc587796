"""The audit log: asked of the API and spelled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.client import PAGE_ROWS, Client
from console.figures import Moment, moment

Json = Mapping[str, Any]

ADDRESS = "/billing/audit"
OF_ALL = "/operations/audit"
COLUMNS = {
    "When": "occurredAt",
    "Recorded": "recordedAt",
    "Action": "action",
    "Who": "actorId",
    "As": "actorKind",
    "About": "subject",
    "Reason": "reason",
    "From": "address",
    "Request": "requestId",
    "Before": "before",
    "After": "after",
    "Details": "details",
}
AREAS = [
    ("", "Everything"),
    ("customer", "Customers"),
    ("subscription", "Subscriptions"),
    ("create_invoice", "Invoices written"),
    ("finalize_invoice", "Invoices finalized"),
    ("void_invoice", "Invoices voided"),
    ("create_credit_note", "Credit notes"),
    ("purchase", "Purchases"),
    ("refund", "Refunds"),
    ("credits", "Credits granted"),
    ("plan", "Plans"),
    ("coupon", "Coupons"),
    ("tax_rate", "Rates of tax"),
    ("invoice_settings", "Settings of invoices"),
    ("notification", "Notifications"),
    ("webhook", "Webhooks"),
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("api_key", "API keys"),
    ("records", "Records removed by time"),
    ("tenant", "Entering as operator"),
]
OF_INSTALLATION = [
    ("", "Everything"),
    ("tenant", "Tenants, entered or made"),
    ("user", "Users"),
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("api_key", "API keys"),
    ("retention", "Retention set"),
    ("records", "Records removed by time"),
    ("customer", "Customers"),
]


@dataclass
class Difference:
    """A field as it was and as it became."""

    name: str = ""
    before: str = ""
    after: str = ""


@dataclass
class AuditRow:
    """Who did what."""

    audit_id: str = ""
    what: str = ""
    actor: str = ""
    about: str = ""
    reason: str = ""
    origin: str = ""
    tenant: str = ""
    at: Moment = field(default_factory=Moment)
    changes: list[Difference] = field(default_factory=list)


@dataclass
class AuditPage:
    """One page of the log."""

    rows: list[AuditRow] = field(default_factory=list)
    next_cursor: str = ""


async def log(api: Client, asked: Mapping[str, str], *, cursor: str, now: datetime) -> AuditPage:
    """One page, newest first; who is named as far as the tenant's members are known."""
    body = await api.get_own(ADDRESS, **where(asked), cursor=cursor, limit=PAGE_ROWS)
    people = {one["userId"]: one["email"] for one in (await api.get_own("/auth/members"))["data"]}
    return AuditPage([_row(one, people, now) for one in body["data"]], body["nextCursor"] or "")


async def log_of_all(api: Client, asked: Mapping[str, str], *, cursor: str, now: datetime) -> AuditPage:
    """The same of all tenants and of the installation itself."""
    body = await api.get_own(OF_ALL, **where(asked), cursor=cursor, limit=PAGE_ROWS)
    return AuditPage([_row(one, {}, now) for one in body["data"]], body["nextCursor"] or "")


def where(asked: Mapping[str, str]) -> dict[str, str]:
    """The address's filters as the API takes them."""
    return {
        "action": asked.get("action", ""),
        "subject": asked.get("search", ""),
        "actorId": asked.get("actor", ""),
        "since": f"{asked['since']}T00:00:00Z" if asked.get("since") else "",
        "until": f"{asked['until']}T23:59:59.999999Z" if asked.get("until") else "",
    }


def _row(one: Json, people: Mapping[str, str], now: datetime) -> AuditRow:
    actor = one["actorId"] or ""
    # The first digits of an id are the minute it was made in: by the last ones people are told apart.
    unnamed = f"{str(one['actorKind']).replace('_', ' ')} {'…' if actor else ''}{actor[-8:]}".strip()
    return AuditRow(
        audit_id=one["auditId"],
        what=str(one["action"]).replace(".", " ").replace("_", " ").capitalize(),
        actor=people.get(actor, unnamed),
        about=one["subject"] or "",
        reason=one["reason"] or "",
        origin=one["address"] or "",
        tenant=one["tenantId"],
        at=moment(one["occurredAt"], now),
        changes=differences(one["before"], one["after"]) or differences(None, one["details"]),
    )


def differences(before: Json | None, after: Json | None) -> list[Difference]:
    """Field by field, what is not the same."""
    names = sorted({*(before or {}), *(after or {})})
    return [
        Difference(name, _said(was), _said(now))
        for name in names
        if (was := (before or {}).get(name)) != (now := (after or {}).get(name))
    ]


def _said(value: object) -> str:
    if value is None or value == "":
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
