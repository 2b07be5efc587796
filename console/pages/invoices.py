"""What customers were billed, and what of it is open."""

from __future__ import annotations

import reflex as rx

from console import exporting, invoicing, rights
from console.client import Client
from console.components.figure import instant
from console.components.notice import blank
from console.components.table import cell, export_button, heading, row_heading, table, turner
from console.figures import parse_instant
from console.invoicing import InvoiceRow
from console.listing import Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import asking

STATES = [
    ("", "Every state"),
    ("draft", "Drafts"),
    ("open", "Open"),
    ("paid", "Paid"),
    ("void", "Void"),
    ("uncollectible", "Uncollectible"),
]


class InvoicesState(Addressed, rx.State):
    """One page of invoices."""

    shown: list[InvoiceRow] = []
    status: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the page that the address names."""
        self.read_address()
        head = await enter(self, api)
        self.status = self.chosen.get("status", "")
        found = await invoicing.invoices(
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
        return InvoicesState.choose("status", status)

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every invoice shown, for a spreadsheet; amounts in the currency's smallest unit."""
        entries = await api.every_own(invoicing.ADDRESS, status=self.status)
        content = exporting.fields_as_csv(invoicing.COLUMNS, entries)
        return rx.download(data=content, filename=exporting.filename("invoices"))


@page(
    "/tenants/[tenant_slug]/invoices",
    title=title("Invoices"),
    current="invoices",
    state=InvoicesState,
    on_load=InvoicesState.load,
    bones=bones,
    tenant_name=TenantState.head.name,
)
def invoices() -> rx.Component:
    """The list, by state."""
    state = InvoicesState
    chooser = rx.el.select(
        *(rx.el.option(text, value=key) for key, text in STATES),
        value=state.status,
        on_change=state.filter,
        class_name="input compact",
        aria_label="State",
    )
    return rx.fragment(
        tenant_heading(),
        rx.el.section(
            rx.el.div(
                rx.el.h2("Invoices"),
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
    )


def status_badge(row: rx.Var[InvoiceRow]) -> rx.Component:
    """An invoice's state; an open one that is overdue says so."""
    tone = rx.match(row.status, ("paid", "badge good"), ("open", "badge warn"), ("uncollectible", "badge bad"), "badge")
    return rx.cond(
        row.is_overdue, rx.el.span("overdue", class_name="badge bad"), rx.el.span(row.status, class_name=tone)
    )


def _table() -> rx.Component:
    state = InvoicesState
    return rx.fragment(
        table(
            "Invoices, newest first",
            [
                heading("Invoice"),
                heading("Customer"),
                heading("State"),
                heading("Issued"),
                heading("Due"),
                heading("Open", num=True),
                heading("Total", num=True),
            ],
            rx.foreach(state.shown, _row),
        ),
        turner(state.cursors, state.next_cursor, previous=state.previous, following=state.following),
    )


def _row(row: rx.Var[InvoiceRow]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/invoices/{row.invoice_id}"
    return rx.el.tr(
        row_heading(rx.link(row.number, href=address, class_name="row-link", unstyled=True)),
        cell(row.customer, kind="under"),
        cell(status_badge(row), label="State"),
        cell(instant(row.at), label="Issued"),
        cell(instant(row.due, otherwise="–"), label="Due"),
        cell(
            rx.cond(row.is_open, rx.el.span(row.open, class_name="money owed"), rx.el.span("–", class_name="quiet")),
            kind="num",
            label="Open",
        ),
        cell(rx.el.span(row.total, class_name="money"), kind="num main"),
    )


def _nothing() -> rx.Component:
    return rx.cond(
        InvoicesState.status != "",
        blank("filter-x", "None in this state", "Choose another state to see more."),
        blank("receipt-text", "No invoice yet", "The first appears when a subscription's first period is billed."),
    )
