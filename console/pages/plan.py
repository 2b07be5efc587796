"""One plan: what it costs, what a given usage would cost, and all its versions."""

from __future__ import annotations

import reflex as rx

from console import cataloguing, rights
from console.bills import Bill
from console.cataloguing import Part, PlanPrice, PlanSheet, Version
from console.client import ApiRefused, Client
from console.components.bill import bill
from console.components.choice import segments
from console.components.figure import dated, instant
from console.components.notice import notice
from console.components.table import cell, heading, row_heading, table
from console.figures import parse_instant
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import PageState, ViewerState, asking


class PlanState(PageState, rx.State):
    """A plan, and the quote that was last asked for."""

    shown: PlanSheet = PlanSheet()
    currency: str = ""
    currencies: list[str] = []
    price: PlanPrice = PlanPrice()
    quoted: Bill = Bill()
    refused: str = ""
    may_sell: bool = False

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch it."""
        head = await enter(self, api)
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        before, self.shown = (
            self.shown.code,
            await cataloguing.plan(api, self.plan_code, now=parse_instant(head.clock_iso)),
        )
        self.currencies = [price.currency for price in self.shown.current.prices]
        if self.shown.code != before or self.currency not in self.currencies:
            own = head.currency if head.currency in self.currencies else "".join(self.currencies[:1])
            self._choose(own)

    @rx.event
    def choose(self, currency: str):
        """Show what it costs in another currency."""
        self._choose(currency)

    def _choose(self, currency: str) -> None:
        self.currency, self.quoted, self.refused = currency, Bill(), ""
        prices = self.shown.current.prices
        self.price = next((price for price in prices if price.currency == currency), PlanPrice())

    @rx.event
    @asking(rights.see_tenant)
    async def quote(self, api: Client, form: dict[str, str]):
        """What one period would cost for what the form says."""
        try:
            self.quoted = await cataloguing.quote(api, self.shown.code, wanted(form, self.price, self.currency))
            self.refused = ""
        except ApiRefused as refused:
            self.quoted, self.refused = Bill(), refused.advice

    @rx.event
    @asking(rights.sell)
    async def archive(self, api: Client):
        """Out of sale, or back."""
        await cataloguing.archive_plan(api, self.shown.code, archived=not self.shown.archived)
        return PlanState.load


def wanted(form: dict[str, str], price: PlanPrice, currency: str) -> dict:
    """The form as the API takes it. Transactions are amounts with spaces or commas between."""
    quantities, transactions, add_ons = {}, {}, []
    for part in price.parts:
        given = form.get(f"part-{part.code}", "").strip()
        if part.add_on and form.get(f"add-{part.code}"):
            add_ons.append(part.code)
        if not given:
            continue
        if part.asks == "transactions":
            transactions[part.code] = given.replace(",", " ").split()
        else:
            quantities[part.code] = given
    coupons = form.get("coupons", "").replace(",", " ").split()
    return {
        "currency": currency,
        "quantities": quantities,
        "transactions": transactions,
        "addOns": add_ons,
        "coupons": coupons,
    }


@page(
    "/tenants/[tenant_slug]/catalog/[plan_code]",
    title=title("Plan"),
    current="catalog",
    state=PlanState,
    on_load=PlanState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def plan() -> rx.Component:
    """What is sold now, the calculator beside it, the history beneath."""
    state = PlanState
    return rx.fragment(
        tenant_heading(),
        rx.cond(
            state.shown.archived,
            notice("warn", "Out of sale", "Nobody new can subscribe. What was agreed goes on as it was."),
        ),
        rx.cond(
            state.shown.scheduled.number > 0,
            notice(
                "",
                rx.fragment("Version ", state.shown.scheduled.number, " takes over"),
                rx.fragment("On ", state.shown.scheduled.since.absolute, ": ", state.shown.scheduled.terms, "."),
            ),
        ),
        rx.el.div(_sold(), _calculator(), class_name="wide-and-narrow loose"),
        _history(),
    )


def _sold() -> rx.Component:
    state = PlanState
    anew = rx.link(
        "New version",
        href=f"/tenants/{TenantState.head.tenant_id}/catalog/{state.shown.code}/new-version",
        class_name="button small",
        unstyled=True,
    )
    action = rx.el.button(
        rx.cond(state.shown.archived, "Put back on sale", "Take out of sale"),
        class_name="button small",
        type="button",
        on_click=state.archive,
    )
    return rx.el.section(
        rx.el.div(
            rx.el.h2(state.shown.name, " ", rx.el.span(state.shown.code, class_name="mono quiet")),
            rx.cond(
                state.may_sell & state.shown.is_own,
                rx.el.div(rx.cond(state.shown.archived, rx.fragment(), anew), action, class_name="page-actions"),
            ),
            class_name="sheet-head centered",
        ),
        rx.el.div(
            rx.cond(state.shown.description != "", rx.el.p(state.shown.description)),
            rx.el.p(
                "Each ", state.shown.current.every, ", ", state.shown.current.terms, ". Version ",
                state.shown.current.number, ", since ", instant(state.shown.current.since), ".",
                class_name="small-print",
            ),
            rx.cond(
                state.currencies.length() > 1, segments("Currency", state.currency, state.choose, state.currencies)
            ),
            class_name="sheet-body",
        ),
        table(
            "Parts of the price",
            [heading("Part"), heading("Paid"), heading("Price")],
            rx.foreach(state.price.parts, _part),
        ),
        rx.cond(
            state.price.floors.length() > 0,
            rx.el.p(rx.foreach(state.price.floors, rx.el.span), class_name="table-foot"),
        ),
        class_name="sheet",
    )  # fmt: skip


def _part(part: rx.Var[Part]) -> rx.Component:
    return rx.el.tr(
        row_heading(
            part.name,
            rx.cond(part.add_on, rx.fragment(" ", rx.el.span("add-on", class_name="badge"))),
            rx.el.span(part.code, class_name="below mono"),
        ),
        cell(part.paid, label="Paid", kind="quiet"),
        cell(
            part.price,
            rx.foreach(part.details, lambda detail: rx.el.span(detail, class_name="below")),
            label="Price",
        ),
    )


def _calculator() -> rx.Component:
    state = PlanState
    return rx.el.section(
        rx.el.div(rx.el.h2("What would it cost?"), class_name="sheet-head centered"),
        rx.el.form(
            rx.foreach(state.price.parts, _asked),
            rx.el.div(
                rx.el.label("Coupons", html_for="coupons"),
                rx.el.input(id="coupons", name="coupons", class_name="input", auto_complete="off"),
                rx.el.span("Codes, in the order of redemption.", class_name="hint"),
                class_name="field",
            ),
            rx.el.button("Work it out", class_name="button primary", type="submit"),
            on_submit=state.quote,
            class_name="sheet-body stack",
            key=state.currency,
        ),
        rx.el.div(
            rx.cond(state.refused != "", notice("bad", "This cannot be quoted", state.refused)),
            rx.cond(state.quoted.total.name != "", bill(state.quoted)),
            aria_live="polite",
            class_name="sheet-body",
        ),
        class_name="sheet",
    )


def _asked(part: rx.Var[Part]) -> rx.Component:
    field = f"part-{part.code}"
    chosen = rx.el.label(
        rx.el.input(type="checkbox", name=f"add-{part.code}"),
        rx.el.span(part.name, rx.el.span("add-on", class_name="below"), class_name="grow"),
        class_name="choice",
    )
    quantity = rx.el.div(
        rx.el.label(part.name, html_for=field),
        rx.el.input(id=field, name=field, class_name="input", input_mode="decimal", auto_complete="off"),
        rx.el.span(
            rx.cond(part.asks == "transactions", "Amounts of the transactions, with spaces between.", "How many."),
            class_name="hint",
        ),
        class_name="field",
    )
    return rx.fragment(rx.cond(part.add_on, chosen), rx.cond(part.asks != "", quantity))


def _history() -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("Versions"), class_name="sheet-head centered"),
        table(
            "Versions, newest first",
            [heading("Version"), heading("From, UTC"), heading("Terms"), heading("Currencies", num=True)],
            rx.foreach(PlanState.shown.history, _version),
        ),
        class_name="sheet",
    )


def _version(version: rx.Var[Version]) -> rx.Component:
    return rx.el.tr(
        row_heading(version.number),
        cell(dated(version.since), label="From"),
        cell("each ", version.every, ", ", version.terms, kind="quiet wide"),
        cell(version.prices.length(), kind="num", label="Currencies"),
    )
