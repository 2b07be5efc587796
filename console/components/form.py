"""Fields of forms: a label, what is entered or chosen, a word beneath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import reflex as rx

Choices = Sequence[tuple[str, str]]


def text_field(
    name: rx.Var[str] | str,
    text: rx.Var[str] | str,
    *,
    value: rx.Var[str] | str = "",
    required: bool = False,
    numeric: bool = False,
    hint: str = "",
) -> rx.Component:
    """A line of text; `value` is what stands in it at first."""
    return rx.el.div(
        rx.el.label(text, html_for=name),
        rx.el.input(
            id=name,
            name=name,
            class_name="input",
            default_value=value,
            required=required,
            auto_complete="off",
            input_mode="decimal" if numeric else "text",
        ),
        rx.el.span(hint, class_name="hint") if hint else None,
        class_name="field",
    )


def select_field(
    name: rx.Var[str] | str,
    text: str,
    choices: Choices | rx.Var[list[str]],
    *,
    value: rx.Var[str] | str = "",
    on_change: Any = None,
) -> rx.Component:
    """One of several: chosen in the browser and sent with the form, or, with `on_change`, kept by the state."""
    options = (
        [rx.foreach(choices, lambda one: rx.el.option(one, value=one))]
        if isinstance(choices, rx.Var)
        else [rx.el.option(shown, value=key) for key, shown in choices]
    )
    kept = {"value": value, "on_change": on_change} if on_change else {"name": name, "default_value": value}
    return rx.el.div(
        rx.el.label(text, html_for=name),
        rx.el.select(*options, id=name, class_name="input", **kept),
        class_name="field",
    )


def chosen_field(
    name: str, text: str, choices: rx.Var[list[tuple[str, str]]], *, value: rx.Var[str] | str = ""
) -> rx.Component:
    """One of several that the state names as (value, text)."""
    return rx.el.div(
        rx.el.label(text, html_for=name),
        rx.el.select(
            rx.foreach(choices, lambda one: rx.el.option(one[1], value=one[0])),
            id=name,
            name=name,
            default_value=value,
            class_name="input",
        ),
        class_name="field",
    )


def instant_field(name: str, text: str, *, value: rx.Var[str] | str = "", hint: str = "") -> rx.Component:
    """A day and a time, which are UTC."""
    return rx.el.div(
        rx.el.label(text, html_for=name),
        rx.el.input(id=name, name=name, type="datetime-local", step="1", class_name="input", default_value=value),
        rx.el.span(hint, class_name="hint") if hint else None,
        class_name="field",
    )


def search_field(label: str, placeholder: str, state: Any) -> rx.Component:
    """Searches a list whose state is Addressed, while one types."""
    return rx.el.div(
        rx.el.label(label, html_for="find", class_name="visually-hidden"),
        rx.icon("search", size=16, aria_hidden=True),
        rx.el.input(
            id="find",
            type="search",
            class_name="input",
            placeholder=placeholder,
            key=state.given.to_string(),
            default_value=state.search,
            on_change=state.find.debounce(250),
        ),
        class_name="search",
        role="search",
    )
