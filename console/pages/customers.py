"""Whom a tenant sells to."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import customers as people
from console import exporting, rights
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.form import search_field, text_field
from console.components.notice import blank, notice
from console.components.table import cell, export_button, heading, row_heading, table, turner
from console.customers import CustomerRow
from console.figures import parse_instant
from console.listing import Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import ViewerState, asking


class CustomersState(Addressed, rx.State):
    """One page of customers, and the one that is being added."""

    shown: list[CustomerRow] = []
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
        found = await people.customers(
            api, search=self.search, cursor=self.cursors[-1], now=parse_instant(head.clock_iso)
        )
        self.shown, self.next_cursor = found.rows, found.next_cursor

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every customer, for a spreadsheet."""
        entries = await api.every_own("/billing/customers", search=self.search)
        return rx.download(
            data=exporting.fields_as_csv(people.COLUMNS, entries), filename=exporting.filename("customers")
        )

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
    add = rx.el.button(
        rx.icon("plus", size=16, aria_hidden=True),
        "New customer",
        class_name="button primary",
        type="button",
        on_click=state.ask(True),
    )
    return rx.fragment(
        tenant_heading(rx.cond(state.may_sell, add)),
        rx.el.section(
            rx.el.div(
                rx.el.h2("Customers"),
                rx.el.div(
                    search_field("Find a customer", "Name, e-mail or id", state),
                    rx.cond(state.shown.length() > 0, export_button(state.export_csv)),
                    class_name="page-actions",
                ),
                class_name="sheet-head centered",
            ),
            rx.cond(state.shown.length() > 0, _table(), _nobody()),
            class_name="sheet",
        ),
        _dialog(),
    )


def _table() -> rx.Component:
    state = CustomersState
    return rx.fragment(
        table(
            "Customers, newest first",
            [heading("Customer"), heading("E-mail"), heading("Identifier"), heading("Country"), heading("Since")],
            rx.foreach(state.shown, _row),
        ),
        turner(state.cursors, state.next_cursor, previous=state.previous, following=state.following),
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
        cell(row.country, label="Country"),
        cell(instant(row.since), label="Since"),
    )


def _dialog() -> rx.Component:
    state = CustomersState
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("New customer", size="4", margin_bottom="4px"),
            rx.dialog.description("Its address and tax number can follow.", size="2", margin_bottom="14px"),
            rx.el.form(
                text_field("name", "Name", required=True),
                text_field("email", "E-mail"),
                text_field("externalId", "Your own identifier"),
                rx.cond(state.refused != "", notice("bad", "This customer cannot be added", state.refused)),
                rx.el.div(
                    rx.dialog.close(rx.el.button("Not now", class_name="button plain", type="button")),
                    rx.el.button("Add customer", class_name="button primary", type="submit"),
                    class_name="dialog-foot",
                ),
                on_submit=state.add,
                class_name="stack",
            ),
            max_width="420px",
        ),
        open=state.adding,
        on_open_change=state.ask,
    )


def _nobody() -> rx.Component:
    return rx.cond(
        CustomersState.search != "",
        blank("search-x", "No customer matches", "Names, e-mail addresses and identifiers are searched."),
        blank("users", "No customer yet", "A customer is added here, or appears with its first use."),
    )
