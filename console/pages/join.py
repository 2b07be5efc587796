"""The page of somebody who was invited. A plain form: it works before, and without, any JavaScript."""

from __future__ import annotations

import reflex as rx

from console.components.browser import plain_form, plain_link
from console.components.notice import notice
from console.components.shell import brand
from console.pages.sign_in import field

REASONS = [
    (
        "invitation",
        "bad",
        "This invitation cannot be accepted",
        "It was used, withdrawn or is over, or it is for another e-mail or tenant. Ask for a new one.",
    ),
    (
        "easy-password",
        "bad",
        "This password is too easy to guess",
        "Take at least eight characters, none of your e-mail, and no password of the lists.",
    ),
    ("known", "bad", "You are known here already", "Give the password that you sign in with."),
    ("slow-down", "warn", "Too many attempts", "Wait a minute, then try again."),
    ("installation", "bad", "You belong to the installation", "Accept with another e-mail than your operator's."),
    ("unreachable", "bad", "The API does not answer", "Nobody can join until it is back."),
    ("refused", "bad", "This cannot be accepted", "Check each field, and try again."),
]


class JoinState(rx.State):
    """What the address of the invitation says already."""

    tenant: str = ""
    email: str = ""
    word: str = ""
    read: int = 0

    @rx.event
    def load(self):
        """Fill the form in."""
        asked = dict(self.router.url.query_parameters)
        self.tenant, self.email, self.word = (asked.get(name, "") for name in ("tenant", "email", "word"))
        self.read += 1


@rx.page(route="/join", title="Join · CloudBill", on_load=JoinState.load)
def join() -> rx.Component:
    """The form; the reason for a refusal is the address's fragment, so it shows without a script."""
    state = JoinState
    return rx.el.main(
        rx.el.div(
            rx.el.div(brand(), class_name="brand"),
            rx.el.div(
                rx.el.h1("Accept your invitation"),
                rx.el.p("If you are known here already, give the password that you have.", class_name="lead"),
            ),
            *(notice(tone, title, text, id=key, class_name="gate-reason") for key, tone, title, text in REASONS),
            plain_form(
                field("Tenant", "tenant", default_value=state.tenant, auto_complete="off"),
                field("E-mail", "email", type="email", default_value=state.email, auto_complete="username"),
                field("Word of the invitation", "word", default_value=state.word, auto_complete="off"),
                rx.el.div(
                    rx.el.label("Your name", html_for="name"),
                    rx.el.input(id="name", name="name", class_name="input", auto_complete="name"),
                    class_name="field",
                ),
                field("Password", "password", type="password", auto_complete="new-password"),
                rx.el.button("Accept", type="submit", class_name="button primary"),
                action="/session/join",
                method="post",
                key=state.read.to_string(),
            ),
            plain_link("Sign in instead", href="/sign-in", class_name="note"),
            class_name="gate-card",
        ),
        rx.el.p("Your password goes to the API and is not kept here.", class_name="gate-foot"),
        class_name="gate",
    )
