"""A tenant's customers: their profiles, asked of the API and spelled, and the form that changes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.client import PAGE_ROWS, Client
from console.figures import Moment, moment, money

Json = Mapping[str, Any]

COLUMNS = {
    "Customer": "customerId",
    "External id": "externalId",
    "Name": "name",
    "E-mail": "email",
    "Tax id": "taxId",
    "Language": "language",
    "Time zone": "timeZone",
    "Currency": "currency",
    "Since": "createdAt",
}
NAMED = 200
FILTERS = ("sort", "search", "currency", "country", "openInvoices", "subscriptionStatus")
ADDRESS = ("line1", "line2", "postalCode", "city", "region", "country")
PLAIN = ("name", "email", "phone", "taxId", "taxTreatment", "taxExemptReason", "language", "timeZone", "currency")


@dataclass
class CustomerRow:
    """A customer in a list."""

    customer_id: str = ""
    name: str = ""
    external_id: str = ""
    email: str = ""
    country: str = ""
    since: Moment = field(default_factory=Moment)
    is_self: bool = False


@dataclass
class CustomerPage:
    """One page of customers."""

    rows: list[CustomerRow] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class Profile:
    """All that is known of a customer; `fields` is what its form begins with."""

    customer_id: str = ""
    title: str = ""
    external_id: str = ""
    is_self: bool = False
    fields: dict[str, str] = field(default_factory=dict)
    changed: Moment = field(default_factory=Moment)


async def customers(api: Client, *, cursor: str, now: datetime, **asked: str) -> CustomerPage:
    """One page, newest first, of those to whom all of FILTERS applies that is `asked`."""
    body = await api.get_own("/billing/customers", **asked, cursor=cursor, limit=PAGE_ROWS)
    return CustomerPage(rows=[_row(one, now) for one in body["data"]], next_cursor=body["nextCursor"] or "")


async def customer(api: Client, customer_id: str, *, now: datetime) -> Profile:
    """One of them."""
    return _profile(await api.get_own(f"/billing/customers/{customer_id}"), now)


async def wallet(api: Client, customer_id: str) -> str:
    """What it has of credits, where it has any."""
    body = await api.get_own(f"/billing/wallets/{customer_id}")
    held = money(body["balance"], body["currency"])
    return held.brief if held.sign else ""


async def names(api: Client, entries: Iterable[Json]) -> dict[str, str]:
    """What the customers of these rows are called, by id."""
    wanted = sorted({one["customerId"] for one in entries if one.get("customerId")})
    if not wanted:
        return {}
    body = await api.get_own("/billing/customers", customerId=wanted[:NAMED], limit=NAMED)
    return {one["customerId"]: _title(one) for one in body["data"]}


async def choices(api: Client, *, chosen: str) -> list[tuple[str, str]]:
    """The newest customers and the one that is chosen already, as (id, name)."""
    body = await api.get_own("/billing/customers", limit=NAMED)
    newest = {one["customerId"]: _title(one) for one in body["data"]}
    if chosen and chosen not in newest:
        newest = {**await names(api, [{"customerId": chosen}]), **newest}
    return list(newest.items())


async def change_customer(api: Client, customer_id: str, form: Mapping[str, str]) -> None:
    """What the form says; what is empty is emptied."""
    await api.change("PATCH", f"/billing/customers/{customer_id}", json=change_of(form))


async def create_customer(api: Client, form: Mapping[str, str], *, key: str) -> str:
    """A new one; its id. The same key never makes two."""
    wanted = {name: value for name, value in change_of(form).items() if value is not None}
    if external_id := str(form.get("externalId") or "").strip():
        wanted["externalId"] = external_id
    made = await api.change("POST", "/billing/customers", json=wanted, headers={"idempotency-key": key})
    return str(made["customerId"])


def change_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as the API takes it: an address is whole or none."""
    given = {name: str(value or "").strip() for name, value in form.items()}
    change: dict[str, Any] = {name: given[name] or None for name in PLAIN if name in given}
    address = {name: given[name] for name in ADDRESS if given.get(name)}
    if any(name in given for name in ADDRESS):
        change["address"] = address or None
    # These two have a value always: an empty field leaves them.
    return {name: value for name, value in change.items() if value or name not in ("timeZone", "taxTreatment")}


def _row(body: Json, now: datetime) -> CustomerRow:
    return CustomerRow(
        customer_id=body["customerId"],
        name=_title(body),
        external_id=body["externalId"],
        email=body["email"] or "",
        country=(body["address"] or {}).get("country", ""),
        since=moment(body["createdAt"], now),
        is_self=body["isSelf"],
    )


def _profile(body: Json, now: datetime) -> Profile:
    address: Json = body["address"] or {}
    fields = {name: body[name] or "" for name in PLAIN} | {name: address.get(name) or "" for name in ADDRESS}
    return Profile(
        customer_id=body["customerId"],
        title=_title(body),
        external_id=body["externalId"],
        is_self=body["isSelf"],
        fields=fields,
        changed=moment(body["changedAt"], now),
    )


def _title(body: Json) -> str:
    return str(body["name"] or ("The tenant itself" if body["isSelf"] else body["externalId"]))
