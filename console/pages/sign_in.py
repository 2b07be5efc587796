"""The sign-in page. A plain form: it works before, and without, any JavaScript."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from console.client import ApiError
from console.components.browser import plain_form, plain_link
from console.components.notice import notice
from console.components.shell import brand
from console.session import sessions

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
    (
        "not-linked",
        "warn",
        "That account is not linked with anybody here",
        "Sign in with your password, or ask for an invitation and register with the account.",
    ),
    ("elsewhere", "bad", "The other side did not sign you in", "Try again, or sign in with your password."),
    ("signed-out", "good", "You are signed out", "Sign in to go on."),
]


@dataclass
class Way:
    """A link that begins a sign-in elsewhere."""

    name: str
    href: str


class Ways(rx.State):
    """The accounts elsewhere that sign people in here; empty until the API has told."""

    ways: list[Way] = []

    @rx.event
    async def load(self) -> None:
        """Passwords go on alone when the API does not answer."""
        try:
            found = await sessions().providers()
        except ApiError:
            found = []
        self.ways = [Way(name=one["name"], href=f"/session/with/{one['provider']}") for one in found]


def way(one: Way) -> rx.Component:
    """As wide as the form's own button."""
    return plain_link("Continue with ", one.name, href=one.href, class_name="button wide")


def field(label: str, name: str, **attributes) -> rx.Component:
    """A labelled input."""
    return rx.el.div(
        rx.el.label(label, html_for=name),
        rx.el.input(id=name, name=name, class_name="input", required=True, **attributes),
        class_name="field",
    )


@rx.page(route="/sign-in", title="Sign in · CloudBill", on_load=Ways.load)
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
            rx.cond(
                Ways.ways,
                rx.el.div(rx.foreach(Ways.ways, way), class_name="gate-ways", aria_label="Other ways to sign in"),
            ),
            class_name="gate-card",
        ),
        rx.el.p("Your password goes to the API and is not kept here.", class_name="gate-foot"),
        class_name="gate",
    )
