"""What was paid for invoices and for credits, what failed and why, what went back."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import exporting, paying, rights
from console.client import ApiRefused, Client
from console.components.choice import segments
from console.components.figure import dated, instant
from console.components.form import search_field, text_field
from console.components.listed import chooser, form_dialog, listed
from console.components.notice import blank, notice
from console.components.table import cell, heading, row_heading, table
from console.figures import parse_instant
from console.listing import Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.paying import InvoicePayment, PaymentDetail, PaymentRow, Return
from console.template import page
from console.viewer import ViewerState, asking

VIEWS = [("invoices", "For invoices"), ("credits", "For credits")]
INVOICE_STATES = [
    ("", "Every state"),
    ("succeeded", "Succeeded"),
    ("pending", "Waiting"),
    ("failed", "Failed"),
    ("canceled", "Canceled"),
]
STATES = [
    ("", "Every state"),
    ("paid", "Paid"),
    ("pending", "Waiting"),
    ("failed", "Failed"),
    ("canceled", "Canceled"),
    ("refunded", "Refunded"),
]


class PaymentsState(Addressed, rx.State):
    """One page of payments, and the one that the address names."""

    view: str = "invoices"
    shown: list[PaymentRow] = []
    of_invoices: list[InvoicePayment] = []
    status: str = ""
    one: PaymentDetail = PaymentDetail()
    may_buy: bool = False
    refunding: bool = False
    refused: str = ""
    _key: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the page that the address names."""
        self.read_address()
        now = parse_instant((await enter(self, api)).clock_iso)
        self.may_buy = (await self.get_state(ViewerState)).may_buy
        self.status = self.chosen.get("status", "")
        customer, cursor = self.chosen.get("customer", ""), self.cursors[-1]
        purchase_id = self.chosen.get("payment", "")
        self.view = "credits" if purchase_id or self.chosen.get("show") == "credits" else "invoices"
        if self.view == "credits":
            found = await paying.payments(api, status=self.status, customer_id=customer, cursor=cursor, now=now)
            self.shown, self.next_cursor = found.rows, found.next_cursor
        else:
            paid = await paying.of_invoices(
                api, status=self.status, customerId=customer, search=self.search, cursor=cursor, now=now
            )
            self.of_invoices, self.next_cursor = paid.rows, paid.next_cursor
        self.one = await paying.payment(api, purchase_id, now=now) if purchase_id else PaymentDetail()

    @rx.event
    def filter(self, status: str):
        """Only those in one state."""
        return PaymentsState.choose("status", status)

    @rx.event
    def look_at(self, view: str):
        """The other view, from its beginning."""
        self.chosen, self.search, self.given = {"show": view}, "", self.given + 1
        return self._go([""])

    @rx.event
    def ask(self, is_open: bool):
        """Open or close the form."""
        self.refunding, self.refused, self._key = is_open, "", f"console-{uuid4()}"

    @rx.event
    @asking(rights.buy)
    async def refund(self, api: Client, form: dict[str, str]):
        """Give it back."""
        row = self.one.row
        amount, reason = (str(form.get(name) or "").strip() for name in ("amount", "reason"))
        try:
            await paying.refund(
                api, row.purchase_id, amount=amount, reason=reason, currency=self.one.currency, key=self._key
            )
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        self.refunding = False
        return PaymentsState.load

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every payment shown; amounts in the currency's smallest unit."""
        asked = {"status": self.status, "customerId": self.chosen.get("customer", "")}
        if self.view == "invoices":
            asked["search"] = self.search
            return await exporting.download(
                api, paying.OF_INVOICES, paying.INVOICE_COLUMNS, "payments-of-invoices", **asked
            )
        return await exporting.download(api, paying.ADDRESS, paying.COLUMNS, "payments", **asked)


@page(
    "/tenants/[tenant_slug]/payments",
    title=title("Payments"),
    current="payments",
    state=PaymentsState,
    on_load=PaymentsState.load,
    bones=bones,
    tenant_name=TenantState.head.name,
)
def payments() -> rx.Component:
    """One payment where the address names it, and the list."""
    state = PaymentsState
    return rx.fragment(
        tenant_heading(segments("Payments", state.view, state.look_at, VIEWS)),
        rx.cond(state.one.row.purchase_id != "", _one()),
        rx.cond(state.view == "credits", _of_credits(), _of_invoices()),
        form_dialog(
            "Give money back",
            rx.fragment("At most ", state.one.left, ", and no more than is unspent of its credits."),
            text_field("amount", "Amount", numeric=True, hint="All that is left when empty."),
            text_field("reason", "Why"),
            submit="Give it back",
            on_submit=state.refund,
            is_open=state.refunding,
            on_open=state.ask,
            refused=state.refused,
            refused_title="This cannot be given back",
        ),
    )


def _of_invoices() -> rx.Component:
    state = PaymentsState
    return listed(
        "Payments of invoices",
        search_field("Find a payment", "Invoice, reference or customer", state),
        chooser("State", INVOICE_STATES, state.status, state.filter),
        state=state,
        headings=[
            heading("Invoice"),
            heading("Customer"),
            heading("When, UTC"),
            heading("By"),
            heading("State"),
            heading("Refunded", num=True),
            heading("Amount", num=True),
        ],
        row=_of_invoice,
        shown=state.of_invoices,
        nothing=_nothing(),
    )


def _of_invoice(row: rx.Var[InvoicePayment]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/invoices/{row.invoice_id}"
    return rx.el.tr(
        row_heading(rx.link(row.number, href=address, class_name="row-link", unstyled=True)),
        cell(row.customer, kind="under"),
        cell(dated(row.at), label="When"),
        cell(row.means, label="By"),
        cell(_status(row.status), rx.cond(row.why != "", rx.el.span(row.why, class_name="below")), label="State"),
        cell(rx.cond(row.refunded != "", row.refunded, "–"), kind="num", label="Refunded"),
        cell(rx.el.span(row.amount, class_name="money"), kind="num main"),
    )


def _of_credits() -> rx.Component:
    state = PaymentsState
    return listed(
        "Payments of credits",
        chooser("State", STATES, state.status, state.filter),
        state=state,
        headings=[
            heading("What"),
            heading("Customer"),
            heading("When, UTC"),
            heading("By"),
            heading("State"),
            heading("Refunded", num=True),
            heading("Amount", num=True),
        ],
        row=_row,
        nothing=_nothing(),
    )


def _one() -> rx.Component:
    state, one = PaymentsState, PaymentsState.one
    give = rx.el.button("Refund", class_name="button", type="button", on_click=state.ask(True))
    return rx.el.section(
        rx.el.div(
            rx.el.h2(one.row.what, ", ", one.row.amount),
            rx.el.div(rx.cond(state.may_buy & (one.left != ""), give), class_name="page-actions"),
            class_name="sheet-head centered",
        ),
        rx.el.div(
            rx.el.p(
                "Of ", one.row.customer, " for ", one.credits, " of credits, ", instant(one.row.at), ". ",
                rx.el.span(one.row.purchase_id, class_name="mono quiet"),
            ),
            rx.cond(one.row.failure != "", notice("bad", "It was refused", one.row.failure)),
            class_name="sheet-body stack",
        ),
        rx.cond(
            one.returns.length() > 0,
            table(
                "What went back of it",
                [heading("What"), heading("State"), heading("Why"), heading("When"), heading("Amount", num=True)],
                rx.foreach(one.returns, _return),
            ),
        ),
        class_name="sheet",
    )  # fmt: skip


def _return(one: rx.Var[Return]) -> rx.Component:
    return rx.el.tr(
        row_heading(one.what),
        cell(_status(one.status), label="State"),
        cell(one.why, kind="quiet wide"),
        cell(instant(one.at), label="When"),
        cell(rx.el.span(one.amount, class_name="money"), kind="num main"),
    )


def _row(row: rx.Var[PaymentRow]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/payments?payment={row.purchase_id}"
    return rx.el.tr(
        row_heading(rx.link(row.what, href=address, class_name="row-link", unstyled=True)),
        cell(row.customer, kind="under"),
        cell(dated(row.at), label="When"),
        cell(row.means, label="By"),
        cell(
            _status(row.status),
            rx.cond(row.failure != "", rx.el.span(row.failure, class_name="below")),
            label="State",
        ),
        cell(rx.cond(row.refunded != "", row.refunded, "–"), kind="num", label="Refunded"),
        cell(rx.el.span(row.amount, class_name="money"), kind="num main"),
    )


def _status(status: rx.Var[str]) -> rx.Component:
    tone = rx.match(
        status,
        ("paid", "badge good"),
        ("succeeded", "badge good"),
        ("won", "badge good"),
        ("pending", "badge warn"),
        ("open", "badge warn"),
        ("failed", "badge bad"),
        ("lost", "badge bad"),
        "badge",
    )
    return rx.el.span(status, class_name=tone)


def _nothing() -> rx.Component:
    return rx.cond(
        (PaymentsState.status != "") | (PaymentsState.search != ""),
        blank("filter-x", "None like this", "Search for something else, or choose another state to see more."),
        blank("credit-card", "Nothing was paid yet", "Payments appear here as soon as they are begun."),
    )
