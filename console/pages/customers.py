"""Whom a tenant sells to."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import customers as people
from console import exporting, rights
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.form import search_field, text_field
from console.components.listed import chooser, form_dialog, listed, primary
from console.components.notice import blank
from console.components.table import cell, row_heading, sort_heading
from console.customers import CustomerRow
from console.figures import parse_instant
from console.listing import NEWEST, Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import ViewerState, asking

OWING = [("", "Owing or not"), ("true", "With open invoices"), ("false", "Without open invoices")]
SUBSCRIBED = [
    ("", "Subscribed or not"),
    ("active", "Active"),
    ("trialing", "On trial"),
    ("past_due", "Overdue"),
    ("paused", "Paused"),
    ("canceled", "Canceled"),
]


class CustomersState(Addressed, rx.State):
    """One page of customers, and the one that is being added."""

    shown: list[CustomerRow] = []
    _by: str = NEWEST
    currency: str = ""
    country: str = ""
    owes: str = ""
    subscribed: str = ""
    may_sell: bool = False
    adding: bool = False
    refused: str = ""
    _key: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the page that the address names."""
        self.read_address()
        head = await enter(self, api)
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        self.currency, self.country = self.chosen.get("currency", ""), self.chosen.get("country", "")
        self.owes, self.subscribed = self.chosen.get("openInvoices", ""), self.chosen.get("subscriptionStatus", "")
        found = await people.customers(api, cursor=self.cursors[-1], now=parse_instant(head.clock_iso), **self._asked())
        self.shown, self.next_cursor = found.rows, found.next_cursor

    def _asked(self) -> dict[str, str]:
        return {name: value for name, value in self.asked().items() if name in people.FILTERS}

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every customer shown, for a spreadsheet."""
        return await exporting.download(api, "/billing/customers", people.COLUMNS, "customers", **self._asked())

    @rx.event
    def only(self, name: str, value: str):
        """Filter by one thing."""
        wanted = value.strip().upper() if name in ("currency", "country") else value
        return CustomersState.choose(name, wanted) if wanted != self.chosen.get(name, "") else None

    @rx.event
    def typed(self, form: dict[str, str]):
        """A code, and Enter."""
        return [CustomersState.only(name, value) for name, value in form.items()]

    @rx.event
    def everybody(self):
        """Without any filter."""
        self.chosen, self.search, self.given = {}, "", self.given + 1
        return self._go([""])

    @rx.event
    def ask(self, adding: bool):
        """Open or close the form."""
        self.adding, self.refused, self._key = adding, "", f"console-{uuid4()}"

    @rx.event
    @asking(rights.sell)
    async def add(self, api: Client, form: dict[str, str]):
        """Add the customer and go on to its page."""
        try:
            made = await people.create_customer(api, form, key=self._key)
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        self.adding = False
        return rx.redirect(f"/tenants/{api.tenant_id}/customers/{made}")


@page(
    "/tenants/[tenant_slug]/customers",
    title=title("Customers"),
    current="customers",
    state=CustomersState,
    on_load=CustomersState.load,
    bones=bones,
    tenant_name=TenantState.head.name,
)
def customers() -> rx.Component:
    """Search, the list, the form."""
    state = CustomersState
    return rx.fragment(
        tenant_heading(rx.cond(state.may_sell, primary("New customer", state.ask(True)))),
        listed(
            "Customers",
            search_field("Find a customer", "Name, e-mail or id", state),
            chooser("Owing", OWING, state.owes, lambda one: state.only("openInvoices", one)),
            chooser("Subscribed", SUBSCRIBED, state.subscribed, lambda one: state.only("subscriptionStatus", one)),
            _code("Currency", "currency", state.currency, 3),
            _code("Country", "country", state.country, 2),
            state=state,
            headings=[
                sort_heading("Customer", "name", state.order, state.sort),
                sort_heading("E-mail", "email", state.order, state.sort),
                sort_heading("Identifier", "externalId", state.order, state.sort),
                sort_heading("Country", "country", state.order, state.sort),
                sort_heading("Since", "createdAt", state.order, state.sort),
            ],
            row=_row,
            nothing=_nobody(),
        ),
        _dialog(),
    )


def _code(label: str, name: str, value: rx.Var[str], length: int) -> rx.Component:
    """A filter by a code that has too many values to offer."""
    state = CustomersState
    return rx.el.form(
        rx.el.input(
            key=f"{name}-{value}",
            name=name,
            default_value=value,
            placeholder=label,
            aria_label=label,
            max_length=length,
            auto_complete="off",
            class_name="input compact code",
            on_blur=lambda typed: state.only(name, typed),
        ),
        on_submit=state.typed,
    )


def _row(row: rx.Var[CustomerRow]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/customers/{row.customer_id}"
    return rx.el.tr(
        row_heading(
            rx.link(row.name, href=address, class_name="row-link", unstyled=True),
            rx.cond(row.is_self, rx.fragment(" ", rx.el.span("self", class_name="badge"))),
        ),
        cell(row.email, kind="quiet under"),
        cell(rx.el.span(row.external_id, class_name="mono"), label="Identifier"),
        cell(rx.cond(row.country != "", row.country, "–"), label="Country"),
        cell(instant(row.since), label="Since"),
    )


def _dialog() -> rx.Component:
    state = CustomersState
    return form_dialog(
        "New customer",
        "Its address and tax number can follow.",
        text_field("name", "Name", required=True),
        text_field("email", "E-mail"),
        text_field("externalId", "Your own identifier"),
        submit="Add customer",
        on_submit=state.add,
        is_open=state.adding,
        on_open=state.ask,
        refused=state.refused,
        refused_title="This customer cannot be added",
        width="420px",
    )


def _nobody() -> rx.Component:
    state = CustomersState
    narrowed = (state.owes != "") | (state.subscribed != "") | (state.currency != "") | (state.country != "")
    return rx.cond(
        (state.search != "") | narrowed,
        blank(
            "search-x",
            "No customer matches",
            "Names, e-mail addresses and identifiers are searched, within what is chosen above.",
            rx.el.button("Show everybody", class_name="button", type="button", on_click=state.everybody),
        ),
        blank("users", "No customer yet", "A customer is added here, or appears with its first use."),
    )
