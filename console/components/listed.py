"""What lists have in common: the sheet with its controls, the choice of a state, the form in a dialog, a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import reflex as rx

from console.components.notice import notice
from console.components.table import export_button, table, turner

Choices = Sequence[tuple[str, str]]


def chooser(label: str, choices: Choices | rx.Var, value: rx.Var[str], on_change: Any) -> rx.Component:
    """One of several, in a list's head. A Var of texts offers each as it is."""
    if isinstance(choices, rx.Var):
        options = [
            rx.el.option(f"{label}: all", value=""),
            rx.foreach(choices, lambda one: rx.el.option(one, value=one)),
        ]
    else:
        options = [rx.el.option(text, value=key) for key, text in choices]
    return rx.el.select(*options, value=value, on_change=on_change, class_name="input compact", aria_label=label)


def listed(
    name: rx.Var | str,
    *controls: rx.Component,
    state: Any,
    headings: list[rx.Component],
    row: Any,
    nothing: rx.Component,
    caption: str = "",
    shown: rx.Var | None = None,
    foot: rx.Component | None = None,
) -> rx.Component:
    """A list in its sheet. Its state has `shown`, `export_csv` and turns pages."""
    rows = state.shown if shown is None else shown
    has_rows = rows.length() > 0
    return rx.el.section(
        rx.el.div(
            rx.el.h2(name),
            rx.el.div(*controls, rx.cond(has_rows, export_button(state.export_csv)), class_name="page-actions"),
            class_name="sheet-head centered",
        ),
        rx.cond(
            has_rows,
            rx.fragment(
                table(caption or name, headings, rx.foreach(rows, row)),
                turner(state.cursors, state.next_cursor, previous=state.previous, following=state.following),
            ),
            nothing,
        ),
        foot if foot is not None else rx.fragment(),
        class_name="sheet",
    )


def primary(text: str, on_click: Any, *, icon: str = "plus") -> rx.Component:
    """What a page is mostly for."""
    return rx.el.button(
        rx.icon(icon, size=16, aria_hidden=True), text, class_name="button primary", type="button", on_click=on_click
    )


def form_dialog(
    title: rx.Var | str,
    about: rx.Var | str,
    *fields: rx.Component,
    submit: str,
    on_submit: Any,
    is_open: rx.Var[bool],
    on_open: Any,
    refused: rx.Var[str],
    refused_title: str,
    width: str = "440px",
) -> rx.Component:
    """A form that says what was refused and stays open."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title(title, size="4", margin_bottom="4px"),
            rx.dialog.description(about, size="2", margin_bottom="14px"),
            rx.el.form(
                *fields,
                rx.cond(refused != "", notice("bad", refused_title, refused)),
                rx.el.div(
                    rx.dialog.close(rx.el.button("Not now", class_name="button plain", type="button")),
                    rx.el.button(submit, class_name="button primary", type="submit"),
                    class_name="dialog-foot",
                ),
                on_submit=on_submit,
                class_name="stack",
            ),
            max_width=width,
        ),
        open=is_open,
        on_open_change=on_open,
    )


def question(
    title: rx.Var | str,
    about: rx.Var | str,
    *,
    do: rx.Var | str,
    on_do: Any,
    on_not: Any,
    is_open: rx.Var[bool],
) -> rx.Component:
    """Asked before what cannot be taken back."""
    return rx.alert_dialog.root(
        rx.alert_dialog.content(
            rx.alert_dialog.title(title, size="4"),
            rx.alert_dialog.description(about, size="2"),
            rx.el.div(
                rx.alert_dialog.cancel(
                    rx.el.button("Not now", class_name="button plain", type="button", on_click=on_not)
                ),
                rx.alert_dialog.action(rx.el.button(do, class_name="button primary", type="button", on_click=on_do)),
                class_name="dialog-foot",
            ),
            max_width="400px",
            on_escape_key_down=on_not,
        ),
        open=is_open,
    )
