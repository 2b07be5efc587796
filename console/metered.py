"""Meters and what they counted, asked of the API and spelled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from console import customers
from console.client import Client
from console.figures import Moment, count, moment
from console.planning import code_of

Json = Mapping[str, Any]

CUSTOMERS_SHOWN = 100
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?")
COLUMNS = {"Customer": "customerId", "Quantity": "quantity", "Events": "events"}
AGGREGATIONS = {
    "count": "counts events",
    "sum": "sums",
    "max": "takes the largest",
    "unique": "counts different values of",
    "latest": "takes the latest",
}


@dataclass
class Meter:
    """A meter with its newest definition, in words."""

    code: str = ""
    name: str = ""
    event: str = ""
    counts: str = ""
    filters: list[str] = field(default_factory=list)
    dimensions: str = ""


@dataclass
class Counted:
    """What a meter counted of a customer this month."""

    customer_id: str = ""
    name: str = ""
    quantity: str = ""
    events: str = ""
    percent: float = 0.0


@dataclass
class Event:
    """An event as it was sent."""

    event_id: str = ""
    name: str = ""
    occurred: Moment = field(default_factory=Moment)
    customer_id: str = ""
    quantity: str = ""
    properties: str = ""
    counts: bool = True


async def meters(api: Client) -> list[Meter]:
    """All that count."""
    return [_meter(one) for one in await api.every_own("/billing/meters") if one["archivedAt"] is None]


async def create_meter(api: Client, form: Mapping[str, str], *, key: str) -> str:
    """A new one; its code. The same key never makes two."""
    given = {
        name: str(form.get(name) or "").strip() for name in ("code", "name", "eventName", "aggregation", "property")
    }
    given["code"] = given["code"] or code_of(given["name"], set())
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value}
    if dimensions := words(form.get("dimensions")):
        wanted["dimensions"] = dimensions
    if of := str(form.get("where") or "").strip():
        values = words(form.get("values"))
        operator = "exists" if not values else "equals" if len(values) == 1 else "in"
        wanted["filters"] = [{"property": of, "operator": operator, "values": [_value(one) for one in values]}]
    return str((await api.change("POST", "/billing/meters", json=wanted, headers={"idempotency-key": key}))["code"])


def words(text: str | None) -> list[str]:
    """What stands between commas."""
    return [word for one in str(text or "").split(",") if (word := one.strip())]


def _value(text: str) -> Any:
    """As events carry it: a number or a truth where it is one, and text in quotes."""
    if text in ("true", "false"):
        return text == "true"
    if NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


async def counted(api: Client, meter: str) -> list[Counted]:
    """Of each customer this month (UTC, by the tenant's time), the most first; those with nothing left out."""
    body = await api.get_own("/billing/usage/customers", meter=meter, limit=CUSTOMERS_SHOWN)
    known = await customers.names(api, body["data"])
    used = sorted((one for one in body["data"] if one["events"]), key=lambda one: -Decimal(one["quantity"]))
    most = max((Decimal(one["quantity"]) for one in used), default=Decimal(0))
    return [
        Counted(
            one["customerId"],
            known.get(one["customerId"], one["customerId"]),
            f"{Decimal(one['quantity']):,f}",
            count(one["events"]),
            float(Decimal(one["quantity"]) / most * 100) if most > 0 else 0.0,
        )
        for one in used
    ]


async def newest(api: Client, *, now: datetime) -> list[Event]:
    """The last events that arrived."""
    body = await api.get_own("/billing/usage/events", limit=25)
    return [_event(one, now) for one in body["data"]]


def _meter(body: Json) -> Meter:
    version = body["version"]
    of = version["property"]
    counts = AGGREGATIONS.get(body["aggregation"], body["aggregation"])
    return Meter(
        code=body["code"],
        name=body["name"],
        event=version["eventName"],
        counts=counts if body["aggregation"] == "count" else f"{counts} {of or 'the quantity'}",
        filters=[
            f"{one['property']} {one['operator']} {', '.join(map(str, one['values']))}" for one in version["filters"]
        ],
        dimensions=", ".join(version["dimensions"]),
    )


def _event(body: Json, now: datetime) -> Event:
    return Event(
        event_id=body["usageEventId"],
        name=body["eventName"],
        occurred=moment(body["occurredAt"], now),
        customer_id=body["customerId"],
        quantity=f"{Decimal(body['quantity']):,f}" if body["quantity"] else "",
        properties=", ".join(f"{name} {value}" for name, value in body["properties"].items()),
        counts=body["counts"],
    )
