"""How an invoice was paid, on its page; a record by hand is taken back there, a refused refund tried again."""

from __future__ import annotations

from typing import Any

import reflex as rx

from console import collecting, rights
from console.client import ApiRefused, Client
from console.collecting import Paying
from console.components.figure import instant
from console.components.listed import question
from console.components.table import cell, heading, row_heading, table, unseen
from console.viewer import PageState, asking

TAKE_BACK = "take-back"
SAID = {
    TAKE_BACK: "The payment is taken back. Its reference may be used anew.",
    "retry": "What the provider gave back meanwhile counts, the rest is asked for once more. How it goes is seen here.",
}


class Undoing(PageState, mixin=True):
    """The payments, and which of them is about to be undone. Its page has `refused`, `said` and `_show`."""

    payments: list[Paying] = []
    undoing: Paying = Paying()

    @rx.event
    def ask_undo(self, subject: str):
        """Say what is about to be undone, before it is; nothing for an empty id."""
        self.undoing = next((one for one in self.payments if subject and one.subject == subject), Paying())

    @rx.event
    @asking(rights.sell)
    async def undo(self, api: Client):
        """Take the record back, or have the refund tried again."""
        chosen, self.undoing = self.undoing, Paying()
        if not chosen.subject:  # a second click on the question
            return
        undo = collecting.take_back if chosen.deed == TAKE_BACK else collecting.retry
        try:
            await undo(api, self.invoice_id, chosen.subject)
        except ApiRefused as refused:
            self.refused = refused.advice
            return
        await self._show(api)
        self.said = SAID[chosen.deed]


def payments(state: Any) -> rx.Component:
    """Every payment and every try, where there is one, and the question before one of them is undone."""
    sheet = rx.el.section(
        rx.el.div(rx.el.h2("Payments"), class_name="sheet-head centered"),
        table(
            "Payments of this invoice and every try, newest first",
            [
                heading("By"),
                heading("State"),
                heading("Why, or reference"),
                heading("When"),
                heading("Amount", num=True),
                rx.cond(state.may_sell, unseen("Deeds")),
            ],
            rx.foreach(state.payments, lambda one: _payment(state, one)),
        ),
        class_name="sheet",
    )
    return rx.fragment(rx.cond(state.payments.length() > 0, sheet), _confirm(state))


def _payment(state: Any, one: rx.Var[Paying]) -> rx.Component:
    tone = rx.match(
        one.status, ("succeeded", "badge good"), ("failed", "badge bad"), ("action required", "badge warn"), "badge"
    )
    return rx.el.tr(
        row_heading(one.means),
        cell(rx.el.span(one.status, class_name=tone), label="State"),
        cell(one.why, kind="quiet wide"),
        cell(instant(one.at, otherwise="–"), label="When"),
        cell(rx.el.span(one.amount, class_name="money"), kind="num main"),
        rx.cond(state.may_sell, cell(rx.cond(one.deed != "", _button(state, one)), kind="num")),
    )


def _button(state: Any, one: rx.Var[Paying]) -> rx.Component:
    text = rx.cond(one.deed == TAKE_BACK, "Take back", "Try again")
    return rx.el.button(
        text,
        class_name="button small",
        type="button",
        aria_label=f"{text}: {one.means}, {one.why}, {one.amount}",
        on_click=state.ask_undo(one.subject),
    )


def _confirm(state: Any) -> rx.Component:
    one = state.undoing
    back = one.deed == TAKE_BACK
    return question(
        rx.cond(back, "Take this payment back?", "Try this refund again?"),
        rx.cond(
            back,
            rx.fragment(one.amount, ", ", one.why, ": for a record that was a mistake. The invoice is owed again."),
            rx.fragment(one.amount, " are asked for at the provider once more. The refused refund stays as it is."),
        ),
        do=rx.cond(back, "Take it back", "Try again"),
        on_do=state.undo,
        on_not=state.ask_undo(""),
        is_open=one.subject != "",
    )
