"""The payment provider's account against the books: asked of the API and spelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from console.client import Client
from console.figures import Moment, count, minor_money, moment

Json = Mapping[str, Any]

ADDRESS = "/payment/reconciliation"
PATIENCE = httpx.Timeout(60.0, connect=3.0)
"""The provider is asked for every movement of these days, page after page."""
DAYS = [("7", "Last 7 days"), ("35", "Last 35 days"), ("90", "Last 90 days"), ("366", "Last 366 days")]
COLUMNS = {
    "Class": "difference",
    "Kind": "kind",
    "At the provider": "providerId",
    "Our row": "id",
    "Tenant": "tenantId",
    "Currency": "currency",
    "Provider says": "theirsMinor",
    "We say": "oursMinor",
    "About it": "detail",
    "Not ours, because": "reason",
    "Said by": "byEmail",
    "Said at": "at",
}
CLASSES = {
    "missing_here": ("not known here", "bad"),
    "missing_there": ("not known there", "bad"),
    "amount": ("other amount", "bad"),
    "currency": ("other currency", "bad"),
    "state": ("other state", "bad"),
    "ledger": ("not in the ledger", "bad"),
    "timing": ("too young to say", "warn"),
    "acknowledged": ("not ours", "good"),
}


@dataclass
class Movement:
    """A movement of money about which the provider and the books differ."""

    kind: str = ""
    provider_id: str = ""
    title: str = ""
    says: str = ""
    tone: str = ""
    theirs: str = ""
    ours: str = ""
    detail: str = ""
    row_id: str = ""
    may_acknowledge: bool = False
    reason: str = ""
    by: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class Sums:
    """What moved on the account in a currency; every part of it adds up to `moved`."""

    currency: str = ""
    charged: str = ""
    refunded: str = ""
    disputed: str = ""
    fees: str = ""
    paid_out: str = ""
    other: str = ""
    moved: str = ""
    ours: str = ""
    not_ours: str = ""
    unexplained: str = ""
    is_explained: bool = True


@dataclass
class Reconciliation:
    """What the provider says against what we say."""

    since: Moment = field(default_factory=Moment)
    compared: str = ""
    asking: int = 0
    differences: list[Movement] = field(default_factory=list)
    acknowledged: list[Movement] = field(default_factory=list)
    accounts: list[Sums] = field(default_factory=list)


async def compare(api: Client, *, days: str) -> dict[str, Any]:
    """Ask the provider now; as the API says it, since it is exported, too."""
    return await api.ask("GET", ADDRESS, params={"days": days}, timeout=PATIENCE)


async def acknowledge(api: Client, one: Movement, *, reason: str, days: str) -> None:
    """Say whose a movement is that is not ours. Raises `ApiRefused`."""
    wanted = {"kind": one.kind, "providerId": one.provider_id, "reason": reason}
    await api.ask("POST", f"{ADDRESS}/acknowledgements", params={"days": days}, json=wanted, timeout=PATIENCE)


async def take_back(api: Client, one: Movement) -> None:
    """From now on it asks for somebody again."""
    await api.ask("DELETE", f"{ADDRESS}/acknowledgements/{one.kind}/{quote(one.provider_id, safe='')}")


def reconciliation(body: Json, now: datetime) -> Reconciliation:
    """All of it; what is acknowledged stands by itself."""
    rows = [_movement(one, now) for one in body["differences"]]
    return Reconciliation(
        since=moment(body["since"], now),
        compared=count(body["compared"]),
        asking=sum(row.tone == "bad" for row in rows),
        differences=[row for row in rows if not row.at.iso],
        acknowledged=[row for row in rows if row.at.iso],
        accounts=[_sums(one) for one in body["accounts"]],
    )


def entries(body: Json) -> Iterable[dict[str, Any]]:
    """Each difference as one flat row, for a spreadsheet."""
    nothing = {"reason": None, "byEmail": None, "at": None}
    return ({**one, **(one["acknowledgement"] or nothing)} for one in body["differences"])


def _movement(one: Json, now: datetime) -> Movement:
    says, tone = CLASSES.get(one["difference"], (str(one["difference"]).replace("_", " "), "bad"))
    said = one["acknowledgement"]
    return Movement(
        kind=one["kind"],
        provider_id=one["providerId"],
        title=str(one["kind"]).capitalize(),
        says=says,
        tone=tone,
        theirs=_money(one["theirsMinor"], one["currency"]),
        ours=_money(one["oursMinor"], one["currency"]),
        detail="" if said else one["detail"],
        row_id=one["id"] or "",
        may_acknowledge=one["difference"] == "missing_here",
        reason=said["reason"] if said else "",
        by=(said["byEmail"] or said["by"] or "on the server") if said else "",
        at=moment(said["at"], now) if said else Moment(),
    )


def _money(amount_minor: int | None, currency: str) -> str:
    return "" if amount_minor is None else minor_money(amount_minor, currency)


def _sums(one: Json) -> Sums:
    def spelled(part: str) -> str:
        return minor_money(one[f"{part}Minor"], one["currency"])

    return Sums(
        currency=one["currency"],
        charged=spelled("charged"),
        refunded=spelled("refunded"),
        disputed=spelled("disputed"),
        fees=spelled("fees"),
        paid_out=spelled("paidOut"),
        other=spelled("other"),
        moved=spelled("net"),
        ours=spelled("ours"),
        not_ours=spelled("acknowledged"),
        unexplained=spelled("unexplained"),
        is_explained=one["unexplainedMinor"] == 0,
    )
