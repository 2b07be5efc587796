"""Choosing one of a few."""

from __future__ import annotations

from collections.abc import Sequence

import reflex as rx


def segments(label: str, chosen: rx.Var, on_choose: rx.EventHandler, choices: Sequence | rx.Var) -> rx.Component:
    """Buttons side by side, the chosen one pressed. `choices`: (value, text), or a Var of texts."""

    def choice(value: rx.Var | str | int, text: rx.Var | str) -> rx.Component:
        pressed = rx.cond(chosen == value, "true", "false")
        return rx.el.button(text, type="button", on_click=on_choose(value), custom_attrs={"aria-pressed": pressed})

    if isinstance(choices, rx.Var):
        buttons = [rx.foreach(choices, lambda value: choice(value, value))]
    else:
        buttons = [choice(value, text) for value, text in choices]
    return rx.el.div(*buttons, class_name="segments", role="group", aria_label=label)


def picker(label: str, chosen: rx.Var[str], on_choose: rx.EventHandler, choices: rx.Var) -> rx.Component:
    """The same for rows that have a `key` and a `name`."""

    def choice(row: rx.Var) -> rx.Component:
        pressed = rx.cond(chosen == row.key, "true", "false")
        return rx.el.button(
            row.name, type="button", on_click=on_choose(row.key), custom_attrs={"aria-pressed": pressed}
        )

    return rx.el.div(rx.foreach(choices, choice), class_name="segments", role="group", aria_label=label)
