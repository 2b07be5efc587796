"""Coupons: made, listed, taken out of use; asked of the API and spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote as quoted

from console import amounts
from console.client import Client
from console.figures import Moment, minor_money, moment
from console.planning import instant_of

Json = Mapping[str, Any]

ADDRESS = "/billing/coupons"
COLUMNS = {
    "Coupon": "code",
    "Name": "name",
    "Percent": "percent",
    "Amount": "amountMinor",
    "Currency": "currency",
    "For": "duration",
    "Periods": "periods",
    "Until": "redeemBy",
    "Redeemed": "redeemed",
    "At most": "maxRedemptions",
}


@dataclass
class CouponRow:
    """A coupon and how often it was redeemed."""

    code: str = ""
    name: str = ""
    takes: str = ""
    lasts: str = ""
    redeemed: str = ""
    until: Moment = field(default_factory=Moment)


async def coupons(api: Client, *, archived: bool, now: datetime) -> list[CouponRow]:
    """All coupons in use, or those out of use; `now` is the tenant's own time."""
    return [_coupon(one, now) for one in await api.every_own(ADDRESS, archived="true" if archived else "")]


async def create_coupon(api: Client, form: Mapping[str, str], *, key: str) -> None:
    """A new one. The same key never makes two."""
    given = {name: str(value or "").strip() for name, value in form.items()}
    wanted: dict[str, Any] = {name: given[name] for name in ("code", "name", "percent", "duration") if given.get(name)}
    for name in ("periods", "maxRedemptions"):
        if text := given.get(name):
            wanted[name] = int(text) if text.isascii() and text.isdigit() else text
    if text := given.get("amount"):
        wanted["amountMinor"], wanted["currency"] = amounts.read(text)
    if text := given.get("redeemBy"):
        wanted["redeemBy"] = instant_of(text)
    if plans := given.get("plans", "").replace(",", " ").split():
        wanted["plans"] = plans
    await api.change("POST", ADDRESS, json=wanted, headers={"idempotency-key": key})


async def archive_coupon(api: Client, code: str, *, archived: bool) -> None:
    """Out of use, or back; who redeemed it keeps it."""
    await api.change("PATCH", f"{ADDRESS}/{quoted(code, safe='')}", json={"archived": archived})


def _coupon(body: Json, now: datetime) -> CouponRow:
    limit = f" of {body['maxRedemptions']}" if body["maxRedemptions"] is not None else ""
    percent, periods = body["percent"], body["periods"]
    return CouponRow(
        code=body["code"],
        name=body["name"],
        takes=f"{percent} %" if percent is not None else minor_money(body["amountMinor"], body["currency"]),
        lasts=f"{periods} periods" if body["duration"] == "repeating" else str(body["duration"]),
        redeemed=f"{body['redeemed']}{limit}",
        until=moment(body["redeemBy"], now),
    )
