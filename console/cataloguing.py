"""What a tenant sells: plans with their versions and prices, products; asked of the API and spelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote as quoted

from console import bills
from console.client import PAGE_ROWS, Client
from console.figures import Moment, minor_money, moment
from console.planning import code_of

Json = Mapping[str, Any]

PLAN_COLUMNS = {
    "Plan": "name",
    "Code": "code",
    "Currency": "currency",
    "Fixed part": "amountMinor",
    "Interval": "interval",
    "Version": "version",
    "Of": "owner",
}
PRODUCT_COLUMNS = {
    "Product": "name",
    "Code": "code",
    "What it is": "description",
    "Tax code": "taxCode",
    "Goods": "isGoods",
    "Of": "owner",
}
GOODS, SERVICES = "goods", "services"
KINDS = {"recurring": "ahead, each period", "usage": "by usage, afterwards", "one_time": "once, at the start"}


@dataclass
class PlanRow:
    """A plan at the price in force."""

    code: str = ""
    name: str = ""
    price: str = ""
    every: str = ""
    version: int = 0
    is_own: bool = False


@dataclass
class PlanPage:
    """One page of plans."""

    rows: list[PlanRow] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class ProductRow:
    """A product."""

    code: str = ""
    name: str = ""
    description: str = ""
    taxed: str = ""
    is_own: bool = False


@dataclass
class Part:
    """A component of a price. `asks` is what a quote needs of it: quantity, transactions or nothing."""

    code: str = ""
    name: str = ""
    paid: str = ""
    price: str = ""
    details: list[str] = field(default_factory=list)
    add_on: bool = False
    asks: str = ""


@dataclass
class PlanPrice:
    """What a version costs in a currency."""

    currency: str = ""
    parts: list[Part] = field(default_factory=list)
    floors: list[str] = field(default_factory=list)


@dataclass
class Version:
    """Terms that nobody changes."""

    number: int = 0
    since: Moment = field(default_factory=Moment)
    every: str = ""
    terms: str = ""
    prices: list[PlanPrice] = field(default_factory=list)


@dataclass
class PlanSheet:
    """A plan with what is sold now, next and before."""

    code: str = ""
    name: str = ""
    description: str = ""
    is_own: bool = False
    archived: bool = False
    current: Version = field(default_factory=Version)
    scheduled: Version = field(default_factory=Version)
    history: list[Version] = field(default_factory=list)


async def plans(api: Client, *, archived: bool, cursor: str) -> PlanPage:
    """One page of plans on sale, or of those out of sale."""
    body = await api.get_own("/billing/plans", archived="true" if archived else "", cursor=cursor, limit=PAGE_ROWS)
    return PlanPage(rows=[_plan_row(one) for one in body["data"]], next_cursor=body["nextCursor"] or "")


async def every_plan(api: Client) -> list[PlanRow]:
    """All that are on sale."""
    return [_plan_row(one) for one in await api.every_own("/billing/plans")]


async def plan(api: Client, code: str, *, now: datetime) -> PlanSheet:
    """One plan and all its versions; `now` is the tenant's own time."""
    address = f"/billing/plans/{quoted(code, safe='')}"
    body, versions = await api.get_own(address), await api.get_own(f"{address}/versions", limit=50)
    return PlanSheet(
        code=body["code"],
        name=body["name"],
        description=body["description"] or "",
        is_own=body["owner"] == "tenant",
        archived=body["archivedAt"] is not None,
        current=_version(body["current"], now) if body["current"] else Version(),
        scheduled=_version(body["scheduled"], now) if body["scheduled"] else Version(),
        history=[_version(one, now) for one in versions["data"]],
    )


async def quote(api: Client, code: str, wanted: Json) -> bills.Bill:
    """What a period would cost."""
    return bills.quote(await api.ask_own("POST", f"/billing/plans/{quoted(code, safe='')}/quote", json=dict(wanted)))


async def create_plan(api: Client, wanted: Json, *, key: str) -> str:
    """A new plan; its code. The same key never makes two."""
    made = await api.change("POST", "/billing/plans", json=dict(wanted), headers={"idempotency-key": key})
    return str(made["code"])


async def newest_version(api: Client, code: str) -> tuple[str, Json | None]:
    """The plan's name, and the version that comes last, as the API says it."""
    body = await api.get_own(f"/billing/plans/{quoted(code, safe='')}")
    return body["name"], body["scheduled"] or body["current"]


async def create_version(api: Client, code: str, wanted: Json, *, key: str) -> None:
    """New terms of a plan. The same key never makes two."""
    address = f"/billing/plans/{quoted(code, safe='')}/versions"
    await api.change("POST", address, json=dict(wanted), headers={"idempotency-key": key})


async def archive_plan(api: Client, code: str, *, archived: bool) -> None:
    """Take it out of sale, or put it back."""
    await api.change("PATCH", f"/billing/plans/{quoted(code, safe='')}", json={"archived": archived})


async def create_product(api: Client, form: Mapping[str, str], *, key: str) -> None:
    """A new one; its code is made of its name where none is given. The same key never makes two."""
    given = {name: str(form.get(name) or "").strip() for name in ("code", "name", "description", "taxCode")}
    given["code"] = given["code"] or code_of(given["name"], set())
    wanted: dict[str, object] = {name: value for name, value in given.items() if value}
    if form.get("sort") == GOODS:
        wanted["isGoods"] = True
    await api.change("POST", "/billing/products", json=wanted, headers={"idempotency-key": key})


async def products(api: Client) -> list[ProductRow]:
    """All products."""
    return [
        ProductRow(
            code=one["code"],
            name=one["name"],
            description=one["description"] or "",
            taxed=f"{GOODS if one['isGoods'] else SERVICES}, {one['taxCode'] or 'standard'} rate",
            is_own=one["owner"] == "tenant",
        )
        for one in await api.every_own("/billing/products")
    ]


async def meters(api: Client) -> dict[str, str]:
    """The codes, by id, of the meters that a price by usage may name."""
    return {one["meterId"]: str(one["code"]) for one in await api.every_own("/billing/meters")}


def _plan_row(body: Json) -> PlanRow:
    return PlanRow(
        code=body["code"],
        name=body["name"],
        price=minor_money(body["amountMinor"], body["currency"]),
        every=str(body["interval"]),
        version=body["version"],
        is_own=body["owner"] == "tenant",
    )


def _version(body: Json, now: datetime) -> Version:
    count, interval = body["intervalCount"], body["interval"]
    terms = [
        "calendar periods" if body["cycle"] == "calendar" else "periods from the day of subscribing",
        "changes by the day" if body["proration"] == "day" else "changes to the second",
    ]
    if body["trialDays"]:
        terms.append(f"{body['trialDays']} days of trial")
    if body["trialUntil"]:
        terms.append(f"trial until {moment(body['trialUntil'], now).absolute}")
    if body["applies"] == "renewal":
        terms.append("taken over by subscriptions at their renewal")
    return Version(
        number=body["version"],
        since=moment(body["effectiveFrom"], now),
        every=str(interval) if count == 1 else f"{count} {interval}s",
        terms=", ".join(terms),
        prices=[_price(one) for one in body["prices"]],
    )


def _price(body: Json) -> PlanPrice:
    currency = body["currency"]
    floors = [
        f"{name}: {_decimal(body[key]['amount'])} {currency}"
        for key, name in (("minimum", "At least each period"), ("commitment", "At least all periods together"))
        if body[key]
    ]
    return PlanPrice(currency=currency, parts=[_part(one, currency) for one in body["components"]], floors=floors)


def _part(body: Json, currency: str) -> Part:
    price = body["price"]
    asks = "transactions" if price["model"] == "percentage" else "" if price["model"] == "flat" else "quantity"
    said, details = _spelled(price, currency)
    return Part(body["code"], body["name"], KINDS[body["kind"]], said, details, body["addOn"], asks)


def _spelled(price: Json, currency: str) -> tuple[str, list[str]]:
    """A price in a line, and what does not fit into it."""
    model = price["model"]
    included = Decimal(price.get("included") or 0)
    free = [f"{_decimal(price['included'])} included"] if included else []
    if model == "flat":
        return f"{_decimal(price['amount'])} {currency}", []
    if model == "per_unit":
        return f"{_decimal(price['unitPrice'])} {currency} a unit", free
    if model == "package":
        return f"{_decimal(price['packagePrice'])} {currency} for each {_decimal(price['packageSize'])} begun", free
    if model == "percentage":
        return f"{_decimal(price['rate'])} % of each transaction", _bounds(price, currency)
    how = "each unit at its tier's price" if model == "graduated" else "all units at the price of the tier reached"
    return how, [_tier(tier, currency) for tier in price["tiers"]]


def _bounds(price: Json, currency: str) -> list[str]:
    names: Iterable[tuple[str, str]] = (("fixed", "plus"), ("minimum", "at least"), ("maximum", "at most"))
    return [f"{name} {_decimal(price[key])} {currency}" for key, name in names if price.get(key) not in (None, "0")]


def _tier(tier: Json, currency: str) -> str:
    last = f"{tier['firstUnit']} to {tier['lastUnit']}" if tier["lastUnit"] else f"from {tier['firstUnit']} on"
    fee = f", once {_decimal(tier['flatFee'])}" if Decimal(tier.get("flatFee") or 0) else ""
    return f"{last}: {_decimal(tier['unitPrice'])} {currency}{fee}"


def _decimal(text: str) -> str:
    return f"{Decimal(text).normalize():,f}"
