"""Who subscribed to what."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import cataloguing, exporting, rights, subscribing
from console import customers as people
from console.cataloguing import PlanRow
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.form import select_field, text_field
from console.components.notice import blank, notice
from console.components.table import cell, export_button, heading, row_heading, table, turner
from console.figures import parse_instant
from console.listing import Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.subscribing import SubscriptionRow
from console.template import page
from console.viewer import ViewerState, asking

STATES = [
    ("", "Every state"),
    ("active", "Active"),
    ("trialing", "On trial"),
    ("past_due", "Overdue"),
    ("paused", "Paused"),
    ("incomplete", "Incomplete"),
    ("canceled", "Canceled"),
]
COLLECTIONS = [("automatic", "Charged by itself"), ("send_invoice", "By invoice")]


class SubscriptionsState(Addressed, rx.State):
    """One page of subscriptions, and the one that is being made."""

    shown: list[SubscriptionRow] = []
    status: str = ""
    may_sell: bool = False
    adding: bool = False
    plans: list[PlanRow] = []
    customers: list[tuple[str, str]] = []
    refused: str = ""
    _key: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the page that the address names."""
        self.read_address()
        head = await enter(self, api)
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        self.status = self.chosen.get("status", "")
        found = await subscribing.subscriptions(
            api,
            status=self.status,
            customer_id=self.chosen.get("customer", ""),
            cursor=self.cursors[-1],
            now=parse_instant(head.clock_iso),
        )
        self.shown, self.next_cursor = found.rows, found.next_cursor

    @rx.event
    def filter(self, status: str):
        """Only those in one state."""
        return SubscriptionsState.choose("status", status)

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every subscription shown, for a spreadsheet."""
        entries = await api.every_own(subscribing.ADDRESS, status=self.status)
        content = exporting.fields_as_csv(subscribing.COLUMNS, entries)
        return rx.download(data=content, filename=exporting.filename("subscriptions"))

    @rx.event
    @asking(rights.sell)
    async def ask(self, api: Client):
        """Open the form."""
        self.plans = (await cataloguing.plans(api, archived=False, cursor="")).rows
        self.customers = list((await people.names(api)).items())
        self.adding, self.refused, self._key = True, "", f"console-{uuid4()}"

    @rx.event
    def dismiss(self, is_open: bool):
        """Close it."""
        self.adding = is_open

    @rx.event
    @asking(rights.sell)
    async def subscribe(self, api: Client, form: dict[str, str]):
        """Make it and go to its page."""
        wanted = {"planId": form["plan"], "customerId": form["customer"], "collection": form["collection"]}
        if coupons := form.get("coupons", "").replace(",", " ").split():
            wanted["coupons"] = coupons
        try:
            made = await subscribing.subscribe(api, wanted, key=self._key)
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        self.adding = False
        return rx.redirect(f"/tenants/{api.tenant_id}/subscriptions/{made}")


@page(
    "/tenants/[tenant_slug]/subscriptions",
    title=title("Subscriptions"),
    current="subscriptions",
    state=SubscriptionsState,
    on_load=SubscriptionsState.load,
    bones=bones,
    tenant_name=TenantState.head.name,
)
def subscriptions() -> rx.Component:
    """The list, by state, and the form."""
    state = SubscriptionsState
    add = rx.el.button(
        rx.icon("plus", size=16, aria_hidden=True),
        "New subscription",
        class_name="button primary",
        type="button",
        on_click=state.ask,
    )
    chooser = rx.el.select(
        *(rx.el.option(text, value=key) for key, text in STATES),
        value=state.status,
        on_change=state.filter,
        class_name="input compact",
        aria_label="State",
    )
    return rx.fragment(
        tenant_heading(rx.cond(state.may_sell, add)),
        rx.el.section(
            rx.el.div(
                rx.el.h2("Subscriptions"),
                rx.el.div(
                    chooser,
                    rx.cond(state.shown.length() > 0, export_button(state.export_csv)),
                    class_name="page-actions",
                ),
                class_name="sheet-head centered",
            ),
            rx.cond(state.shown.length() > 0, _table(), _nothing()),
            class_name="sheet",
        ),
        _dialog(),
    )


def status_badge(status: rx.Var[str]) -> rx.Component:
    """A subscription's state."""
    tone = rx.match(
        status,
        ("active", "badge good"),
        ("trialing", "badge good"),
        ("past_due", "badge bad"),
        ("incomplete", "badge warn"),
        ("paused", "badge warn"),
        "badge",
    )
    return rx.el.span(status.replace("_", " "), class_name=tone)


def _table() -> rx.Component:
    state = SubscriptionsState
    return rx.fragment(
        table(
            "Subscriptions, newest first",
            [
                heading("Customer"),
                heading("Plan"),
                heading("State"),
                heading("Renews or ends"),
                heading("Fixed part", num=True),
            ],
            rx.foreach(state.shown, _row),
        ),
        turner(state.cursors, state.next_cursor, previous=state.previous, following=state.following),
    )


def _row(row: rx.Var[SubscriptionRow]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/subscriptions/{row.subscription_id}"
    return rx.el.tr(
        row_heading(rx.link(row.customer, href=address, class_name="row-link", unstyled=True)),
        cell(rx.el.span(row.plan, class_name="mono"), kind="under"),
        cell(status_badge(row.status), label="State"),
        cell(rx.cond(row.ends, "ends ", "renews "), instant(row.renews), label="Renews or ends"),
        cell(
            rx.el.span(row.price, class_name="money"), rx.el.span(" a ", row.every, class_name="unit"), kind="num main"
        ),
    )


def _dialog() -> rx.Component:
    state = SubscriptionsState
    plan = rx.el.div(
        rx.el.label("Plan", html_for="plan"),
        rx.el.select(
            rx.foreach(state.plans, lambda one: rx.el.option(f"{one.name} · {one.price}", value=one.code)),
            id="plan",
            name="plan",
            class_name="input",
        ),
        class_name="field",
    )
    customer = rx.el.div(
        rx.el.label("Customer", html_for="customer"),
        rx.el.select(
            rx.foreach(state.customers, lambda one: rx.el.option(one[1], value=one[0])),
            id="customer",
            name="customer",
            class_name="input",
        ),
        class_name="field",
    )
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("New subscription", size="4", margin_bottom="4px"),
            rx.dialog.description(
                "Quantities are one, and can be changed on its page.", size="2", margin_bottom="14px"
            ),
            rx.el.form(
                customer,
                plan,
                select_field("collection", "Paid", COLLECTIONS),
                text_field("coupons", "Coupons", hint="Codes, in the order of redemption."),
                rx.cond(state.refused != "", notice("bad", "This cannot be subscribed to", state.refused)),
                rx.el.div(
                    rx.dialog.close(rx.el.button("Not now", class_name="button plain", type="button")),
                    rx.el.button("Subscribe", class_name="button primary", type="submit"),
                    class_name="dialog-foot",
                ),
                on_submit=state.subscribe,
                class_name="stack",
            ),
            max_width="440px",
        ),
        open=state.adding,
        on_open_change=state.dismiss,
    )


def _nothing() -> rx.Component:
    return rx.cond(
        SubscriptionsState.status != "",
        blank("filter-x", "None in this state", "Choose another state to see more."),
        blank("repeat", "No subscription yet", "A customer that subscribes to a plan appears here."),
    )
