"""What customers were billed, and what of it is open."""

from __future__ import annotations

import reflex as rx

from console import exporting, invoicing, rights
from console.bulk import Bulk
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.form import search_field
from console.components.listed import chooser, listed, primary, question
from console.components.notice import blank
from console.components.progress import progress
from console.components.skipped import skipped_numbers
from console.components.table import cell, heading, row_heading, sort_heading
from console.figures import parse_instant
from console.invoicing import InvoiceRow, Skipped
from console.listing import NEWEST, Addressed
from console.pages.invoice_writing import Writing, dialog
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import ViewerState, asking

STATES = [
    ("", "Every state"),
    ("draft", "Drafts"),
    ("open", "Open"),
    ("paid", "Paid"),
    ("void", "Void"),
    ("uncollectible", "Uncollectible"),
]
DEEDS = {
    "finalize": ("Finalize them?", "Each gets its number and is sent; from then on nothing of it changes.", "Finalize"),
    "void": ("Void them?", "Nothing is owed of them any more. This cannot be taken back.", "Void"),
}


class InvoicesState(Bulk, Writing, Addressed, rx.State):
    """One page of invoices, and those that something is done to."""

    shown: list[InvoiceRow] = []
    skipped: list[Skipped] = []
    status: str = ""
    _by: str = NEWEST
    may_sell: bool = False

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the page that the address names."""
        self.read_address()
        head = await enter(self, api)
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        self.status = self.chosen.get("status", "")
        now = parse_instant(head.clock_iso)
        is_whole = not self.status and not self.search and len(self.cursors) == 1
        self.skipped = await invoicing.skipped(api, now=now) if is_whole else []
        found = await invoicing.invoices(
            api,
            status=self.status,
            customer_id=self.chosen.get("customer", ""),
            number=self.search,
            sort=self.order,
            cursor=self.cursors[-1],
            now=now,
        )
        self.shown, self.next_cursor = found.rows, found.next_cursor
        there = {row.invoice_id for row in found.rows}
        self.picked = [one for one in self.picked if one in there]
        if self.may_sell and not self.writing and (payer := self.chosen.pop("new", "")):
            self.payer = payer
            return InvoicesState.begin_writing
        return None

    @rx.event
    def filter(self, status: str):
        """Only those in one state."""
        self.picked = []
        return InvoicesState.choose("status", status)

    @rx.event
    def pick_all(self, is_on: bool):
        """All of the page, or none."""
        self.picked = [row.invoice_id for row in self.shown] if is_on else []

    @rx.event
    @asking(rights.sell)
    async def step(self, api: Client):
        """Do it to the next one; what is refused is named, and the others go on."""
        number = next((row.number for row in self.shown if row.invoice_id == self.here), self.here)
        try:
            await invoicing.act(api, self.here, self.doing, key=self.key)
        except ApiRefused as refused:
            return self.stepped(f"{number}: {refused.advice}")
        return self.stepped()

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every invoice shown, for a spreadsheet; amounts in the currency's smallest unit."""
        asked = {"status": self.status, "customerId": self.chosen.get("customer", ""), "number": self.search}
        asked["sort"] = self.order
        return await exporting.download(api, invoicing.ADDRESS, invoicing.COLUMNS, "invoices", **asked)


@page(
    "/tenants/[tenant_slug]/invoices",
    title=title("Invoices"),
    current="invoices",
    state=InvoicesState,
    on_load=InvoicesState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def invoices() -> rx.Component:
    """The list, by state."""
    state = InvoicesState
    return rx.fragment(
        tenant_heading(rx.cond(state.may_sell, primary("New invoice", state.begin_writing))),
        progress(state),
        listed(
            "Invoices",
            _deeds(),
            search_field("Find an invoice", "Number", state),
            chooser("State", STATES, state.status, state.filter),
            state=state,
            headings=[
                _all(),
                sort_heading("Invoice", "number", state.order, state.sort),
                heading("Customer"),
                heading("State"),
                sort_heading("Issued", "finalizedAt", state.order, state.sort),
                sort_heading("Due", "dueAt", state.order, state.sort),
                sort_heading("Open", "open", state.order, state.sort, num=True),
                sort_heading("Total", "total", state.order, state.sort, num=True),
            ],
            row=_row,
            nothing=_nothing(),
        ),
        skipped_numbers(state.skipped),
        _confirm(),
        dialog(state),
    )


def status_badge(row: rx.Var[InvoiceRow]) -> rx.Component:
    """An invoice's state; an open one that is overdue says so."""
    tone = rx.match(row.status, ("paid", "badge good"), ("open", "badge warn"), ("uncollectible", "badge bad"), "badge")
    return rx.cond(
        row.is_overdue, rx.el.span("overdue", class_name="badge bad"), rx.el.span(row.status, class_name=tone)
    )


def _pickable() -> rx.Var[bool]:
    state = InvoicesState
    return state.may_sell & ((state.status == "draft") | (state.status == "open"))


def _all() -> rx.Component:
    state = InvoicesState
    box = rx.el.input(
        type="checkbox",
        aria_label="Pick every invoice of the page",
        checked=state.picked.length() == state.shown.length(),
        on_change=state.pick_all,
    )
    return rx.el.th(rx.cond(_pickable(), box, rx.el.span("Pick", class_name="visually-hidden")), class_name="picks")


def _deeds() -> rx.Component:
    state = InvoicesState

    def button(doing: str, text: str) -> rx.Component:
        return rx.el.button(
            text, " ", state.picked.length(), class_name="button", type="button", on_click=state.ask(doing)
        )

    return rx.cond(
        _pickable() & (state.picked.length() > 0),
        rx.cond(state.status == "draft", button("finalize", "Finalize"), button("void", "Void")),
    )


def _row(row: rx.Var[InvoiceRow]) -> rx.Component:
    state = InvoicesState
    address = f"/tenants/{TenantState.head.tenant_id}/invoices/{row.invoice_id}"
    box = rx.el.input(
        type="checkbox",
        aria_label=f"Pick {row.number} of {row.customer}, {row.total}",
        checked=state.picked.contains(row.invoice_id),
        on_change=lambda is_on: state.pick(row.invoice_id, is_on),
    )
    return rx.el.tr(
        cell(rx.cond(_pickable(), box), kind="picks"),
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


def _confirm() -> rx.Component:
    state = InvoicesState

    def said(place: int) -> rx.Var:
        return rx.match(state.doing, *((deed, words[place]) for deed, words in DEEDS.items()), "")

    return question(
        said(0),
        said(1),
        do=said(2),
        on_do=state.begin,
        on_not=state.ask(""),
        is_open=(state.doing != "") & ~state.running,
    )


def _nothing() -> rx.Component:
    return rx.cond(
        (InvoicesState.status != "") | (InvoicesState.search != ""),
        blank("filter-x", "None like this", "Choose another state or number to see more."),
        blank("receipt-text", "No invoice yet", "The first appears when a subscription's first period is billed."),
    )
