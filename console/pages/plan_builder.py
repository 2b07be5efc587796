"""Building a plan: its name and periods, and the parts of its price."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import reflex as rx

from console import cataloguing, planning, rights
from console.client import ApiRefused, Client
from console.components.form import select_field, text_field
from console.components.notice import notice
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import PageState, asking

MODELS = [
    ("flat", "Flat: the same each period"),
    ("per_unit", "Per unit"),
    ("package", "Packages begun"),
    ("graduated", "Graduated tiers: each unit at its tier's price"),
    ("volume", "Volume tiers: all units at one tier's price"),
    ("percentage", "Percentage of each transaction"),
]
KINDS = [("recurring", "Ahead, each period"), ("usage", "By usage, afterwards"), ("one_time", "Once, at the start")]
INTERVALS = ["month", "year", "quarter", "week", "day"]
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


@dataclass
class Draft:
    """The form of a part; `number` keeps its fields apart from those of the others, `tiers` are its tiers' numbers."""

    number: int = 1
    model: str = "flat"
    kind: str = "recurring"
    tiers: list[int] = field(default_factory=lambda: [1, 2])


class PlanBuilderState(PageState, rx.State):
    """Which fields the form has; what stands in them is the browser's until it is sent."""

    parts: list[Draft] = [Draft()]
    currency: str = ""
    meters: list[str] = []
    refused: str = ""
    _key: str = ""

    @rx.event
    @asking(rights.sell)
    async def load(self, api: Client):
        """A new form, and what it may name."""
        head = await enter(self, api)
        self.currency, self.meters = head.currency, await cataloguing.meters(api)
        self.parts, self.refused, self._key = [Draft()], "", f"console-{uuid4()}"

    @rx.event
    def add(self):
        """One more part."""
        self.parts = [*self.parts, Draft(number=max(part.number for part in self.parts) + 1)]

    @rx.event
    def remove(self, number: int):
        """One fewer; a plan has one at least."""
        if len(self.parts) > 1:
            self.parts = [part for part in self.parts if part.number != number]

    @rx.event
    def set_model(self, number: int, model: str):
        """How a part is priced."""
        self._change(number, model=model, **({"kind": "usage"} if model == "percentage" else {}))

    @rx.event
    def set_kind(self, number: int, kind: str):
        """When a part is paid."""
        self._change(number, kind=kind)

    @rx.event
    def add_tier(self, number: int):
        """One more tier, before the open one."""
        tiers = next(part.tiers for part in self.parts if part.number == number)
        self._change(number, tiers=[*tiers, max(tiers) + 1])

    def _change(self, number: int, **fields: Any) -> None:
        self.parts = [
            Draft(**{**part.__dict__, **fields}) if part.number == number else part  # reflex keeps plain dataclasses
            for part in self.parts
        ]

    @rx.event
    @asking(rights.sell)
    async def create(self, api: Client, form: dict[str, str]):
        """Build it, or say what is wrong with it."""
        parts = [(part.number, part.model, part.kind, list(part.tiers)) for part in self.parts]
        try:
            code = await cataloguing.create_plan(api, planning.plan_of(form, parts, self.currency), key=self._key)
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        return rx.redirect(f"/tenants/{api.tenant_id}/catalog/{code}")


@page(
    "/tenants/[tenant_slug]/new-plan",
    title=title("New plan"),
    current="catalog",
    state=PlanBuilderState,
    on_load=PlanBuilderState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def plan_builder() -> rx.Component:
    """The form."""
    state = PlanBuilderState
    return rx.fragment(
        tenant_heading(),
        rx.el.form(
            rx.el.section(
                rx.el.div(rx.el.h2("New plan"), class_name="sheet-head centered"),
                rx.el.div(
                    text_field("name", "Name", required=True),
                    text_field("code", "Code", hint="Small letters, digits and hyphens; it stays."),
                    select_field("interval", "Each", [(one, one) for one in INTERVALS]),
                    text_field("trialDays", "Days of trial", numeric=True),
                    select_field(
                        "cycle",
                        "Periods",
                        [("anniversary", "From the day of subscribing"), ("calendar", "By the calendar")],
                    ),
                    text_field("currency", "Currency", value=state.currency),
                    text_field("minimum", "At least each period", numeric=True, hint="What is missing is billed."),
                    text_field("commitment", "At least over all periods", numeric=True, hint="A commitment."),
                    text_field("commitmentPeriods", "Periods of it", numeric=True, hint="12 when empty."),
                    class_name="sheet-body fields",
                ),
                class_name="sheet",
            ),
            rx.foreach(state.parts, _part),
            rx.cond(state.refused != "", notice("bad", "This plan cannot be built", state.refused)),
            rx.el.div(
                rx.el.button(
                    rx.icon("plus", size=16, aria_hidden=True),
                    "Another part",
                    class_name="button",
                    type="button",
                    on_click=state.add,
                ),
                rx.el.button("Build the plan", class_name="button primary", type="submit"),
                class_name="page-actions",
            ),
            on_submit=state.create,
            class_name="stack",
        ),
    )


def _part(part: rx.Var[Draft]) -> rx.Component:
    state, prefix = PlanBuilderState, f"p{part.number}"
    remove = rx.el.button("Remove", class_name="button small", type="button", on_click=state.remove(part.number))
    meter = rx.fragment(
        select_field(f"{prefix}-meter", "Meter", state.meters),
        rx.cond(state.meters.length() == 0, rx.el.p("There is no meter yet.", class_name="small-print")),
    )
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Part of the price"), rx.cond(state.parts.length() > 1, remove), class_name="sheet-head centered"
        ),
        rx.el.div(
            text_field(f"{prefix}-name", "Name", required=True),
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
                *((model, _fields(prefix, names)) for model, names in FIELDS.items()),
                _tiers(part, prefix),
            ),
            rx.el.label(
                rx.el.input(type="checkbox", name=f"{prefix}-addOn"),
                rx.el.span("An add-on: only for those who choose it", class_name="grow"),
                class_name="choice",
            ),
            class_name="sheet-body fields",
        ),
        class_name="sheet",
        key=prefix,
    )


def _fields(prefix: rx.Var[str] | str, names: list[tuple[str, str]]) -> rx.Component:
    return rx.fragment(*(text_field(f"{prefix}-{name}", text, numeric=True) for name, text in names))


def _tiers(part: rx.Var[Draft], prefix: rx.Var[str] | str) -> rx.Component:
    def tier(number: rx.Var[int]) -> rx.Component:
        each = f"{prefix}-t{number}"
        return rx.el.div(
            text_field(f"{each}-last", "Up to unit", numeric=True, hint="Empty: without end."),
            text_field(f"{each}-unitPrice", "Price of a unit", numeric=True),
            text_field(f"{each}-flatFee", "Plus once", numeric=True),
            class_name="fields",
        )

    return rx.el.fieldset(
        rx.el.legend("Tiers", class_name="label"),
        rx.foreach(part.tiers, tier),
        rx.el.button(
            "Another tier", class_name="button small", type="button", on_click=PlanBuilderState.add_tier(part.number)
        ),
        class_name="choices whole",
    )
