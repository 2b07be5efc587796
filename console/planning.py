"""The form of a plan: how a version fills it, and what it says as the API takes it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Form = Mapping[str, str]
Json = Mapping[str, Any]

NEEDED = {
    "flat": ("amount",),
    "per_unit": ("unitPrice",),
    "package": ("packagePrice", "packageSize"),
    "percentage": ("rate",),
}
OPTIONAL = {"per_unit": ("included",), "package": ("included",), "percentage": ("fixed", "minimum", "maximum")}
MONEY = ("amount", "unitPrice", "packagePrice", "flatFee", "fixed", "minimum", "maximum")
"""What is said once for each currency; all else of a part is the same in all of them."""
FLOORS = ("minimum", "commitment")
NOTHING = (None, "0")


@dataclass
class Draft:
    """The form of a part; `number` keeps its fields apart from those of the others, `tiers` are its tiers' numbers,
    `entered` what stands in its fields at first."""

    number: int = 1
    model: str = "flat"
    kind: str = "recurring"
    tiers: list[int] = field(default_factory=lambda: [1, 2])
    entered: dict[str, str] = field(default_factory=dict)
    add_on: bool = False


@dataclass
class Filled:
    """A version in the form. `kept` is what the form has no field for and goes on as it was."""

    currencies: list[str]
    parts: list[Draft]
    given: dict[str, str]
    kept: dict[str, str]


def currencies_of(text: str) -> list[str]:
    """`usd, EUR` as codes, each once."""
    return list(dict.fromkeys(re.findall(r"[^\s,;]+", text.upper())))


def plan_of(form: Form, parts: Iterable[Draft], currencies: Sequence[str]) -> dict[str, Any]:
    """A new plan. What is missing or is no number is left for the API to name."""
    name = _given(form, "name")
    code = _given(form, "code") or code_of(name, set())
    product = _given(form, "product")
    of = {"product": product} if product else {}
    return {"code": code, "name": name, **of, **terms_of(form, parts, currencies)}


def version_of(form: Form, parts: Iterable[Draft], currencies: Sequence[str]) -> dict[str, Any]:
    """New terms of a plan, from now where no instant is said."""
    begins = instant_of(_given(form, "effectiveFrom"))
    return {
        **terms_of(form, parts, currencies),
        "applies": _given(form, "applies") or "new",
        **({"effectiveFrom": begins} if begins else {}),
    }


def terms_of(form: Form, parts: Iterable[Draft], currencies: Sequence[str]) -> dict[str, Any]:
    """How it is billed, and its price in each currency."""
    drafts = list(parts)
    terms: dict[str, Any] = {
        "interval": _given(form, "interval") or "month",
        "cycle": _given(form, "cycle") or "anniversary",
        "prices": [_price(form, drafts, currency) for currency in currencies],
    }
    for name in ("intervalCount", "trialDays"):
        if number := _given(form, name):
            terms[name] = _whole(number)
    if proration := _given(form, "proration"):
        terms["proration"] = proration
    if until := instant_of(_given(form, "trialUntil")):
        terms["trialUntil"] = until
    return terms


def filled_by(version: Json, meters: Mapping[str, str]) -> Filled | None:
    """A version in the form, `meters` by id; None where its currencies differ in more than amounts."""
    prices = version["prices"]
    filled = Filled([one["currency"] for one in prices], [], {}, {})
    for number, component in enumerate(prices[0]["components"] if prices else [], start=1):
        twins = [_twin(one["components"], component) for one in prices]
        if any(twin is None for twin in twins):
            return None
        filled.parts.append(_draft(number, component, dict(zip(filled.currencies, twins, strict=True)), meters))
        filled.kept |= {f"p{number}-code": component["code"], f"p{number}-rounding": component["price"]["rounding"]}
    if any(len(one["components"]) != len(filled.parts) for one in prices):
        return None
    for name in ("interval", "intervalCount", "cycle", "proration", "trialDays", "trialUntil"):
        filled.given[name] = str(version[name] or "").removesuffix("Z")[:19]
    for price in prices:
        for floor in FLOORS:
            if found := price[floor]:
                filled.given[f"{floor}-{price['currency']}"] = _plain(found["amount"])
                filled.kept[f"{floor}-rounding-{price['currency']}"] = found["rounding"]
                if floor == "commitment":
                    filled.given["commitmentPeriods"] = str(found["periods"])
    return filled


def code_of(name: str, taken: set[str]) -> str:
    """A code made of a name, another one than those taken."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "part"
    code, number = base, 2
    while code in taken:
        code, number = f"{base[:57]}-{number}", number + 1
    return code


def instant_of(text: str) -> str:
    """A browser's date and time, which is UTC here."""
    return f"{text}:00Z" if re.fullmatch(r"\d{4,}-\d\d-\d\dT\d\d:\d\d", text) else f"{text}Z" if "T" in text else text


def _price(form: Form, drafts: Sequence[Draft], currency: str) -> dict[str, Any]:
    taken = {code for draft in drafts if (code := _given(form, f"p{draft.number}-code"))}
    price: dict[str, Any] = {
        "currency": currency,
        "components": [_component(form, draft, currency, taken=taken) for draft in drafts],
    }
    for floor in FLOORS:
        if amount := _given(form, f"{floor}-{currency}"):
            price[floor] = {"model": floor, "amount": amount, **_rounding(form, f"{floor}-rounding-{currency}")}
    if "commitment" in price:
        price["commitment"]["periods"] = _whole(_given(form, "commitmentPeriods") or "12")
    return price


def _component(form: Form, draft: Draft, currency: str, *, taken: set[str]) -> dict[str, Any]:
    prefix = f"p{draft.number}"
    name = _given(form, f"{prefix}-name")
    code = _given(form, f"{prefix}-code") or code_of(name, taken)
    taken.add(code)

    def said(field: str) -> str:
        return _given(form, f"{prefix}-{field}-{currency}" if field in MONEY else f"{prefix}-{field}")

    price: dict[str, Any] = {"model": draft.model, **_rounding(form, f"{prefix}-rounding")}
    if draft.model in NEEDED:
        price |= {field: said(field) for field in NEEDED[draft.model]}
        price |= {field: value for field in OPTIONAL.get(draft.model, ()) if (value := said(field))}
    else:
        price["tiers"] = _tiers(form, prefix, draft.tiers, currency)
    component: dict[str, Any] = {"code": code, "name": name, "kind": draft.kind, "price": price}
    if form.get(f"{prefix}-addOn"):
        component["addOn"] = True
    if draft.kind == "usage":
        component["meter"] = _given(form, f"{prefix}-meter")
    return component


def _tiers(form: Form, prefix: str, numbers: Sequence[int], currency: str) -> list[dict[str, Any]]:
    """Those that have a price, each from where the one before it ended."""
    tiers: list[dict[str, Any]] = []
    first = 1
    for number in numbers:
        each = f"{prefix}-t{number}"
        price, last = _given(form, f"{each}-unitPrice-{currency}"), _given(form, f"{each}-last")
        if not price and not last:
            continue
        ends = _whole(last) if last else None
        tier: dict[str, Any] = {"firstUnit": first, "lastUnit": ends, "unitPrice": price}
        if fee := _given(form, f"{each}-flatFee-{currency}"):
            tier["flatFee"] = fee
        tiers.append(tier)
        first = ends + 1 if isinstance(ends, int) else first
    return tiers


def _draft(number: int, component: Json, twins: Mapping[str, Json], meters: Mapping[str, str]) -> Draft:
    price = component["price"]
    entered = {"name": component["name"], "meter": meters.get(component["meterId"] or "", "")}
    entered |= {key: _plain(price[key]) for key in ("included", "packageSize", "rate") if price.get(key) not in NOTHING}
    entered |= {f"t{place}-last": str(tier["lastUnit"] or "") for place, tier in enumerate(price.get("tiers", ()), 1)}
    for currency, twin in twins.items():
        own = twin["price"]
        entered |= {f"{key}-{currency}": _plain(own[key]) for key in MONEY if own.get(key) is not None}
        for place, tier in enumerate(own.get("tiers", ()), 1):
            entered[f"t{place}-unitPrice-{currency}"] = _plain(tier["unitPrice"])
            if tier.get("flatFee") not in NOTHING:
                entered[f"t{place}-flatFee-{currency}"] = _plain(tier["flatFee"])
    tiers = list(range(1, len(price.get("tiers", (1, 2))) + 1))
    return Draft(number, price["model"], component["kind"], tiers, entered, component["addOn"])


def _twin(components: Iterable[Json], like: Json) -> Json | None:
    """The part of another currency that is the same but for its amounts."""
    return next((one for one in components if one["code"] == like["code"] and _shape(one) == _shape(like)), None)


def _shape(component: Json) -> tuple[Any, ...]:
    price = component["price"]
    shared = [price.get(key) for key in ("model", "rounding", "included", "packageSize", "rate")]
    tiers = [(tier["firstUnit"], tier["lastUnit"]) for tier in price.get("tiers", ())]
    return (*(component[key] for key in ("name", "kind", "addOn", "meterId")), shared, tiers)


def _rounding(form: Form, name: str) -> dict[str, str]:
    kept = _given(form, name)
    return {"rounding": kept} if kept else {}


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _plain(decimal: str) -> str:
    """Without the zeros behind that say nothing."""
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal


def _given(form: Form, name: str) -> str:
    return str(form.get(name) or "").strip()
