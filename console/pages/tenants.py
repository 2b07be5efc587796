"""Every tenant of the installation: searched, sorted and paged by the API, as the address says."""

from __future__ import annotations

import reflex as rx

from console import exporting, rights
from console.client import Client
from console.components.figure import instant, owed, short
from console.components.form import search_field
from console.components.notice import blank, table_bones
from console.components.table import cell, export_button, pager, row_heading, sort_heading, table
from console.components.table import heading as column
from console.listing import Addressed
from console.rows import TenantPage, TenantRow
from console.template import page
from console.viewer import asking

COLUMNS = {
    "Tenant": "name",
    "Identifier": "tenantId",
    "Currency": "currency",
    "Available": "available",
    "Balance": "balance",
    "Receivable": "receivable",
    "Open invoices": "invoicesOpen",
    "Overdue": "invoicesOverdue",
    "Usage, 30 days": "usage30d",
    "Last used": "lastUsedAt",
    "Members": "members",
    "Since": "createdAt",
}


class TenantsState(Addressed, rx.State):
    """One page of the list."""

    shown: TenantPage = TenantPage()
    _by: str = "name"

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch the page that the address names."""
        self.read_address()
        self.shown = await api.tenants(search=self.search, sort=self.order, cursor=self.cursors[-1])
        self.next_cursor = self.shown.next_cursor

    @rx.event
    @asking(rights.see_installation)
    async def export_csv(self, api: Client):
        """Every tenant that is found, for a spreadsheet."""
        entries = await api.every("/operations/tenants", search=self.search, sort=self.order)
        return rx.download(data=exporting.fields_as_csv(COLUMNS, entries), filename=exporting.filename("tenants"))


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(heading(), table_bones(9))


def heading(*actions: rx.Component) -> rx.Component:
    """The page's title."""
    return rx.el.header(
        rx.el.div(rx.el.h1("Tenants"), rx.el.p("Who buys here, how they stand, and what they owe.", class_name="sub")),
        rx.el.div(*actions, class_name="page-actions") if actions else None,
        class_name="page-head",
    )


@page(
    "/tenants",
    title="Tenants · CloudBill",
    current="tenants",
    state=TenantsState,
    on_load=TenantsState.load,
    bones=bones,
)
def tenants() -> rx.Component:
    """Search, table, pager."""
    return rx.fragment(
        heading(
            search_field("Find a tenant", "Name or identifier", TenantsState),
            rx.cond(TenantsState.shown.rows.length() > 0, export_button(TenantsState.export_csv)),
        ),
        rx.el.section(
            rx.cond(TenantsState.shown.rows.length() > 0, _table(), _nobody()),
            class_name="sheet",
            aria_label="Tenants",
        ),
    )


def _table() -> rx.Component:
    state = TenantsState
    return rx.fragment(
        table(
            "Tenants with their credits and usage",
            [
                sort_heading("Tenant", "name", state.order, state.sort),
                column("Identifier"),
                sort_heading("Available", "available", state.order, state.sort, num=True),
                sort_heading("Balance", "balance", state.order, state.sort, num=True),
                sort_heading("Receivable", "receivable", state.order, state.sort, num=True),
                sort_heading("Open invoices", "invoicesOpen", state.order, state.sort, num=True),
                column("Overdue", num=True),
                sort_heading("Usage, 30 days", "usage30d", state.order, state.sort, num=True),
                sort_heading("Last used", "lastUsedAt", state.order, state.sort, num=True),
            ],
            rx.foreach(state.shown.rows, _row),
        ),
        pager(
            rx.fragment(state.shown.total, " tenants, page ", state.cursors.length()),
            previous=state.previous,
            following=state.following,
            first=state.cursors.length() <= 1,
            last=state.shown.next_cursor == "",
        ),
    )


def _row(row: rx.Var[TenantRow]) -> rx.Component:
    return rx.el.tr(
        row_heading(
            rx.link(row.name, href=f"/tenants/{row.tenant_id}", class_name="row-link", unstyled=True),
            " ",
            rx.cond(row.is_test, rx.el.span("test", class_name="badge")),
        ),
        cell(row.tenant_id, kind="quiet under"),
        cell(short(row.available), rx.el.span(" available", class_name="unit"), kind="num main"),
        cell(short(row.balance), kind="num", label="Balance"),
        cell(owed(row.receivable), kind="num", label="Receivable"),
        cell(
            rx.cond(row.invoices_open.sign > 0, short(row.invoices_open), rx.el.span("–", class_name="quiet")),
            kind="num",
            label="Open invoices",
        ),
        cell(owed(row.invoices_overdue), kind="num", label="Overdue"),
        cell(short(row.usage_30d), kind="num", label="Usage, 30 days"),
        cell(instant(row.last_used), kind="num", label="Last used"),
    )


def _nobody() -> rx.Component:
    return rx.cond(
        TenantsState.search != "",
        blank(
            "search-x",
            rx.fragment("No tenant matches “", TenantsState.search, "”"),
            "Names and identifiers are searched.",
        ),
        blank(
            "building-2",
            "No tenant yet",
            "The first to register at POST /auth/register with a new tenantId appears here.",
        ),
    )
