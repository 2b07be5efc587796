"""A tenant's reports: asked of the API, and laid out as months beneath each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from console import customers
from console.client import PAGE_ROWS, Client
from console.figures import Moment, moment, money
from console.rows import Point

Json = Mapping[str, Any]

ADDRESS = "/billing/reports"
MONTHS = 12
REPORTS = [
    ("mrr", "Recurring"),
    ("revenue", "Revenue"),
    ("ageing", "Ageing"),
    ("credits", "Credits"),
    ("usage", "Usage"),
    ("tax", "Tax"),
]
FIGURES = {
    "opening": "Before",
    "new": "New",
    "expansion": "Expansion",
    "reactivation": "Reactivation",
    "contraction": "Contraction",
    "churn": "Churn",
    "closing": "After",
    "invoiced": "Invoiced",
    "recognized": "Revenue",
    "deferred_before": "Deferred before",
    "deferred": "Deferred",
    "credits_used": "Of credits",
    "open": "",
    "given_up": "Given up",
    "balance_before": "Before",
    "moved": "",
    "balance": "Outstanding",
    "paid": "Left of paid",
    "granted": "Left of granted",
    "owed": "Owed beyond",
    "billed": "Billed",
    "counted": "Counted",
    "events": "Events",
    "taxable": "Taxable",
    "tax": "Tax",
}
BUCKETS = ["not due", "1 to 30 days", "31 to 60 days", "61 to 90 days", "more than 90 days"]
COURSES = {
    "mrr": "Recurring revenue a month",
    "revenue": "Revenue of invoices",
    "ageing": "Owed on invoices",
    "credits": "Credits outstanding",
    "tax": "Tax",
}
CHARTED = {"mrr": "closing", "revenue": "recognized", "ageing": "open", "credits": "balance", "tax": "tax"}
TOTALS = ("closing", "recognized", "balance", "tax")
FIGURE_COLUMNS = {
    "Month": "month",
    "Currency": "currency",
    "Figure": "figure",
    "Of": "key",
    "Amount": "amount",
    "Quantity": "quantity",
    "Rows": "entries",
}
ROW_COLUMNS = {
    "Month": "month",
    "Figure": "figure",
    "Of": "key",
    "When": "at",
    "What": "what",
    "Customer": "customerId",
    "Subscription": "subscriptionId",
    "Invoice": "number",
    "Credit note": "creditNoteId",
    "Currency": "currency",
    "Amount": "amount",
    "Quantity": "quantity",
}


@dataclass
class Cell:
    """A figure of a month; `query` is the address of its rows. Empty where there is none."""

    text: str = ""
    exact: str = ""
    query: str = ""
    heading: str = ""
    total: bool = False


@dataclass
class MonthLine:
    """A month's figures, in the order of the headings."""

    month: str = ""
    cells: list[Cell] = field(default_factory=list)


@dataclass
class Sheet:
    """A report in one currency."""

    currency: str = ""
    currencies: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    lines: list[MonthLine] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    newest: str = ""
    about: str = ""


@dataclass
class Row:
    """A row that a figure is made of."""

    what: str = ""
    customer: str = ""
    customer_id: str = ""
    href: str = ""
    named: str = ""
    amount: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class Rows:
    """One page of them."""

    rows: list[Row] = field(default_factory=list)
    next_cursor: str = ""


async def sheet(api: Client, name: str, *, currency: str, now: datetime) -> Sheet:
    """The last twelve months."""
    body = await api.get_own(f"{ADDRESS}/{name}", **{"from": first_month(now)})
    return laid_out(name, body, currency=currency)


def first_month(now: datetime) -> str:
    """Of the months that are shown."""
    whole = now.year * 12 + now.month - MONTHS
    return f"{whole // 12:04}-{whole % 12 + 1:02}"


async def rows(api: Client, name: str, asked: Json, *, cursor: str, now: datetime) -> Rows:
    """What a figure is made of."""
    where = {part: asked.get(part, "") for part in ("month", "figure", "key", "currency")}
    body = await api.get_own(f"{ADDRESS}/{name}/rows", **where, cursor=cursor, limit=PAGE_ROWS)
    known = await customers.names(api, body["data"])
    return Rows([_row(one, known, now, api.tenant_id) for one in body["data"]], body["nextCursor"] or "")


def laid_out(name: str, body: Json, *, currency: str) -> Sheet:
    """Months beneath each other, the newest first, a column for each figure that occurs."""
    found: list[Json] = list(body["data"])
    currencies = sorted({one["currency"] for one in found if one["currency"]})
    chosen = currency if currency in currencies else (currencies or [""])[0]
    own = [one for one in found if one["currency"] in (chosen, "")]
    ranks = {figure: rank for rank, figure in enumerate(FIGURES)}
    places = sorted({(one["figure"], one["key"]) for one in own}, key=lambda one: (ranks[one[0]], _rank(one[1])))
    by_place = {(one["month"], one["figure"], one["key"]): one for one in own}
    charted = CHARTED.get(name, "")
    months = list(body["months"])
    points = [
        _point(month, sum(Decimal(one["amount"]) for one in own if (one["month"], one["figure"]) == (month, charted)))
        for month in months
    ]
    return Sheet(
        currency=chosen,
        currencies=currencies,
        headings=[_heading(*place) for place in places],
        lines=[
            MonthLine(month, [_cell(name, by_place.get((month, *place)), _heading(*place)) for place in places])
            for month in reversed(months)
            if any((month, *place) in by_place for place in places)
        ],
        points=points if charted and own else [],
        newest=points[-1]["shown"] if points else "",
        about=COURSES.get(name, ""),
    )


def _rank(key: str) -> tuple[int, str]:
    return (BUCKETS.index(key) if key in BUCKETS else 0, key)


def _heading(figure: str, key: str) -> str:
    return " ".join(part for part in (FIGURES[figure], key.replace("_", " ")) if part).strip().capitalize()


def _cell(name: str, one: Json | None, text: str) -> Cell:
    if one is None:
        return Cell(heading=text)
    spelled = money(one["amount"], one["currency"] or "USD")
    is_count = one["quantity"] is not None and Decimal(one["amount"]) == 0
    where = {"report": name, "month": one["month"], "figure": one["figure"], "key": one["key"]}
    where |= {"currency": one["currency"]} if one["currency"] else {}
    return Cell(
        text=_count(one["quantity"]) if is_count else spelled.short.rsplit(" ", 1)[0],
        exact=_count(one["quantity"]) if is_count else spelled.exact,
        query=urlencode({part: value for part, value in where.items() if value}),
        heading=text,
        total=one["figure"] in TOTALS,
    )


def _count(quantity: str) -> str:
    return f"{Decimal(quantity):,f}"


def _point(month: str, amount: Decimal | int) -> Point:
    at = datetime.fromisoformat(f"{month}-01")
    return {"label": f"{at:%b %y}", "value": float(amount), "shown": f"{Decimal(amount):,f}"}


def _row(one: Json, known: Mapping[str, str], now: datetime, tenant: str) -> Row:
    base = f"/tenants/{tenant}"
    href = named = ""
    if one["invoiceId"]:
        href, named = f"{base}/invoices/{one['invoiceId']}", one["number"] or "Invoice"
    elif one["subscriptionId"]:
        href, named = f"{base}/subscriptions/{one['subscriptionId']}", "Subscription"
    elif one["customerId"]:
        href, named = f"{base}/customers/{one['customerId']}", "Customer"
    is_count = one["quantity"] is not None and Decimal(one["amount"]) == 0
    customer = one["customerId"] or ""
    return Row(
        what=str(one["what"]).replace("_", " ").capitalize(),
        customer=known.get(customer, customer),
        customer_id=customer,
        href=href,
        named=named,
        amount=_count(one["quantity"]) if is_count else money(one["amount"], one["currency"] or "USD").short,
        at=moment(one["at"], now),
    )
