"""The form of a new plan, as the API takes it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Form = Mapping[str, str]
OPTIONAL = {"per_unit": ("included",), "package": ("included",), "percentage": ("fixed", "minimum", "maximum")}
NEEDED = {
    "flat": ("amount",),
    "per_unit": ("unitPrice",),
    "package": ("packagePrice", "packageSize"),
    "percentage": ("rate",),
}


def plan_of(form: Form, parts: Iterable[tuple[int, str, str, Sequence[int]]], currency: str) -> dict[str, Any]:
    """`parts`: number, model, kind and tiers of each. What is missing is left for the API to name."""
    taken: set[str] = set()
    components = [_component(form, *part, taken=taken) for part in parts]
    price: dict[str, Any] = {"currency": _given(form, "currency").upper() or currency, "components": components}
    if least := _given(form, "minimum"):
        price["minimum"] = {"model": "minimum", "amount": least}
    if promised := _given(form, "commitment"):
        periods = _given(form, "commitmentPeriods") or "12"
        price["commitment"] = {
            "model": "commitment",
            "amount": promised,
            "periods": int(periods) if periods.isascii() and periods.isdigit() else periods,
        }
    name = _given(form, "name")
    plan: dict[str, Any] = {
        "code": _given(form, "code") or code_of(name, set()),
        "name": name,
        "interval": _given(form, "interval") or "month",
        "cycle": _given(form, "cycle") or "anniversary",
        "prices": [price],
    }
    if days := _given(form, "trialDays"):
        plan["trialDays"] = int(days) if days.isascii() and days.isdigit() else days
    return plan


def code_of(name: str, taken: set[str]) -> str:
    """A code made of a name, another one than those taken."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "part"
    code, number = base, 2
    while code in taken:
        code, number = f"{base[:57]}-{number}", number + 1
    return code


def _component(
    form: Form, number: int, model: str, kind: str, tiers: Sequence[int], *, taken: set[str]
) -> dict[str, Any]:
    prefix = f"p{number}"
    name = _given(form, f"{prefix}-name")
    code = code_of(name, taken)
    taken.add(code)
    price: dict[str, Any] = {"model": model}
    if model in NEEDED:
        price |= {field: _given(form, f"{prefix}-{field}") for field in NEEDED[model]}
        optional = {field: _given(form, f"{prefix}-{field}") for field in OPTIONAL.get(model, ())}
        price |= {field: value for field, value in optional.items() if value}
    else:
        price["tiers"] = _tiers(form, prefix, tiers)
    component: dict[str, Any] = {"code": code, "name": name, "kind": kind, "price": price}
    if form.get(f"{prefix}-addOn"):
        component["addOn"] = True
    if kind == "usage":
        component["meter"] = _given(form, f"{prefix}-meter")
    return component


def _tiers(form: Form, prefix: str, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Those that have a price, each from where the one before it ended."""
    tiers: list[dict[str, Any]] = []
    first = 1
    for number in numbers:
        each = f"{prefix}-t{number}"
        price, last = _given(form, f"{each}-unitPrice"), _given(form, f"{each}-last")
        if not price and not last:
            continue
        ends = int(last) if last.isascii() and last.isdigit() else last or None
        tier: dict[str, Any] = {"firstUnit": first, "lastUnit": ends, "unitPrice": price}
        if fee := _given(form, f"{each}-flatFee"):
            tier["flatFee"] = fee
        tiers.append(tier)
        first = ends + 1 if isinstance(ends, int) else first
    return tiers


def _given(form: Form, name: str) -> str:
    return str(form.get(name) or "").strip()
