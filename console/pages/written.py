"""What was written by hand and nobody was billed for, on an invoice's and a customer's page; withdrawn there."""

from __future__ import annotations

from typing import Any

import reflex as rx

from console import rights, withdrawing
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.listed import question
from console.components.table import cell, heading, row_heading, table, unseen
from console.viewer import PageState, asking
from console.withdrawing import Written


class Withdrawing(PageState, mixin=True):
    """The lines, and which is about to be withdrawn. Its page has `refused`, `said` and `_show`."""

    written: list[Written] = []
    withdrawn: Written = Written()

    @rx.event
    def ask_withdraw(self, item_id: str):
        """Say what is about to be withdrawn, before it is; nothing for an empty id."""
        self.withdrawn = next((one for one in self.written if item_id and one.item_id == item_id), Written())

    @rx.event
    @asking(rights.sell)
    async def withdraw(self, api: Client):
        """Withdraw it: off the draft whose page this is, or from what waits."""
        chosen, self.withdrawn = self.withdrawn, Written()
        if not chosen.item_id:  # a second click on the question
            return
        try:
            await withdrawing.withdraw(api, chosen.item_id, invoice_id=getattr(self, "invoice_id", ""))
        except ApiRefused as refused:
            self.refused = refused.advice
            return
        await self._show(api)
        self.said = f"“{chosen.what}” is withdrawn and will not be billed."


def written(state: Any, name: str, *, billed: bool = False) -> rx.Component:
    """Those lines, where there is one, and the question before one goes. `billed` says when each is."""
    sheet = rx.el.section(
        rx.el.div(rx.el.h2(name), class_name="sheet-head centered"),
        table(
            name,
            [
                heading("What for"),
                *([heading("Billed")] if billed else []),
                heading("Amount", num=True),
                rx.cond(state.may_sell, unseen("Deeds")),
            ],
            rx.foreach(state.written, lambda one: _line(state, one, billed=billed)),
        ),
        class_name="sheet",
    )
    return rx.fragment(rx.cond(state.written.length() > 0, sheet), _confirm(state))


def _line(state: Any, one: rx.Var[Written], *, billed: bool) -> rx.Component:
    button = rx.el.button(
        "Withdraw",
        class_name="button small",
        type="button",
        aria_label=f"Withdraw: {one.what}, {one.amount}",
        on_click=state.ask_withdraw(one.item_id),
    )
    return rx.el.tr(
        row_heading(one.what),
        *([cell(instant(one.at, otherwise="–"), label="Billed")] if billed else []),
        cell(rx.el.span(rx.cond(one.amount != "", one.amount, "when billed"), class_name="money"), kind="num main"),
        rx.cond(state.may_sell, cell(rx.cond(one.by_hand, button), kind="num action")),
    )


def _confirm(state: Any) -> rx.Component:
    one = state.withdrawn
    return question(
        "Withdraw this line?",
        rx.fragment(one.what, ", ", one.amount, ": it is billed neither now nor later. This cannot be taken back."),
        do="Withdraw it",
        on_do=state.withdraw,
        on_not=state.ask_withdraw(""),
        is_open=one.item_id != "",
    )
