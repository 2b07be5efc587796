"""An invoice that somebody writes: its form, on the list of invoices."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import reflex as rx

from console import customers, invoicing, rights
from console.client import ApiRefused, Client
from console.components.form import chosen_field, select_field, text_field
from console.components.listed import form_dialog
from console.viewer import PageState, asking

COLLECTIONS = [("send_invoice", "By invoice"), ("automatic", "Charged by itself once final")]


class Writing(PageState, mixin=True):
    """The form, and whom it can be for."""

    writing: bool = False
    payers: list[tuple[str, str]] = []
    payer: str = ""
    write_refused: str = ""
    _write_key: str = ""

    @rx.event
    @asking(rights.sell)
    async def begin_writing(self, api: Client):
        """Open the form."""
        self.payers = await customers.choices(api, chosen=self.payer)
        self.writing, self.write_refused, self._write_key = True, "", f"console-{uuid4()}"

    @rx.event
    def end_writing(self, is_open: bool):
        """Close it."""
        self.writing, self.payer = is_open, ""

    @rx.event
    @asking(rights.sell)
    async def write(self, api: Client, form: dict[str, str]):
        """Make the draft and go on to its page."""
        try:
            made = await invoicing.write(api, form, key=self._write_key)
        except ApiRefused as refused:
            self.write_refused = refused.advice
            return None
        self.writing = False
        return rx.redirect(f"/tenants/{api.tenant_id}/invoices/{made}")


def dialog(state: Any) -> rx.Component:
    """A draft with one line; more are written on its page."""
    return form_dialog(
        "New invoice",
        "A draft: more lines can be written on it, and nothing is sent before it is final.",
        chosen_field("customer", "Customer", state.payers, value=state.payer),
        text_field("description", "What for", required=True),
        text_field("quantity", "Quantity", numeric=True, value="1"),
        text_field("unitPrice", "Price of one", numeric=True, required=True),
        text_field("taxCode", "Taxed as", hint="A code of the rates of tax; empty: standard."),
        select_field("collection", "Paid", COLLECTIONS),
        text_field("memo", "Note on the invoice"),
        submit="Write the draft",
        on_submit=state.write,
        is_open=state.writing,
        on_open=state.end_writing,
        refused=state.write_refused,
        refused_title="This cannot be written",
    )
