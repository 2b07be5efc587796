"""What late usage corrected of an invoice: asked of the API and spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.client import Client
from console.figures import Moment, count, minor_money, moment

Json = Mapping[str, Any]


@dataclass
class Correction:
    """A line as it was billed and as it should have been. `number` is of the invoice that makes it good."""

    what: str = ""
    was: str = ""
    became: str = ""
    amount: str = ""
    number: str = ""
    invoice_id: str = ""
    notes: str = ""
    at: Moment = field(default_factory=Moment)


async def corrections_of(api: Client, invoice_id: str, *, now: datetime) -> list[Correction]:
    """Oldest first."""
    body = await api.get_own(f"/billing/invoices/{invoice_id}/corrections")
    return [_correction(one, now) for one in body["data"]]


def _correction(one: Json, now: datetime) -> Correction:
    return Correction(
        what=one["description"],
        was=_known(one["before"], one["currency"]),
        became=_known(one["after"], one["currency"]),
        amount=minor_money(one["amountMinor"], one["currency"]),
        number=one["correctedOnNumber"] or ("a draft" if one["correctedOn"] else ""),
        invoice_id=one["correctedOn"] or "",
        notes=f"{count(len(one['creditNotes']))} credit notes" if one["creditNotes"] else "",
        at=moment(one["occurredAt"], now),
    )


def _known(then: Json, currency: str) -> str:
    """Of usage its quantity and events, of a floor what was owed for it."""
    if then["events"] is not None:
        return f"{then['quantity']} of {count(then['events'])} events"
    return minor_money(then["owedMinor"], currency) if then["owedMinor"] is not None else (then["quantity"] or "")
