"""Subscriptions: asked of the API and spelled, and the forms that change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console import bills, cataloguing, customers
from console.bills import Bill
from console.client import PAGE_ROWS, Client
from console.figures import Moment, minor_money, moment

Json = Mapping[str, Any]

ADDRESS = "/billing/subscriptions"
COLUMNS = {
    "Subscription": "subscriptionId",
    "Customer": "customerId",
    "Plan": "planCode",
    "State": "status",
    "Currency": "currency",
    "Fixed part, one of each": "amountMinor",
    "Interval": "interval",
    "Period begins": "currentPeriodStart",
    "Period ends": "currentPeriodEnd",
    "Since": "createdAt",
}
STANDING = ("active", "trialing", "past_due")
KINDS = {
    "created": "Subscribed",
    "activated": "Activated",
    "renewed": "Renewed",
    "changed": "Changed",
    "scheduled": "Change scheduled",
    "withdrawn": "Change withdrawn",
    "trial_ended": "Trial ended",
    "paused": "Paused",
    "resumed": "Resumed",
    "canceled": "Canceled",
    "past_due": "Payment overdue",
    "recovered": "Paid after all",
}


@dataclass
class SubscriptionRow:
    """A subscription in a list."""

    subscription_id: str = ""
    customer: str = ""
    customer_id: str = ""
    plan: str = ""
    status: str = ""
    currency: str = ""
    price: str = ""
    every: str = ""
    renews: Moment = field(default_factory=Moment)
    until: str = ""
    may_end: bool = False


@dataclass
class SubscriptionPage:
    """One page of subscriptions."""

    rows: list[SubscriptionRow] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class Taken:
    """A part of the plan as it is taken."""

    code: str = ""
    name: str = ""
    quantity: str = ""
    add_on: bool = False


@dataclass
class AddOn:
    """A part of the plan that may be taken besides."""

    code: str = ""
    name: str = ""
    price: str = ""
    taken: bool = False


@dataclass
class Happened:
    """A row of the trail."""

    what: str = ""
    at: Moment = field(default_factory=Moment)
    by: str = ""


@dataclass
class Subscription:
    """One subscription as it stands."""

    row: SubscriptionRow = field(default_factory=SubscriptionRow)
    version: int = 0
    collection: str = ""
    zone: str = ""
    period_start: Moment = field(default_factory=Moment)
    period_end: Moment = field(default_factory=Moment)
    trial_end: Moment = field(default_factory=Moment)
    cancel_at: Moment = field(default_factory=Moment)
    paused_at: Moment = field(default_factory=Moment)
    resume_at: Moment = field(default_factory=Moment)
    scheduled: str = ""
    parked: str = ""
    parts: list[Taken] = field(default_factory=list)
    coupons: list[str] = field(default_factory=list)
    trail: list[Happened] = field(default_factory=list)


@dataclass
class Foreseen:
    """An invoice that would be written, and when."""

    when: Moment = field(default_factory=Moment)
    bill: Bill = field(default_factory=Bill)


async def subscriptions(api: Client, *, cursor: str = "", now: datetime, **asked: str) -> SubscriptionPage:
    """One page, newest first; `asked` are the API's filters."""
    body = await api.get_own(ADDRESS, **asked, cursor=cursor, limit=PAGE_ROWS)
    known = await customers.names(api, body["data"])
    return SubscriptionPage(rows=[_row(one, known, now) for one in body["data"]], next_cursor=body["nextCursor"] or "")


async def subscription(api: Client, subscription_id: str, *, now: datetime) -> Subscription:
    """One of them, with its trail."""
    body = await api.get_own(f"{ADDRESS}/{subscription_id}")
    trail = await api.get_own(f"{ADDRESS}/{subscription_id}/changes", limit=50)
    return _subscription(body, trail["data"], await customers.names(api, [body]), now)


async def add_ons(api: Client, plan: str, currency: str, parts: Iterable[Taken], *, now: datetime) -> list[AddOn]:
    """What the plan offers besides, and which of it is taken."""
    taken = {part.code for part in parts}
    sold = (await cataloguing.plan(api, plan, now=now)).current
    return [
        AddOn(part.code, part.name, part.price, part.code in taken)
        for price in sold.prices
        if price.currency == currency
        for part in price.parts
        if part.add_on
    ]


async def upcoming(api: Client, subscription_id: str, *, now: datetime) -> list[Foreseen]:
    """The next invoice as things stand."""
    return _foreseen(await api.get_own(f"{ADDRESS}/{subscription_id}/upcoming-invoice"), now)


async def preview(api: Client, subscription_id: str, what: str, wanted: Json, *, now: datetime) -> list[Foreseen]:
    """What `change`, `cancel`, `pause` or `resume` would bill."""
    return _foreseen(await api.ask_own("POST", f"{ADDRESS}/{subscription_id}/{what}/preview", json=dict(wanted)), now)


async def subscribe(api: Client, wanted: Json, *, key: str) -> str:
    """A new one; its id. The same key never makes two."""
    made = await api.change("POST", ADDRESS, json=dict(wanted), headers={"idempotency-key": key})
    return str(made["subscriptionId"])


async def act(api: Client, subscription_id: str, what: str, wanted: Json, *, key: str, undo: bool = False) -> None:
    """`change`, `cancel`, `pause`, `resume` or `release`; with `undo` it is taken back."""
    address = f"{ADDRESS}/{subscription_id}/{what}"
    if undo:
        await api.change("DELETE", address)
    else:
        await api.change("POST", address, json=dict(wanted), headers={"idempotency-key": key})


def change_of(form: Mapping[str, str], parts: Iterable[Taken], offered: Iterable[AddOn] = ()) -> dict[str, Any]:
    """The form as the API takes it; quantities and add-ons that stay are left out."""
    quantities = {
        part.code: given
        for part in parts
        if part.quantity and (given := str(form.get(f"part-{part.code}") or "").strip()) not in ("", part.quantity)
    }
    change: dict[str, Any] = {"quantities": quantities, "applies": form.get("applies") or "now"}
    if plan := str(form.get("plan") or "").strip():
        change["planId"] = plan
    else:
        chosen = {add_on.code for add_on in offered if form.get(f"add-{add_on.code}")}
        if chosen != {add_on.code for add_on in offered if add_on.taken}:
            change["addOns"] = sorted(chosen)
    if change["applies"] == "now":
        change["billing"] = form.get("billing") or "next_invoice"
    return change


def _row(body: Json, known: Mapping[str, str], now: datetime) -> SubscriptionRow:
    count = body["intervalCount"]
    return SubscriptionRow(
        subscription_id=body["subscriptionId"],
        customer=known.get(body["customerId"], body["customerId"]),
        customer_id=body["customerId"],
        plan=body["planCode"],
        status=body["status"],
        currency=body["currency"],
        price=minor_money(body["amountMinor"], body["currency"]),
        every=body["interval"] if count == 1 else f"{count} {body['interval']}s",
        renews=moment(body["canceledAt"] or body["cancelAt"] or body["currentPeriodEnd"], now),
        may_end=body["status"] in STANDING and not body["cancelAt"],
        until="ended" if body["canceledAt"] else "ends" if body["cancelAt"] else "renews",
    )


def _subscription(body: Json, trail: list[Json], known: Mapping[str, str], now: datetime) -> Subscription:
    scheduled = body["scheduled"]
    return Subscription(
        row=_row(body, known, now),
        version=body["version"],
        collection="charged by itself" if body["collection"] == "automatic" else "by invoice",
        zone=body["timeZone"],
        period_start=moment(body["currentPeriodStart"], now),
        period_end=moment(body["currentPeriodEnd"], now),
        trial_end=moment(body["trialEnd"], now),
        cancel_at=moment(body["cancelAt"], now),
        paused_at=moment(body["pausedAt"], now),
        resume_at=moment(body["resumeAt"], now),
        scheduled=f"{scheduled['planCode']}, version {scheduled['version']}" if scheduled else "",
        parked=body["parkedError"] or "",
        parts=[Taken(one["code"], one["name"], one["quantity"] or "", one["addOn"]) for one in body["parts"]],
        coupons=[f"{one['name']} ({one['code']})" for one in body["coupons"]],
        trail=[
            Happened(
                KINDS.get(one["kind"], str(one["kind"]).replace("_", " ").capitalize()),
                moment(one["occurredAt"], now),
                one["actorKind"],
            )
            for one in trail
        ],
    )


def _foreseen(body: Json, now: datetime) -> list[Foreseen]:
    return [Foreseen(moment(one["billAt"], now), bills.preview(one)) for one in body["invoices"]]
