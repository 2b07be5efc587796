"""Dialogs of an invoice's page: lines taken back by a credit note, and a line written on a draft."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import reflex as rx

from console import invoicing, rights
from console.bills import BillLine
from console.client import ApiRefused, Client
from console.components.form import text_field
from console.components.listed import form_dialog
from console.viewer import PageState, asking


class Changing(PageState, mixin=True):
    """What is about to be credited or written. Its page has `shown` and `_show`, which fetches it anew."""

    crediting: bool = False
    writing: bool = False
    change_refused: str = ""
    said: str = ""
    _change_key: str = ""

    @rx.event
    def ask_credit(self, is_open: bool):
        """Open or close the form of a credit note."""
        self.crediting, self.change_refused, self._change_key = is_open, "", f"console-{uuid4()}"

    @rx.event
    def ask_line(self, is_open: bool):
        """Open or close the form of a line."""
        self.writing, self.change_refused, self._change_key = is_open, "", f"console-{uuid4()}"

    @rx.event
    @asking(rights.sell)
    async def credit(self, api: Client, form: dict[str, str]):
        """Issue the credit note that the form says."""
        try:
            number = await invoicing.credit(api, self.shown, form, key=self._change_key)
        except ApiRefused as refused:
            self.change_refused = refused.advice
            return
        await self._show(api)
        self.crediting, self.said = False, f"Credit note {number} is issued."

    @rx.event
    @asking(rights.sell)
    async def write_line(self, api: Client, form: dict[str, str]):
        """Write the line on the draft."""
        try:
            await invoicing.add_line(api, self.shown, form, key=self._change_key)
        except ApiRefused as refused:
            self.change_refused = refused.advice
            return
        await self._show(api)
        self.writing, self.said = False, "The line is on the draft."


def dialogs(state: Any) -> rx.Component:
    """Both of them, each shown when it is asked for."""
    shown = state.shown
    return rx.fragment(
        form_dialog(
            "Take lines back",
            rx.fragment("By a credit note, net of tax, in ", shown.currency, ". Without an amount, all that is left."),
            rx.foreach(shown.bill.lines, _line),
            text_field(
                "refund", "Of it, back to the card", numeric=True, hint="Tax included. The rest: see the next field."
            ),
            text_field(
                "wallet",
                "Of it, into the customer's wallet",
                numeric=True,
                hint="When both are empty: off what is open first, then into the wallet.",
            ),
            text_field("memo", "Why"),
            submit="Issue credit note",
            on_submit=state.credit,
            is_open=state.crediting,
            on_open=state.ask_credit,
            refused=state.change_refused,
            refused_title="This cannot be credited",
        ),
        form_dialog(
            "Write a line",
            rx.fragment(
                "On this draft, in ",
                shown.currency,
                ". One that was wrong is withdrawn beneath the lines.",
            ),
            text_field("description", "What for", required=True),
            text_field("quantity", "Quantity", numeric=True, value="1"),
            text_field("unitPrice", "Price of one", numeric=True, required=True),
            text_field("taxCode", "Taxed as", hint="A code of the rates of tax; empty: standard."),
            submit="Write it",
            on_submit=state.write_line,
            is_open=state.writing,
            on_open=state.ask_line,
            refused=state.change_refused,
            refused_title="This cannot be written",
        ),
    )


def _line(line: rx.Var[BillLine]) -> rx.Component:
    field = text_field(f"line-{line.line_id}", f"{line.name}, {line.about} {line.amount}", numeric=True)
    return rx.cond(line.line_id != "", field)
