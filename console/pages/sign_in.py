"""The sign-in page. A plain form: it works before, and without, any JavaScript."""

from __future__ import annotations

import reflex as rx

from console.components.browser import plain_form
from console.components.notice import notice
from console.components.shell import brand

REASONS = [
    ("refused", "bad", "That did not match", "E-mail or password is wrong. Check both and try again."),
    ("slow-down", "warn", "Too many attempts", "Wait a minute, then try again."),
    (
        "unreachable",
        "bad",
        "The API does not answer",
        "Nobody can sign in until it is back. On the server, cloudbill status says what is down.",
    ),
    ("expired", "warn", "You were signed out", "Your session ended. Sign in to go on where you were."),
    ("signed-out", "good", "You are signed out", "Sign in to go on."),
]


def field(label: str, name: str, **attributes) -> rx.Component:
    """A labelled input."""
    return rx.el.div(
        rx.el.label(label, html_for=name),
        rx.el.input(id=name, name=name, class_name="input", required=True, **attributes),
        class_name="field",
    )


@rx.page(route="/sign-in", title="Sign in · CloudBill")
def sign_in() -> rx.Component:
    """The form; the reason for a refusal is the address's fragment, so it shows without a script."""
    return rx.el.main(
        rx.el.div(
            rx.el.div(brand(), class_name="brand"),
            rx.el.div(
                rx.el.h1("Sign in"), rx.el.p("Credits, usage and the ledger of your tenants.", class_name="lead")
            ),
            *(notice(tone, title, text, id=key, class_name="gate-reason") for key, tone, title, text in REASONS),
            plain_form(
                field("E-mail", "email", type="email", auto_complete="username", auto_focus=True),
                field("Password", "password", type="password", auto_complete="current-password"),
                rx.el.button("Sign in", type="submit", class_name="button primary"),
                action="/session",
                method="post",
            ),
            class_name="gate-card",
        ),
        rx.el.p("Your password goes to the API and is not kept here.", class_name="gate-foot"),
        class_name="gate",
    )
