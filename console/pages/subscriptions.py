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
from console.components.listed import chooser, form_dialog, listed, primary
from console.components.notice import blank
from console.components.table import cell, heading, row_heading
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
        asked = {"status": self.status, "customerId": self.chosen.get("customer", "")}
        return await exporting.download(api, subscribing.ADDRESS, subscribing.COLUMNS, "subscriptions", **asked)

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
    return rx.fragment(
        tenant_heading(rx.cond(state.may_sell, primary("New subscription", state.ask))),
        listed(
            "Subscriptions",
            chooser("State", STATES, state.status, state.filter),
            state=state,
            headings=[
                heading("Customer"),
                heading("Plan"),
                heading("State"),
                heading("Renews or ends"),
                heading("Fixed part", num=True),
            ],
            row=_row,
            nothing=_nothing(),
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
    return form_dialog(
        "New subscription",
        "Quantities are one, and can be changed on its page.",
        customer,
        plan,
        select_field("collection", "Paid", COLLECTIONS),
        text_field("coupons", "Coupons", hint="Codes, in the order of redemption."),
        submit="Subscribe",
        on_submit=state.subscribe,
        is_open=state.adding,
        on_open=state.dismiss,
        refused=state.refused,
        refused_title="This cannot be subscribed to",
    )


def _nothing() -> rx.Component:
    return rx.cond(
        SubscriptionsState.status != "",
        blank("filter-x", "None in this state", "Choose another state to see more."),
        blank("repeat", "No subscription yet", "A customer that subscribes to a plan appears here."),
    )
