"""Numbers of invoices and credit notes that no document has."""

from __future__ import annotations

import reflex as rx

from console.components.figure import instant
from console.components.table import cell, heading, row_heading, table
from console.invoicing import Skipped


def skipped_numbers(found: rx.Var[list[Skipped]]) -> rx.Component:
    """Which, and why; nothing where every number has its document."""

    def row(one: rx.Var[Skipped]) -> rx.Component:
        return rx.el.tr(
            row_heading(rx.cond(one.first == one.last, one.first, f"{one.first} to {one.last}")),
            cell(one.reason, kind="quiet wide"),
            cell(instant(one.at), label="When"),
            cell(one.count, kind="num main"),
        )

    return rx.cond(
        found.length() > 0,
        rx.el.section(
            rx.el.div(
                rx.el.h2("Skipped numbers"),
                rx.el.span("No document has them, and none will.", class_name="note"),
                class_name="sheet-head centered",
            ),
            table(
                "Numbers that no invoice and no credit note has",
                [heading("Numbers"), heading("Why"), heading("When"), heading("How many", num=True)],
                rx.foreach(found, row),
            ),
            class_name="sheet",
        ),
    )
