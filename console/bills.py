"""What is to pay, line by line with its arithmetic: of a quote, a preview, an invoice or a credit note."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from console.figures import minor_money, parse_instant

Json = Mapping[str, Any]

SMALL = 10_000
KINDS = {"unused": "unused, back", "remaining": "the rest of the period", "correction": "correction of"}
ROUNDINGS = {
    "half_up": "to the nearest, halves away from zero",
    "half_even": "to the nearest, halves to the even one",
    "half_down": "to the nearest, halves towards zero",
    "up": "away from zero",
    "down": "towards zero",
}


@dataclass
class Step:
    """One row of a line's arithmetic."""

    text: str = ""
    amount: str = ""


@dataclass
class BillLine:
    """A line; `steps` come to `exact`, of which the line takes a `part`, rounded once."""

    code: str = ""
    line_id: str = ""
    name: str = ""
    about: str = ""
    amount: str = ""
    exact: str = ""
    part: str = ""
    rounded: str = ""
    steps: list[Step] = field(default_factory=list)


@dataclass
class Sum:
    """A named amount beneath the lines."""

    name: str = ""
    amount: str = ""


@dataclass
class Bill:
    """Lines, what is taken off and added, and what is to pay."""

    lines: list[BillLine] = field(default_factory=list)
    sums: list[Sum] = field(default_factory=list)
    total: Sum = field(default_factory=Sum)


def quote(body: Json) -> Bill:
    """`POST /billing/plans/{plan}/quote`."""
    currency = body["currency"]
    discounts = [
        Sum(f"Coupon {one['coupon']}", minor_money(-one["amountMinor"], currency)) for one in body["discounts"]
    ]
    before = [Sum("Together", minor_money(body["subtotalMinor"], currency))] if discounts else []
    return Bill(
        lines=[line(one, currency) for one in body["lines"]],
        sums=[*before, *discounts],
        total=Sum("To pay, before tax and credits", minor_money(body["totalMinor"], currency)),
    )


def preview(body: Json) -> Bill:
    """An invoice that was not written."""
    return invoice(body, body["lines"], to_pay="To pay")


def invoice(body: Json, lines: Iterable[Json], *, to_pay: str = "Total") -> Bill:
    """An invoice with its lines."""
    currency = body["currency"]

    def spelled(amount_minor: int) -> str:
        return minor_money(amount_minor, currency)

    before = [Sum("Together", spelled(body["subtotalMinor"]))]
    discounts = [Sum("Coupons", spelled(-body["discountMinor"]))] if body["discountMinor"] else []
    taxes = [
        Sum(
            f"Tax {_plain(one['rate'])} % of {spelled(one['taxableMinor'])}"
            + (f", {str(one['reason']).replace('_', ' ')}" if one["reason"] else ""),
            spelled(one["taxMinor"]),
        )
        for one in body["taxes"]
    ]
    return Bill(
        lines=[line({**one, "name": one["description"]}, currency, about=_about(one)) for one in lines],
        sums=[*before, *discounts, *taxes],
        total=Sum(to_pay, spelled(body["totalMinor"])),
    )


def _about(line: Json) -> str:
    kind = KINDS.get(line["kind"], "")
    if not line["periodStart"] or not line["periodEnd"]:
        return kind
    start, end = parse_instant(line["periodStart"]), parse_instant(line["periodEnd"])
    return ", ".join(filter(None, (kind, f"{start.day} {start:%b %Y} to {end.day} {end:%b %Y}")))


def line(body: Json, currency: str, *, about: str = "") -> BillLine:
    """A line that carries its arithmetic."""
    arithmetic: Json = body.get("arithmetic") or {}
    part = Fraction(arithmetic.get("part", "1"))
    return BillLine(
        code=body["code"],
        line_id=body.get("lineId") or "",
        name=body["name"],
        about=about,
        amount=minor_money(body["amountMinor"], currency),
        exact=f"{_plain(arithmetic['sum'])} {currency}" if "sum" in arithmetic else "",
        part="" if part == 1 else _part(part),
        rounded=ROUNDINGS.get(arithmetic.get("rounding", ""), ""),
        steps=[Step(_step(row), _plain(row["amount"])) for row in arithmetic.get("rows", ())],
    )


def _step(row: Json) -> str:
    quantity, price = _plain(row["quantity"]), _plain(row["unitPrice"])
    tier = f"tier {row['tier']}: " if row.get("tier") else ""
    words = {
        "flat": f"{quantity} × {price}",
        "unit": f"{quantity} units × {price}",
        "included": f"{quantity} included",
        "package": f"{quantity} packages × {price}",
        "tier": f"{quantity} × {price}",
        "tier_fee": f"fee of {price}",
        "percentage": f"{quantity} × {_plain(str(Decimal(row['unitPrice']) * 100))} %",
        "fixed": f"{quantity} transactions × {price}",
        "least": f"{quantity} lifted to {price}",
        "most": f"{quantity} held at {price}",
        "true_up": "what is missing to the minimum",
    }
    return tier + words.get(row["kind"], f"{quantity} × {price}")


def _part(part: Fraction) -> str:
    sign = "−" if part < 0 else ""
    size = abs(part)
    share = f"{size.numerator}/{size.denominator}" if size.denominator < SMALL else f"{float(size):.6%}"
    return sign + share


def _plain(decimal: str) -> str:
    return f"{Decimal(decimal).normalize():,f}".replace("-", "−")
