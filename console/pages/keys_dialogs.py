"""Dialogs of the page of API keys: one that is made or replaced, its secret, and the end of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import reflex as rx

from console.components.form import instant_field
from console.components.notice import notice


def making(state: Any, scopes: Mapping[str, str]) -> rx.Component:
    """A new key, or one in the place of another; then its secret."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title(
                rx.cond(
                    state.replacing.api_key_id != "",
                    rx.fragment("In the place of ", state.replacing.name),
                    "New API key",
                ),
                size="4",
                margin_bottom="4px",
            ),
            rx.cond(state.secret != "", _secret(state), _form(state, scopes)),
            max_width="440px",
        ),
        open=state.making,
        on_open_change=state.open,
    )


def _form(state: Any, scopes: Mapping[str, str]) -> rx.Component:
    def scope(name: str, text: str) -> rx.Component:
        held = state.replacing.scopes.split(", ").contains(name)
        chosen = rx.cond(state.replacing.api_key_id != "", held, name.startswith("usage:"))
        return rx.el.label(
            rx.el.input(type="checkbox", name=name, default_checked=chosen),
            rx.el.span(text, rx.el.span(name, class_name="below mono"), class_name="grow"),
            class_name="choice",
            style={"padding": "7px 12px"},
        )

    return rx.el.form(
        rx.dialog.description(
            rx.cond(
                state.replacing.api_key_id != "",
                "It may what the key before it may; that one goes on until you revoke it, in the next step or later.",
                "Name it after the application that will use it.",
            ),
            size="2",
        ),
        rx.el.div(
            rx.el.label("Name", html_for="key-name"),
            rx.el.input(
                id="key-name",
                name="name",
                class_name="input",
                required=True,
                max_length=80,
                auto_complete="off",
                default_value=state.replacing.name,
            ),
            class_name="field",
        ),
        rx.el.fieldset(
            rx.el.legend("It may", class_name="label", style={"fontWeight": 500, "marginBottom": "6px"}),
            *(scope(name, text) for name, text in scopes.items()),
            class_name="choices two",
            style={"gap": "6px"},
        ),
        instant_field("expiresAt", "Ends (UTC)", hint="Empty: when it is revoked."),
        rx.cond(state.refused != "", notice("bad", "This key cannot be made", state.refused)),
        rx.el.div(
            rx.dialog.close(rx.el.button("Not now", class_name="button plain", type="button")),
            rx.el.button("Create key", class_name="button primary", type="submit"),
            class_name="dialog-foot",
            style={"marginTop": "4px"},
        ),
        on_submit=state.create,
        class_name="stack",
    )


def _secret(state: Any) -> rx.Component:
    return rx.el.div(
        rx.dialog.description("Copy it now: it is shown this once and kept nowhere.", size="2"),
        rx.el.code(state.secret, class_name="secret", tab_index=0),
        rx.el.div(
            rx.el.button("Copy", class_name="button", type="button", on_click=rx.set_clipboard(state.secret)),
            rx.cond(
                state.replacing.api_key_id != "",
                rx.el.button(
                    "Revoke the old one",
                    class_name="button",
                    type="button",
                    on_click=state.ask_revoke(state.replacing),
                ),
            ),
            rx.dialog.close(rx.el.button("Done", class_name="button primary", type="button")),
            class_name="dialog-foot",
            style={"marginTop": "4px"},
        ),
        class_name="stack",
    )


def revoking(state: Any) -> rx.Component:
    """Asked before a key ends."""
    return rx.alert_dialog.root(
        rx.alert_dialog.content(
            rx.alert_dialog.title("Revoke ", state.revoking.name, "?", size="4"),
            rx.alert_dialog.description(
                rx.el.code(state.revoking.prefix),
                ": who uses it is refused within seconds. It cannot be undone.",
                size="2",
            ),
            rx.el.div(
                rx.alert_dialog.cancel(
                    rx.el.button("Keep it", class_name="button plain", type="button", on_click=state.keep)
                ),
                rx.alert_dialog.action(
                    rx.el.button("Revoke", class_name="button danger", type="button", on_click=state.revoke)
                ),
                class_name="dialog-foot",
            ),
            max_width="400px",
            on_escape_key_down=state.keep,
        ),
        open=state.revoking.api_key_id != "",
    )
