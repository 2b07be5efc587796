"""The payment provider's account against the books: where the two differ, and what of it is not ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import reflex as rx

from console import exporting, reconciling, rights
from console.client import ApiRefused, Client
from console.components.figure import figure, figures, instant
from console.components.form import text_field
from console.components.listed import chooser, form_dialog
from console.components.notice import blank, command, figure_bones, notice, table_bones
from console.components.runbook import runbook_button, runbook_dialog
from console.components.table import cell, export_button, heading, row_heading, table, unseen
from console.reconciling import Movement, Reconciliation, Sums
from console.runbooks import RunbookState
from console.template import page
from console.viewer import PageState, ViewerState, asking

RUNBOOK = "payments-differ"


class ProviderState(PageState, RunbookState, rx.State):
    """What was compared, and the movement that is being acknowledged."""

    shown: Reconciliation = Reconciliation()
    days: str = "35"
    one: Movement = Movement()
    refused: str = ""
    not_done: str = ""
    _body: dict[str, Any] = {"differences": []}

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Ask the provider now."""
        self.not_done = ""
        await self._compare(api)

    async def _compare(self, api: Client) -> None:
        self._body = await reconciling.compare(api, days=self.days)
        self.shown = reconciling.reconciliation(self._body, datetime.now(UTC))

    @rx.event
    def reach(self, days: str):
        """Look further back, or less far."""
        self.days = days
        return ProviderState.load

    @rx.event
    def ask(self, one: Movement):
        """Ask whose it is."""
        self.one, self.refused, self.not_done = one, "", ""

    @rx.event
    def leave(self, is_open: bool):
        """Leave it as it is."""
        if not is_open:
            self.one = Movement()

    @rx.event
    @asking(rights.explain_payments)
    async def acknowledge(self, api: Client, form: dict[str, str]):
        """Keep whose it is."""
        try:
            await reconciling.acknowledge(api, self.one, reason=str(form.get("reason") or "").strip(), days=self.days)
        except ApiRefused as refused:
            self.refused = refused.advice
            return
        self.one = Movement()
        await self._compare(api)

    @rx.event
    @asking(rights.explain_payments)
    async def take_back(self, api: Client, one: Movement):
        """It asks for somebody again."""
        try:
            await reconciling.take_back(api, one)
        except ApiRefused as refused:
            self.not_done = refused.advice
        await self._compare(api)

    @rx.event
    def export_csv(self):
        """Every difference, those that were acknowledged too."""
        lines = exporting.fields_as_csv(reconciling.COLUMNS, reconciling.entries(self._body))
        return rx.download(data=lines, filename=exporting.filename("payment-differences"))


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(_heading(), figure_bones(3), table_bones(5))


def _heading(*actions: rx.Component) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1("Payment provider"),
            rx.el.p(
                "What moved on its account, held against payments, refunds, disputes and the ledger.", class_name="sub"
            ),
        ),
        rx.el.div(*actions, class_name="page-actions") if actions else None,
        class_name="page-head",
    )


@page(
    "/provider",
    title="Payment provider · CloudBill",
    current="provider",
    state=ProviderState,
    on_load=ProviderState.load,
    bones=bones,
    fresh=False,
)
def provider() -> rx.Component:
    """Figures, what differs, what is not ours, the account by currency."""
    state = ProviderState
    again = rx.el.button("Compare anew", class_name="button", type="button", on_click=state.load)
    return rx.fragment(
        _heading(chooser("Days", reconciling.DAYS, state.days, state.reach), again),
        figures(
            figure("Compared", state.shown.compared, rx.fragment("movements since ", instant(state.shown.since))),
            figure("Ask for somebody", state.shown.asking, "differences"),
            figure("Not ours", state.shown.acknowledged.length(), "acknowledged"),
        ),
        rx.cond(state.not_done != "", notice("bad", "This cannot be done", state.not_done)),
        _differences(),
        rx.cond(state.shown.acknowledged.length() > 0, _acknowledged()),
        _accounts(),
        _form(),
        runbook_dialog(state.runbook, state.runbook_blocks, state.trouble.advice, state.close),
    )


def _differences() -> rx.Component:
    state = ProviderState
    any_difference = (state.shown.differences.length() > 0) | (state.shown.acknowledged.length() > 0)
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Differences"),
            rx.el.div(
                runbook_button(RUNBOOK, state.read),
                rx.cond(any_difference, export_button(state.export_csv)),
                class_name="page-actions",
            ),
            class_name="sheet-head centered",
        ),
        rx.cond(
            state.shown.differences.length() > 0,
            table(
                "Differences",
                [
                    heading("What"),
                    heading("Class"),
                    heading("About it"),
                    heading("We say", num=True),
                    heading("Provider says", num=True),
                    unseen("Deeds"),
                ],
                rx.foreach(state.shown.differences, _difference),
            ),
            blank("scale", "Nothing asks for anybody", "The provider and the books agree about these days."),
        ),
        rx.el.p(
            "The worker compares each night; on the server, ",
            command("cloudbill payments reconcile"),
            " does the same.",
            class_name="table-foot",
            style={"display": "block"},
        ),
        class_name="sheet",
    )


def _difference(one: rx.Var[Movement]) -> rx.Component:
    tone = rx.match(one.tone, ("good", "badge good"), ("warn", "badge warn"), "badge bad")
    button = rx.el.button(
        "Not ours …",
        class_name="button small",
        type="button",
        aria_label=f"Not ours: {one.provider_id}",
        on_click=ProviderState.ask(one),
    )
    return rx.el.tr(
        _named(one),
        cell(rx.el.span(one.says, class_name=tone), label="Class"),
        cell(
            one.detail,
            rx.cond(one.row_id != "", rx.el.span("Our row ", one.row_id, class_name="below mono")),
            kind="quiet wide",
        ),
        _money("We say", one.ours),
        _money("Provider says", one.theirs),
        cell(rx.cond(ViewerState.may_explain_payments & one.may_acknowledge, button), kind="num action"),
    )


def _named(one: rx.Var[Movement]) -> rx.Component:
    return row_heading(one.title, rx.el.span(one.provider_id, class_name="below mono"))


def _money(label: str, amount: rx.Var[str]) -> rx.Component:
    none = rx.el.span("–", class_name="quiet", aria_label="nothing")
    return cell(rx.cond(amount != "", rx.el.span(amount, class_name="money"), none), kind="num", label=label)


def _acknowledged() -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("Not ours, and said whose"), class_name="sheet-head centered"),
        table(
            "Acknowledged movements",
            [
                heading("What"),
                heading("Whose it is"),
                heading("Said by"),
                heading("When"),
                heading("Provider says", num=True),
                unseen("Deeds"),
            ],
            rx.foreach(ProviderState.shown.acknowledged, _known),
        ),
        class_name="sheet",
    )


def _known(one: rx.Var[Movement]) -> rx.Component:
    button = rx.el.button(
        "Take back",
        class_name="button small",
        type="button",
        aria_label=f"Take back what was said of {one.provider_id}",
        on_click=ProviderState.take_back(one),
    )
    return rx.el.tr(
        _named(one),
        cell(one.reason, kind="wide"),
        cell(one.by, label="Said by", kind="wide"),
        cell(instant(one.at), label="When"),
        _money("Provider says", one.theirs),
        cell(rx.cond(ViewerState.may_explain_payments, button), kind="num action"),
    )


def _accounts() -> rx.Component:
    names = ("Charged", "Refunded", "Disputed", "Fees", "Paid out", "Other", "Moved", "Ours", "Not ours")
    return rx.cond(
        ProviderState.shown.accounts.length() > 0,
        rx.el.section(
            rx.el.div(rx.el.h2("The account by currency"), class_name="sheet-head centered"),
            table(
                "The account by currency",
                [heading("Currency"), *(heading(name, num=True) for name in names), heading("Unexplained", num=True)],
                rx.foreach(ProviderState.shown.accounts, _account),
            ),
            class_name="sheet",
        ),
    )


def _account(one: rx.Var[Sums]) -> rx.Component:
    return rx.el.tr(
        row_heading(one.currency),
        _money("Charged", one.charged),
        _money("Refunded", one.refunded),
        _money("Disputed", one.disputed),
        _money("Fees", one.fees),
        _money("Paid out", one.paid_out),
        _money("Other", one.other),
        _money("Moved", one.moved),
        _money("Ours", one.ours),
        _money("Not ours", one.not_ours),
        cell(
            rx.el.span(one.unexplained, class_name=rx.cond(one.is_explained, "money", "money owed")),
            kind="num",
            label="Unexplained",
        ),
    )


def _form() -> rx.Component:
    state, one = ProviderState, ProviderState.one
    return form_dialog(
        rx.fragment("Not ours: ", one.title.lower(), " over ", one.theirs),
        rx.fragment(
            rx.el.span(one.provider_id, class_name="mono"),
            ". Say whose it is. From then on it asks for nobody, as long as its sum stays; it can be taken back.",
        ),
        text_field("reason", "Whose it is, and why", required=True, hint="It stands in the audit log, with your name."),
        submit="Acknowledge",
        on_submit=state.acknowledge,
        is_open=one.provider_id != "",
        on_open=state.leave,
        refused=state.refused,
        refused_title="This cannot be acknowledged",
    )
