"""Building a plan, and new terms of one: its periods, and the parts of its price in each currency."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import reflex as rx

from console import cataloguing, planning, rights
from console.client import ApiRefused, Client
from console.components.form import chosen_field, instant_field, select_field, text_field
from console.components.notice import notice
from console.components.plan_form import part_sheet, terms_sheet
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.planning import Draft
from console.template import page
from console.viewer import PageState, asking

APPLIES = [
    ("new", "New subscriptions only"),
    ("renewal", "Also subscriptions there are, when they renew"),
]
OTHERWISE_BUILT = "Its currencies differ in more than their amounts: send new terms to POST /billing/plans/…/versions."


class PlanBuilderState(PageState, rx.State):
    """Which fields the form has and what stands in them at first; what is typed is the browser's until it is sent."""

    parts: list[Draft] = [Draft()]
    currencies: list[str] = []
    given: dict[str, str] = {}
    meters: list[str] = []
    products: list[tuple[str, str]] = []
    name: str = ""
    edition: int = 0
    refused: str = ""
    _kept: dict[str, str] = {}
    _key: str = ""

    @rx.event
    @asking(rights.sell)
    async def load(self, api: Client):
        """A new form, and what it may name."""
        head = await enter(self, api)
        meters = await cataloguing.meters(api)
        own = [(one.code, one.name) for one in await cataloguing.products(api) if one.is_own]
        self.products = [("", "None"), *own]
        self._begin(meters, name="", filled=planning.Filled([head.currency], [Draft()], {}, {}))

    @rx.event
    @asking(rights.sell)
    async def load_version(self, api: Client):
        """A form that says what is sold now."""
        await enter(self, api)
        meters = await cataloguing.meters(api)
        name, newest = await cataloguing.newest_version(api, self.plan_code)
        filled = planning.filled_by(newest, meters) if newest else None
        self._begin(meters, name=name, filled=filled or planning.Filled([], [], {}, {}))
        self.refused = "" if filled else OTHERWISE_BUILT

    def _begin(self, meters: dict[str, str], *, name: str, filled: planning.Filled) -> None:
        self.meters, self.name, self.refused = list(meters.values()), name, ""
        self.currencies, self.parts = filled.currencies, filled.parts
        self.given, self._kept = filled.given, filled.kept
        self.edition, self._key = self.edition + 1, f"console-{uuid4()}"

    @rx.event
    def sell_in(self, text: str):
        """In which the amounts are asked; one at least."""
        self.currencies = planning.currencies_of(text) or self.currencies

    @rx.event
    def add(self):
        """One more part."""
        self.parts = [*self.parts, Draft(number=max(part.number for part in self.parts) + 1)]

    @rx.event
    def remove(self, number: int):
        """One fewer; a plan has one at least."""
        if len(self.parts) > 1:
            self.parts = [part for part in self.parts if part.number != number]
            self._kept = {name: value for name, value in self._kept.items() if not name.startswith(f"p{number}-")}

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
        self.sell_in(form.get("currencies", ""))
        try:
            wanted = planning.plan_of(form, self.parts, self.currencies)
            code = await cataloguing.create_plan(api, wanted, key=self._key)
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        return rx.redirect(f"/tenants/{api.tenant_id}/catalog/{code}")

    @rx.event
    @asking(rights.sell)
    async def create_version(self, api: Client, form: dict[str, str]):
        """Give the plan new terms, or say what is wrong with them."""
        self.sell_in(form.get("currencies", ""))
        try:
            wanted = planning.version_of({**self._kept, **form}, self.parts, self.currencies)
            await cataloguing.create_version(api, self.plan_code, wanted, key=self._key)
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        return rx.redirect(f"/tenants/{api.tenant_id}/catalog/{self.plan_code}")


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
    """The form of a plan that is not there yet."""
    return _form(
        "New plan",
        text_field("name", "Name", required=True),
        text_field("code", "Code", hint="Made of the name when empty; it stays."),
        chosen_field("product", "Product", PlanBuilderState.products),
        refused_title="This plan cannot be built",
        submit="Build the plan",
        on_submit=PlanBuilderState.create,
    )


@page(
    "/tenants/[tenant_slug]/catalog/[plan_code]/new-version",
    title=title("New version"),
    current="catalog",
    state=PlanBuilderState,
    on_load=PlanBuilderState.load_version,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def version_builder() -> rx.Component:
    """The same form, filled with what is sold now."""
    return _form(
        rx.fragment("New version of ", PlanBuilderState.name),
        instant_field("effectiveFrom", "From (UTC)", hint="Empty: from now."),
        select_field("applies", "For", APPLIES),
        refused_title="This version cannot be made",
        submit="Make the version",
        on_submit=PlanBuilderState.create_version,
    )


def _form(
    name: rx.Component | str, *first: rx.Component, refused_title: str, submit: str, on_submit: Any
) -> rx.Component:
    state = PlanBuilderState
    return rx.fragment(
        tenant_heading(),
        rx.el.form(
            rx.cond(
                state.parts.length() > 0,
                rx.fragment(
                    terms_sheet(state, name, *first), rx.foreach(state.parts, lambda part: part_sheet(part, state))
                ),
            ),
            rx.cond(state.refused != "", notice("bad", refused_title, state.refused)),
            rx.cond(
                state.parts.length() > 0,
                rx.el.div(
                    rx.el.button(
                        rx.icon("plus", size=16, aria_hidden=True),
                        "Another part",
                        class_name="button",
                        type="button",
                        on_click=state.add,
                    ),
                    rx.el.button(submit, class_name="button primary", type="submit"),
                    class_name="page-actions",
                ),
            ),
            on_submit=on_submit,
            class_name="stack",
            key=state.edition.to_string(),
        ),
    )
