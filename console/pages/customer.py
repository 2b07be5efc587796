"""One customer: what it has and owes, who it is, where invoices go, how it is taxed."""

from __future__ import annotations

import asyncio

import reflex as rx

from console import customers, invoicing, paying, rights, subscribing, withdrawing
from console.client import ApiRefused, Client
from console.components.figure import figure, figures, instant
from console.components.form import select_field, text_field
from console.components.notice import blank, notice
from console.components.table import cell, heading, row_heading, table
from console.customers import Profile
from console.figures import parse_instant
from console.invoicing import InvoiceRow
from console.pages.invoices import status_badge as invoice_badge
from console.pages.subscriptions import status_badge
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.pages.written import Withdrawing, written
from console.paying import InvoicePayment
from console.subscribing import SubscriptionRow
from console.template import page
from console.viewer import ViewerState, asking
from console.withdrawing import Written

TREATMENTS = [
    ("automatic", "As the rates of its country say"),
    ("exempt", "Exempt"),
    ("reverse_charge", "The customer owes it (reverse charge)"),
]


class CustomerState(Withdrawing, rx.State):
    """A customer's profile, and what came of changing it. `edition` makes the form begin anew."""

    shown: Profile = Profile()
    edition: int = 0
    saved: bool = False
    said: str = ""
    refused: str = ""
    may_sell: bool = False
    subscriptions: list[SubscriptionRow] = []
    invoices: list[InvoiceRow] = []
    payments: list[InvoicePayment] = []
    owing: int = 0
    wallet: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch it."""
        await self._show(api)

    async def _show(self, api: Client) -> None:
        head = await enter(self, api)
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        now = parse_instant(head.clock_iso)
        self.shown = await customers.customer(api, self.customer_id, now=now)
        self.edition, self.saved, self.refused = self.edition + 1, False, ""
        self.said, self.withdrawn = "", Written()
        which = self.shown.customer_id
        taken, billed, paid, self.wallet, self.written = await asyncio.gather(
            subscribing.subscriptions(api, customerId=which, now=now),
            invoicing.invoices(api, customer_id=which, now=now),
            paying.of_invoices(api, customerId=which, now=now),
            customers.wallet(api, which),
            withdrawing.waiting(api, which, now=now),
        )
        self.subscriptions, self.invoices, self.payments = taken.rows, billed.rows, paid.rows
        self.owing = sum(1 for row in billed.rows if row.is_open)

    @rx.event
    @asking(rights.sell)
    async def save(self, api: Client, form: dict[str, str]):
        """Change what the form says."""
        head = await enter(self, api)
        try:
            await customers.change_customer(api, self.shown.customer_id, form)
        except ApiRefused as refused:
            self.refused, self.saved = refused.advice, False
            return
        self.shown = await customers.customer(api, self.shown.customer_id, now=parse_instant(head.clock_iso))
        self.edition, self.saved, self.refused = self.edition + 1, True, ""


@page(
    "/tenants/[tenant_slug]/customers/[customer_id]",
    title=title("Customer"),
    current="customers",
    state=CustomerState,
    on_load=CustomerState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def customer() -> rx.Component:
    """The profile."""
    state = CustomerState
    return rx.fragment(
        tenant_heading(rx.cond(state.may_sell, _actions())),
        figures(
            figure("Customer", state.shown.title, rx.el.span(state.shown.external_id, class_name="mono")),
            figure("Subscriptions", state.subscriptions.length(), "the newest are below"),
            figure("Open invoices", state.owing, rx.cond(state.owing > 0, "not paid yet", "nothing is owed")),
            figure("Credits", rx.cond(state.wallet != "", state.wallet, "–"), "", total=True),
        ),
        rx.cond(state.said != "", notice("good", "Done", state.said)),
        _has(),
        written(state, "Waiting to be billed", billed=True),
        rx.cond(state.saved, notice("good", "Saved", "Invoices that were issued keep what they say.")),
        rx.cond(state.refused != "", notice("bad", "This cannot be done", state.refused)),
        rx.el.form(
            rx.el.section(
                rx.el.div(
                    rx.el.h2(state.shown.title, " ", rx.el.span(state.shown.external_id, class_name="mono quiet")),
                    rx.cond(
                        state.shown.changed.iso != "",
                        rx.el.span("changed ", instant(state.shown.changed), class_name="note"),
                    ),
                    class_name="sheet-head centered",
                ),
                rx.el.div(
                    _text("name", "Name"),
                    _text("email", "E-mail"),
                    _text("phone", "Phone"),
                    class_name="sheet-body fields",
                ),
                class_name="sheet",
            ),
            rx.el.section(
                rx.el.div(rx.el.h2("Address"), class_name="sheet-head centered"),
                rx.el.div(
                    _text("line1", "Street and number"),
                    _text("line2", "Second line"),
                    _text("postalCode", "Postal code"),
                    _text("city", "City"),
                    _text("region", "Region or state"),
                    _text("country", "Country", hint="Two letters, such as DE."),
                    class_name="sheet-body fields",
                ),
                class_name="sheet",
            ),
            rx.el.section(
                rx.el.div(rx.el.h2("Tax, language, time"), class_name="sheet-head centered"),
                rx.el.div(
                    _text("taxId", "Tax number", hint="Checked by its country's rules."),
                    select_field("taxTreatment", "Taxed", TREATMENTS, value=state.shown.fields["taxTreatment"]),
                    _text("taxExemptReason", "Why exempt"),
                    _text("language", "Language", hint="Such as de or en."),
                    _text("timeZone", "Time zone", hint="Such as Europe/Berlin."),
                    _text("currency", "Currency", hint="Empty: the tenant's."),
                    class_name="sheet-body fields",
                ),
                class_name="sheet",
            ),
            rx.cond(
                state.may_sell,
                rx.el.div(rx.el.button("Save", class_name="button primary", type="submit"), class_name="page-actions"),
            ),
            on_submit=state.save,
            class_name="stack",
            key=state.edition.to_string(),
        ),
    )


def _text(name: str, text: str, *, hint: str = "") -> rx.Component:
    return text_field(name, text, value=CustomerState.shown.fields[name], hint=hint)


def _actions() -> rx.Component:
    def go(text: str, where: str) -> rx.Component:
        base = f"/tenants/{TenantState.head.tenant_id}"
        href = f"{base}/{where}?new={CustomerState.shown.customer_id}"
        return rx.link(text, href=href, class_name="button", unstyled=True)

    return rx.fragment(go("Subscribe", "subscriptions"), go("New invoice", "invoices"))


def _has() -> rx.Component:
    state = CustomerState
    subscriptions = table(
        "Subscriptions, newest first",
        [heading("Plan"), heading("State"), heading("Renews or ends"), heading("Fixed part, one of each", num=True)],
        rx.foreach(state.subscriptions, _subscription),
    )
    invoices = table(
        "Invoices, newest first",
        [
            heading("Invoice"),
            heading("State"),
            heading("Issued"),
            heading("Open", num=True),
            heading("Total", num=True),
        ],
        rx.foreach(state.invoices, _invoice),
    )
    payments = table(
        "Payments, newest first",
        [heading("Invoice"), heading("By"), heading("State"), heading("When"), heading("Amount", num=True)],
        rx.foreach(state.payments, _payment),
    )
    nothing = blank("repeat", "No subscription yet", "A customer that subscribes to a plan is billed by itself.")
    return rx.fragment(
        rx.el.div(
            _sheet("Subscriptions", rx.cond(state.subscriptions.length() > 0, subscriptions, nothing), ""),
            rx.cond(state.invoices.length() > 0, _sheet("Invoices", invoices, "")),
            class_name="stack",
        ),
        rx.cond(state.payments.length() > 0, _sheet("Payments", payments, "")),
    )


def _sheet(name: str, content: rx.Component, note: rx.Var[str] | str) -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2(name), rx.el.span(note, class_name="note"), class_name="sheet-head centered"),
        content,
        class_name="sheet",
    )


def _subscription(row: rx.Var[SubscriptionRow]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/subscriptions/{row.subscription_id}"
    return rx.el.tr(
        row_heading(rx.link(row.plan, href=address, class_name="row-link", unstyled=True)),
        cell(status_badge(row.status), label="State"),
        cell(row.until, " ", instant(row.renews), label="Renews or ends"),
        cell(
            rx.el.span(row.price, class_name="money"), rx.el.span(" a ", row.every, class_name="unit"), kind="num main"
        ),
    )


def _invoice(row: rx.Var[InvoiceRow]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/invoices/{row.invoice_id}"
    return rx.el.tr(
        row_heading(rx.link(row.number, href=address, class_name="row-link", unstyled=True)),
        cell(invoice_badge(row), label="State"),
        cell(instant(row.at), label="Issued"),
        cell(
            rx.cond(row.is_open, rx.el.span(row.open, class_name="money owed"), rx.el.span("–", class_name="quiet")),
            kind="num",
            label="Open",
        ),
        cell(rx.el.span(row.total, class_name="money"), kind="num main"),
    )


def _payment(row: rx.Var[InvoicePayment]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/invoices/{row.invoice_id}"
    return rx.el.tr(
        row_heading(rx.link(row.number, href=address, class_name="row-link", unstyled=True)),
        cell(row.means, label="By"),
        cell(row.status, rx.cond(row.why != "", rx.el.span(row.why, class_name="below")), label="State"),
        cell(instant(row.at), label="When"),
        cell(rx.el.span(row.amount, class_name="money"), kind="num main"),
    )
