"""How long records are kept: asked of the API, set, and spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.client import Client

ADDRESS = "/billing/settings/retention"
_NAMES = {
    "messages": "Mails and SMS",
    "webhookLog": "Calls of webhooks",
    "webhookAnswers": "Answers of webhooks",
    "invitations": "Invitations",
    "providerEvents": "Events of the payment provider",
    "rememberedAnswers": "Remembered answers",
    "signIns": "Sign-ins",
    "invoices": "Invoices and credit notes",
    "ledger": "Ledger",
    "payments": "Payments",
    "usage": "Usage",
    "auditLog": "Audit log",
    "exports": "Exports of a person",
}


@dataclass
class Kept:
    """A kind of record. `field` is its name in the form, empty where a tenant has no say; `own` its own days."""

    name: str = ""
    what: str = ""
    days: str = ""
    field: str = ""
    own: str = ""
    label: str = ""


async def kept(api: Client) -> list[Kept]:
    """Those removed by time, then those that are not."""
    body = await api.get_own(ADDRESS)
    removed = [
        Kept(
            name=_NAMES.get(one["kind"], one["kind"]),
            what=one["what"],
            days=f"{one['days']:,} days",
            field=f"keep-{one['kind']}" if one["isSettable"] else "",
            own=str(one["days"]) if one["isOwn"] else "",
            label=f"{_NAMES.get(one['kind'], one['kind'])}: {one['leastDays']:,} to {one['mostDays']:,} days, "
            f"else {one['installationDays']:,}",
        )
        for one in body["kinds"]
    ]
    stays = [
        Kept(name=_NAMES.get(one["kind"], one["kind"]), what=one["why"], days="not removed")
        for one in body["untouched"]
        if one["kind"] != "exports"
    ]
    return removed + stays


async def keep(api: Client, form: Mapping[str, str]) -> None:
    """Put what the form says; an empty field is the installation's term."""
    await api.change("PUT", ADDRESS, json=wanted(form))


def wanted(form: Mapping[str, str]) -> dict[str, Any]:
    """The body of the form; what is no number goes as it is, and is refused by name."""
    given = {name.removeprefix("keep-"): text.strip() for name, text in form.items() if name.startswith("keep-")}
    return {kind: int(text) if text.isdecimal() else text for kind, text in given.items() if text}
