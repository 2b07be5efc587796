"""One invoice: its lines with their arithmetic, the document, and what may be done with it."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import amounts, collecting, correcting, invoicing, rights, withdrawing
from console.client import ApiRefused, Client
from console.collecting import Paying
from console.components.bill import bill
from console.components.browser import plain_link
from console.components.corrections import corrections
from console.components.figure import figure, figures, instant
from console.components.form import text_field
from console.components.listed import form_dialog, question
from console.components.notice import notice
from console.components.table import cell, heading, row_heading, table
from console.correcting import Correction
from console.figures import parse_instant
from console.invoicing import CreditNote, Drift, Invoice, Recomputed
from console.pages.invoice_changing import Changing, dialogs
from console.pages.invoice_payments import Undoing, payments
from console.pages.invoices import status_badge
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.pages.written import Withdrawing, written
from console.template import page
from console.viewer import ViewerState, asking
from console.withdrawing import Written

DEEDS = {
    "finalize": ("Finalize it?", "It gets its number and is sent; from then on nothing of it changes.", "Finalize"),
    "void": ("Void it?", "Nothing is owed of it any more. Its number stays. This cannot be taken back.", "Void"),
    "void_draft": (
        "Discard this draft?",
        "It gets no number, and what stands on it is billed neither now nor later. This cannot be taken back.",
        "Discard it",
    ),
    "uncollectible": ("Give it up?", "It is no longer asked for; money that still comes is taken.", "Give it up"),
}


class InvoiceState(Changing, Undoing, Withdrawing, rx.State):
    """An invoice, and what is about to be done with it."""

    shown: Invoice = Invoice()
    recomputed: Recomputed = Recomputed()
    doing: str = ""
    refused: str = ""
    may_sell: bool = False
    corrections: list[Correction] = []
    recording: bool = False
    link: str = ""
    _key: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch it."""
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        await self._show(api)

    async def _show(self, api: Client) -> None:
        now = parse_instant((await enter(self, api)).clock_iso)
        self.shown = await invoicing.invoice(api, self.invoice_id, now=now)
        self.payments = await collecting.payments_of(api, self.invoice_id, now=now)
        self.corrections = await correcting.corrections_of(api, self.invoice_id, now=now)
        self.written, self.withdrawn = [], Written()
        if self.shown.row.status == "draft":
            self.written = await withdrawing.on_draft(api, self.invoice_id, self.shown.currency, now=now)
        self.recording, self.said, self.link = False, "", ""
        self.crediting = self.writing = False
        self.undoing = Paying()
        self.recomputed, self.doing, self.refused, self._key = Recomputed(), "", "", f"console-{uuid4()}"

    @rx.event
    def ask(self, doing: str):
        """Say what is about to be done, before it is."""
        self.doing = doing

    @rx.event
    @asking(rights.sell)
    async def do(self, api: Client):
        """Do it."""
        try:
            await invoicing.act(api, self.invoice_id, self.doing.removesuffix("_draft"), key=self._key)
        except ApiRefused as refused:
            self.refused, self.doing = refused.advice, ""
            return
        await self._show(api)

    @rx.event
    @asking(rights.sell)
    async def charge(self, api: Client):
        """Charge what is open by the customer's card."""
        try:
            said = await collecting.charge(api, self.invoice_id)
        except ApiRefused as refused:
            self.refused = refused.advice
            return
        await self._show(api)
        self.said = f"The charge: {said}."

    @rx.event
    @asking(rights.sell)
    async def make_link(self, api: Client):
        """An address by which the customer pays without signing in."""
        self.link = await collecting.link(api, self.invoice_id)

    @rx.event
    def ask_record(self, is_open: bool):
        """Open or close the form."""
        self.recording, self.refused = is_open, ""

    @rx.event
    @asking(rights.sell)
    async def record(self, api: Client, form: dict[str, str]):
        """Note money that came past the provider."""
        amount = str(form.get("amount") or "").strip() or self.shown.open
        try:
            minor = amounts.in_minor(amount, self.shown.currency)
            await collecting.record(
                api, self.invoice_id, amount_minor=minor, reference=str(form.get("reference") or "").strip()
            )
        except ApiRefused as refused:
            self.refused = refused.advice
            return
        await self._show(api)
        self.said = "It is recorded."

    @rx.event
    @asking(rights.see_tenant)
    async def recompute(self, api: Client):
        """Work it out anew, and say what differs."""
        self.recomputed = await invoicing.recompute(api, self.invoice_id)


@page(
    "/tenants/[tenant_slug]/invoices/[invoice_id]",
    title=title("Invoice"),
    current="invoices",
    state=InvoiceState,
    on_load=InvoiceState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def invoice() -> rx.Component:
    """The invoice and its document side by side."""
    state, row = InvoiceState, InvoiceState.shown.row
    return rx.fragment(
        tenant_heading(_actions()),
        rx.cond(
            state.shown.finalizes.iso != "",
            notice("", "A draft", rx.fragment("It becomes final on ", state.shown.finalizes.absolute, " by itself.")),
        ),
        rx.cond((state.refused != "") & ~state.recording, notice("bad", "This cannot be done", state.refused)),
        rx.cond(state.said != "", notice("good", "Done", state.said)),
        rx.cond(
            state.link != "",
            notice("", "Whoever has this address may pay", rx.el.code(state.link, class_name="long")),
        ),
        _recomputed(),
        figures(
            figure(
                row.number,
                status_badge(row),
                rx.link(row.customer, href=f"/tenants/{TenantState.head.tenant_id}/customers/{row.customer_id}"),
            ),
            figure("Issued", instant(row.at), rx.cond(row.due.iso != "", rx.fragment("due ", row.due.absolute), "")),
            figure("Open", rx.el.span(state.shown.open, class_name="money"), ""),
            figure("Total", rx.el.span(row.total, class_name="money"), "", total=True),
        ),
        rx.el.div(_lines(), _document(), class_name="wide-and-narrow even loose"),
        written(state, "Written by hand"),
        payments(state),
        corrections(state.corrections, f"/tenants/{TenantState.head.tenant_id}/invoices"),
        rx.cond(state.shown.notes.length() > 0, _notes()),
        _confirm(),
        dialogs(state),
        form_dialog(
            "Record a payment",
            rx.fragment("Money that came by a transfer, say. Open are ", state.shown.open, "."),
            text_field("amount", "Amount", numeric=True, hint="All that is open when empty."),
            text_field("reference", "Reference", required=True, hint="As the bank names it."),
            submit="Record it",
            on_submit=state.record,
            is_open=state.recording,
            on_open=state.ask_record,
            refused=state.refused,
            refused_title="This cannot be recorded",
        ),
    )


def _actions() -> rx.Component:
    state, status = InvoiceState, InvoiceState.shown.row.status

    def button(doing: str, text: str, kind: str = "button") -> rx.Component:
        return rx.el.button(text, class_name=kind, type="button", on_click=state.ask(doing))

    def deed(text: str, on_click: rx.EventHandler) -> rx.Component:
        return rx.el.button(text, class_name="button", type="button", on_click=on_click)

    final = (status != "draft") & (status != "void")
    return rx.fragment(
        rx.cond(final, rx.el.button("Recompute", class_name="button", type="button", on_click=state.recompute)),
        rx.cond(
            state.may_sell,
            rx.fragment(
                rx.cond(
                    status == "draft",
                    rx.fragment(
                        deed("Write a line", state.ask_line(True)),
                        button("void_draft", "Discard"),
                        button("finalize", "Finalize", "button primary"),
                    ),
                ),
                rx.cond(
                    (status == "open") | (status == "uncollectible"),
                    rx.fragment(
                        deed("Charge it", state.charge),
                        deed("Record a payment", state.ask_record(True)),
                        deed("Payment link", state.make_link),
                    ),
                ),
                rx.cond(status == "open", rx.fragment(button("void", "Void"), button("uncollectible", "Give it up"))),
                rx.cond(final, deed("Credit", state.ask_credit(True))),
            ),
        ),
    )


def _recomputed() -> rx.Component:
    found = InvoiceState.recomputed
    same = notice(
        "good", "Recomputed", "From raw events, price versions and tax rates it comes to the same, line by line."
    )
    differs = notice(
        "bad",
        "It no longer follows from what it was made of",
        rx.el.span(rx.foreach(found.drifts, _drift)),
    )
    return rx.cond(found.number != "", rx.cond(found.drifted, differs, same))


def _drift(drift: rx.Var[Drift]) -> rx.Component:
    return rx.el.span(drift.line, " ", drift.cause, ": ", drift.detail, ". ", class_name="below")


def _lines() -> rx.Component:
    state = InvoiceState
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Lines"),
            rx.cond(
                state.shown.subscription_id != "",
                rx.link(
                    "Its subscription",
                    href=f"/tenants/{TenantState.head.tenant_id}/subscriptions/{state.shown.subscription_id}",
                    class_name="note",
                ),
            ),
            class_name="sheet-head centered",
        ),
        rx.el.div(
            bill(state.shown.bill),
            rx.cond(
                state.shown.more_lines > 0,
                rx.el.p(state.shown.more_lines, " more lines are on the document.", class_name="small-print"),
            ),
            rx.cond(state.shown.settled.length() > 0, _settled()),
            rx.cond(state.shown.memo != "", rx.el.p(state.shown.memo, class_name="small-print")),
            class_name="sheet-body",
        ),
        class_name="sheet",
    )


def _settled() -> rx.Component:
    shown = InvoiceState.shown
    return rx.el.dl(
        rx.foreach(shown.settled, lambda one: rx.el.div(rx.el.dt(one.name), rx.el.dd(one.amount, class_name="money"))),
        rx.el.div(rx.el.dt("Open"), rx.el.dd(shown.open, class_name="money"), class_name="bill-sum total"),
        class_name="bill-sums",
    )


def _document() -> rx.Component:
    shown = InvoiceState.shown
    base = f"/documents/{TenantState.head.tenant_id}/invoices/{shown.row.invoice_id}"
    final = rx.fragment(
        rx.el.iframe(
            src=f"{base}.pdf#navpanes=0&view=FitH", title="The invoice as PDF", class_name="document", loading="lazy"
        ),
        rx.el.div(
            plain_link("Open the PDF", href=f"{base}.pdf", class_name="button small", target="_blank"),
            plain_link("E-invoice (XML)", href=f"{base}.xml", class_name="button small"),
            class_name="sheet-body page-actions",
        ),
    )
    return rx.el.section(
        rx.el.div(rx.el.h2("Document"), class_name="sheet-head centered"),
        rx.cond(
            shown.has_document,
            final,
            rx.el.p(
                rx.cond(
                    shown.row.status == "draft",
                    "A draft has no document yet.",
                    "It was discarded while it was a draft: it has no document, and nothing of it is billed.",
                ),
                class_name="sheet-body small-print",
            ),
        ),
        class_name="sheet",
    )


def _notes() -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("Credit notes"), class_name="sheet-head centered"),
        table(
            "Credit notes of this invoice",
            [heading("Number"), heading("Issued"), heading("Total", num=True)],
            rx.foreach(InvoiceState.shown.notes, _note),
        ),
        class_name="sheet",
    )


def _note(note: rx.Var[CreditNote]) -> rx.Component:
    address = f"/documents/{TenantState.head.tenant_id}/credit-notes/{note.credit_note_id}.pdf"
    return rx.el.tr(
        row_heading(plain_link(note.number, href=address, class_name="row-link", target="_blank")),
        cell(instant(note.at), label="Issued"),
        cell(rx.el.span(note.total, class_name="money"), kind="num main"),
    )


def _confirm() -> rx.Component:
    state = InvoiceState

    def said(place: int) -> rx.Var:
        return rx.match(state.doing, *((deed, words[place]) for deed, words in DEEDS.items()), "")

    return question(said(0), said(1), do=said(2), on_do=state.do, on_not=state.ask(""), is_open=state.doing != "")
