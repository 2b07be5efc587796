"""Lines that somebody wrote and nobody was billed for: asked of the API, and withdrawn there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.client import Client
from console.figures import Moment, minor_money, moment

Json = Mapping[str, Any]

ITEMS = "/billing/invoices/items"


@dataclass
class Written:
    """A line that waits to be billed or stands on a draft. What the run works out itself is not `by_hand`."""

    item_id: str = ""
    what: str = ""
    amount: str = ""
    at: Moment = field(default_factory=Moment)
    by_hand: bool = False


async def waiting(api: Client, customer_id: str, *, now: datetime) -> list[Written]:
    """What a customer will be billed for and is on no invoice yet."""
    return [_written(one, now) for one in await api.every_own(ITEMS, customerId=customer_id)]


async def on_draft(api: Client, invoice_id: str, currency: str, *, now: datetime) -> list[Written]:
    """What somebody wrote on a draft, which is in that currency."""
    lines = await api.every_own(f"/billing/invoices/{invoice_id}/lines")
    found = [_written({**one, "currency": currency}, now) for one in lines if one["itemId"]]
    return [one for one in found if one.by_hand]


async def withdraw(api: Client, item_id: str, *, invoice_id: str = "") -> None:
    """Take a line off a draft or, without one, back from what waits."""
    address = f"/billing/invoices/{invoice_id}/lines" if invoice_id else ITEMS
    await api.change("DELETE", f"{address}/{item_id}")


def _written(body: Json, now: datetime) -> Written:
    amount = body["amountMinor"]
    return Written(
        item_id=body["itemId"],
        what=body["description"],
        amount="" if amount is None else minor_money(amount, body["currency"]),
        at=moment(body.get("billAt"), now),
        by_hand=body["kind"] == "one_off" and not body.get("subscriptionId"),
    )
