"""The trail of what late usage corrected of an invoice."""

from __future__ import annotations

import reflex as rx

from console.components.figure import instant
from console.components.table import cell, heading, row_heading, table
from console.correcting import Correction


def corrections(found: rx.Var[list[Correction]], base: rx.Var[str] | str) -> rx.Component:
    """From what to what, and on which invoice; nothing where nothing came late. `base` leads to the invoices."""

    def row(one: rx.Var[Correction]) -> rx.Component:
        made_good = rx.cond(
            one.invoice_id != "",
            rx.link(one.number, href=f"{base}/{one.invoice_id}", class_name="row-link", unstyled=True),
            one.notes,
        )
        return rx.el.tr(
            row_heading(one.what),
            cell(instant(one.at), label="When"),
            cell(one.was, label="Billed"),
            cell(one.became, label="Should have been"),
            cell(made_good, label="Made good on"),
            cell(rx.el.span(one.amount, class_name="money"), kind="num main"),
        )

    return rx.cond(
        found.length() > 0,
        rx.el.section(
            rx.el.div(
                rx.el.h2("Corrections"),
                rx.el.span("Usage that came, changed or went after this invoice was final.", class_name="note"),
                class_name="sheet-head centered",
            ),
            table(
                "What late usage corrected of this invoice",
                [
                    heading("Line"),
                    heading("When"),
                    heading("Billed"),
                    heading("Should have been"),
                    heading("Made good on"),
                    heading("Difference", num=True),
                ],
                rx.foreach(found, row),
            ),
            class_name="sheet",
        ),
    )
