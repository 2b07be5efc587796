"""Who subscribed to what."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import cataloguing, exporting, rights, subscribing
from console import customers as people
from console.bulk import Bulk
from console.cataloguing import PlanRow
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.form import chosen_field, search_field, select_field, text_field
from console.components.listed import chooser, form_dialog, listed, primary, question
from console.components.notice import blank
from console.components.progress import progress
from console.components.table import cell, row_heading, sort_heading
from console.figures import parse_instant
from console.listing import NEWEST, Addressed
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


class SubscriptionsState(Bulk, Addressed, rx.State):
    """One page of subscriptions, and the one that is being made."""

    shown: list[SubscriptionRow] = []
    _by: str = NEWEST
    status: str = ""
    plan: str = ""
    may_sell: bool = False
    adding: bool = False
    chosen_customer: str = ""
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
        self.status, self.plan = self.chosen.get("status", ""), self.chosen.get("plan", "")
        self.plans = await cataloguing.every_plan(api)
        found = await subscribing.subscriptions(
            api, cursor=self.cursors[-1], now=parse_instant(head.clock_iso), **self._asked()
        )
        self.shown, self.next_cursor = found.rows, found.next_cursor
        there = {row.subscription_id for row in found.rows}
        self.picked = [one for one in self.picked if one in there]
        self.chosen_customer = self.chosen.get("new", "")
        if self.chosen_customer and self.may_sell and not self.adding:
            await self._open(api)

    @rx.var
    def standing(self) -> int:
        """How many of the page may be picked."""
        return sum(1 for row in self.shown if row.may_end)

    def _asked(self) -> dict[str, str]:
        customer = self.chosen.get("customer", "")
        asked = {"status": self.status, "plan": self.plan, "search": self.search, "customerId": customer}
        return {**asked, "sort": self.order}

    async def _open(self, api: Client) -> None:
        self.customers = await people.choices(api, chosen=self.chosen_customer)
        self.adding, self.refused, self._key = True, "", f"console-{uuid4()}"

    @rx.event
    def pick_all(self, is_on: bool):
        """All of the page that stand, or none."""
        self.picked = [row.subscription_id for row in self.shown if row.may_end] if is_on else []

    @rx.event
    @asking(rights.sell)
    async def step(self, api: Client):
        """End the next one with its period, or take that back; what is refused is named, and the others go on."""
        row = next((row for row in self.shown if row.subscription_id == self.here), SubscriptionRow())
        try:
            await subscribing.act(api, self.here, "cancel", {"when": "period_end"}, key=self.key, undo=self.undoing)
        except ApiRefused as refused:
            return self.stepped(f"{row.customer}, {row.plan}: {refused.advice}")
        return self.stepped()

    @rx.event
    def filter(self, status: str):
        """Only those in one state."""
        self.picked = []
        return SubscriptionsState.choose("status", status)

    @rx.event
    def of_plan(self, plan: str):
        """Only those of one plan."""
        return SubscriptionsState.choose("plan", plan)

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every subscription shown, for a spreadsheet."""
        return await exporting.download(api, subscribing.ADDRESS, subscribing.COLUMNS, "subscriptions", **self._asked())

    @rx.event
    @asking(rights.sell)
    async def begin_adding(self, api: Client):
        """Open the form."""
        await self._open(api)

    @rx.event
    def dismiss(self, is_open: bool):
        """Close it."""
        self.adding = is_open
        if not is_open and self.chosen.pop("new", ""):
            return self._go([""], replace=True)

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
        tenant_heading(rx.cond(state.may_sell, primary("New subscription", state.begin_adding))),
        progress(
            state,
            undo=rx.cond(
                state.undoable.length() > 0,
                rx.el.button("Undo", class_name="button small", type="button", on_click=state.undo),
            ),
        ),
        listed(
            "Subscriptions",
            rx.cond(
                state.may_sell & (state.picked.length() > 0),
                rx.el.button(
                    "End ",
                    state.picked.length(),
                    class_name="button",
                    type="button",
                    on_click=state.ask("cancel"),
                ),
            ),
            search_field("Find a subscription", "Customer or plan", state),
            chooser("State", STATES, state.status, state.filter),
            rx.el.select(
                rx.el.option("Every plan", value=""),
                rx.foreach(state.plans, lambda one: rx.el.option(one.name, value=one.code)),
                value=state.plan,
                on_change=state.of_plan,
                class_name="input compact",
                aria_label="Plan",
            ),
            state=state,
            headings=[
                _all(),
                sort_heading("Customer", "customer", state.order, state.sort),
                sort_heading("Plan", "plan", state.order, state.sort),
                sort_heading("State", "status", state.order, state.sort),
                sort_heading("Renews or ends", "renewsAt", state.order, state.sort),
                sort_heading("Fixed part, one of each", "amount", state.order, state.sort, num=True),
            ],
            row=_row,
            nothing=_nothing(),
        ),
        _dialog(),
        question(
            "End them with their periods?",
            "Each runs until its period ends and is not renewed. Until then it can be kept.",
            do="End them",
            on_do=state.begin,
            on_not=state.ask(""),
            is_open=(state.doing != "") & ~state.running,
        ),
    )


def _all() -> rx.Component:
    state = SubscriptionsState
    box = rx.el.input(
        type="checkbox",
        aria_label="Pick every subscription of the page",
        checked=(state.picked.length() > 0) & (state.picked.length() == state.standing),
        on_change=state.pick_all,
    )
    return rx.el.th(rx.cond(state.may_sell, box, rx.el.span("Pick", class_name="visually-hidden")), class_name="picks")


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
    state = SubscriptionsState
    box = rx.el.input(
        type="checkbox",
        aria_label=f"Pick {row.plan} of {row.customer}",
        checked=state.picked.contains(row.subscription_id),
        on_change=lambda is_on: state.pick(row.subscription_id, is_on),
    )
    return rx.el.tr(
        cell(rx.cond(state.may_sell & row.may_end, box), kind="picks"),
        row_heading(rx.link(row.customer, href=address, class_name="row-link", unstyled=True)),
        cell(rx.el.span(row.plan, class_name="mono"), kind="under"),
        cell(status_badge(row.status), label="State"),
        cell(row.until, " ", instant(row.renews), label="Renews or ends"),
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
    return form_dialog(
        "New subscription",
        "Quantities are one, and can be changed on its page.",
        chosen_field("customer", "Customer", state.customers, value=state.chosen_customer),
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
        (SubscriptionsState.status != "") | (SubscriptionsState.search != "") | (SubscriptionsState.plan != ""),
        blank("filter-x", "None like this", "Search for another name, or choose another state or plan to see more."),
        blank("repeat", "No subscription yet", "A customer that subscribes to a plan appears here."),
    )
