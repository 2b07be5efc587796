"""The form of a plan: its periods and floors, and the parts of its price, each amount once a currency."""

from __future__ import annotations

from typing import Any

import reflex as rx

from console.components.form import instant_field, select_field, text_field
from console.planning import MONEY, Draft

MODELS = [
    ("flat", "Flat: the same each period"),
    ("per_unit", "Per unit"),
    ("package", "Packages begun"),
    ("graduated", "Graduated tiers: each unit at its tier's price"),
    ("volume", "Volume tiers: all units at one tier's price"),
    ("percentage", "Percentage of each transaction"),
]
KINDS = [("recurring", "Ahead, each period"), ("usage", "By usage, afterwards"), ("one_time", "Once, at the start")]
INTERVALS = [(one, one.capitalize()) for one in ("month", "year", "quarter", "week", "day")]
CYCLES = [("anniversary", "From the day of subscribing"), ("calendar", "By the calendar")]
PRORATIONS = [("second", "To the second"), ("day", "By the day")]
FIELDS = {
    "flat": [("amount", "Amount")],
    "per_unit": [("unitPrice", "Price of a unit"), ("included", "Units included")],
    "package": [
        ("packagePrice", "Price of a package"),
        ("packageSize", "Units in a package"),
        ("included", "Units included"),
    ],
    "percentage": [("rate", "Percent"), ("fixed", "Plus"), ("minimum", "At least"), ("maximum", "At most")],
}


def terms_sheet(state: Any, name: rx.Var | str, *first: rx.Component) -> rx.Component:
    """How it is billed, behind what the page asks first."""
    given = state.given
    return rx.el.section(
        rx.el.div(rx.el.h2(name), class_name="sheet-head centered"),
        rx.el.div(
            *first,
            rx.el.div(
                rx.el.label("Currencies", html_for="currencies"),
                rx.el.input(
                    id="currencies",
                    name="currencies",
                    class_name="input",
                    default_value=state.currencies.join(" "),
                    required=True,
                    auto_complete="off",
                    on_blur=state.sell_in,
                ),
                rx.el.span("One or several, such as USD EUR JPY: each amount is asked in all.", class_name="hint"),
                class_name="field",
            ),
            select_field("interval", "Each", INTERVALS, value=given["interval"]),
            text_field("intervalCount", "How many", value=given["intervalCount"], numeric=True, hint="1 when empty."),
            select_field("cycle", "Periods", CYCLES, value=given["cycle"]),
            select_field("proration", "Changes are billed", PRORATIONS, value=given["proration"]),
            text_field("trialDays", "Days of trial", value=given["trialDays"], numeric=True),
            instant_field("trialUntil", "Or a trial until (UTC)", value=given["trialUntil"]),
            class_name="sheet-body fields",
        ),
        rx.el.div(
            _each(state.currencies, "minimum", "At least each period", given, "What is missing is billed."),
            _each(state.currencies, "commitment", "At least over all periods", given, "A commitment."),
            text_field(
                "commitmentPeriods", "Over periods", value=given["commitmentPeriods"], numeric=True, hint="12 if empty."
            ),
            class_name="sheet-body fields",
        ),
        class_name="sheet",
    )  # fmt: skip


def part_sheet(part: rx.Var[Draft], state: Any) -> rx.Component:
    """A part of the price. Its state has `currencies`, `meters` and the events of the parts."""
    prefix = f"p{part.number}"
    remove = rx.el.button("Remove", class_name="button small", type="button", on_click=state.remove(part.number))
    meter = rx.fragment(
        select_field(f"{prefix}-meter", "Meter", state.meters, value=part.entered["meter"]),
        rx.cond(state.meters.length() == 0, rx.el.p("There is no meter yet.", class_name="small-print")),
    )
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Part of the price"), rx.cond(state.parts.length() > 1, remove), class_name="sheet-head centered"
        ),
        rx.el.div(
            text_field(f"{prefix}-name", "Name", required=True, value=part.entered["name"]),
            select_field(
                f"{prefix}-model",
                "Priced",
                MODELS,
                value=part.model,
                on_change=lambda model: state.set_model(part.number, model),
            ),
            rx.cond(
                part.model == "percentage",
                rx.fragment(),
                select_field(
                    f"{prefix}-kind",
                    "Paid",
                    KINDS,
                    value=part.kind,
                    on_change=lambda kind: state.set_kind(part.number, kind),
                ),
            ),
            rx.cond(part.kind == "usage", meter),
            rx.match(
                part.model,
                *((model, _fields(part, prefix, names, state)) for model, names in FIELDS.items()),
                _tiers(part, prefix, state),
            ),
            rx.el.label(
                rx.el.input(type="checkbox", name=f"{prefix}-addOn", default_checked=part.add_on),
                rx.el.span("An add-on: only for those who choose it", class_name="grow"),
                class_name="choice",
            ),
            class_name="sheet-body fields",
        ),
        class_name="sheet",
        key=prefix,
    )


def _fields(part: rx.Var[Draft], prefix: str, names: list[tuple[str, str]], state: Any) -> rx.Component:
    def one(name: str, text: str) -> rx.Component:
        if name not in MONEY:
            return text_field(f"{prefix}-{name}", text, value=part.entered[name], numeric=True)
        return rx.foreach(state.currencies, lambda currency: _amount(prefix, name, text, currency, part.entered))

    return rx.fragment(*(one(name, text) for name, text in names))


def _amount(
    prefix: str, name: str, text: str, currency: rx.Var[str], values: rx.Var[dict[str, str]], place: str = ""
) -> rx.Component:
    key = f"{place}{name}-{currency}"
    field = text_field(f"{prefix}-{key}", f"{text}, {currency}", value=values[key], numeric=True)
    return rx.fragment(field, key=currency)


def _each(
    currencies: rx.Var[list[str]], name: str, text: str, given: rx.Var[dict[str, str]], hint: str
) -> rx.Component:
    def one(currency: rx.Var[str]) -> rx.Component:
        key = f"{name}-{currency}"
        return rx.fragment(
            text_field(key, f"{text}, {currency}", value=given[key], numeric=True, hint=hint), key=currency
        )

    return rx.foreach(currencies, one)


def _tiers(part: rx.Var[Draft], prefix: str, state: Any) -> rx.Component:
    def tier(number: rx.Var[int]) -> rx.Component:
        place = f"t{number}-"

        def amounts(name: str, text: str) -> rx.Component:
            return rx.foreach(
                state.currencies, lambda currency: _amount(prefix, name, text, currency, part.entered, place)
            )

        last = f"{place}last"
        return rx.el.div(
            text_field(f"{prefix}-{last}", "Up to unit", value=part.entered[last], numeric=True, hint="Empty: no end."),
            amounts("unitPrice", "Price of a unit"),
            amounts("flatFee", "Plus once"),
            class_name="fields",
        )  # fmt: skip

    return rx.el.fieldset(
        rx.el.legend("Tiers", class_name="label"),
        rx.foreach(part.tiers, tier),
        rx.el.button("Another tier", class_name="button small", type="button", on_click=state.add_tier(part.number)),
        class_name="choices whole",
    )
