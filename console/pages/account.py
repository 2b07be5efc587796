"""The page of one's own sign-in: changing the password. A plain form, as signing in is."""

from __future__ import annotations

import reflex as rx

from console.components.browser import plain_form
from console.components.notice import bone, notice
from console.pages.sign_in import field
from console.template import page
from console.viewer import PageState, ViewerState

SAID = {
    "changed": ("good", "The password is changed", "Wherever else you were signed in, you are signed out."),
    "wrong": ("bad", "That is not your password", "The current password did not match. Nothing was changed."),
    "easy": (
        "bad",
        "This password cannot be taken",
        "Take at least eight characters, none of your e-mail or tenant, no password of the lists of known ones, "
        "and not the one that you have.",
    ),
    "differ": ("bad", "The new password was not the same twice", "Nothing was changed. Enter it twice alike."),
    "slow-down": ("warn", "Too many attempts", "Wait a minute, then try again. Nothing was changed."),
    "unreachable": ("bad", "The API does not answer", "Nothing can be changed until it is back."),
    "refused": ("bad", "This cannot be taken", "Check each field, and try again. Nothing was changed."),
}


class AccountState(PageState, rx.State):
    """What came of the form, as the address says it."""

    said: str = ""

    @rx.event
    def load(self):
        """Nothing is fetched: who is signed in stands in the frame."""
        asked = dict(self.router.url.query_parameters).get("said", "")
        self.said, self.loaded = asked if asked in SAID else "", True


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(heading(), bone("280px", "420px"))


def heading() -> rx.Component:
    """The page's title."""
    return rx.el.header(
        rx.el.div(rx.el.h1("Your account"), rx.el.p("Signed in as ", ViewerState.email, ".", class_name="sub")),
        class_name="page-head",
    )


@page(
    "/account",
    title="Your account · CloudBill",
    current="account",
    state=AccountState,
    on_load=AccountState.load,
    bones=bones,
    fresh=False,
)
def account() -> rx.Component:
    """What was said, and the form."""
    said = AccountState.said
    told = rx.match(
        said, *((key, notice(tone, title, text)) for key, (tone, title, text) in SAID.items()), rx.fragment()
    )
    return rx.fragment(
        heading(),
        told,
        rx.el.section(
            rx.el.div(rx.el.h2("Change your password"), class_name="sheet-head centered"),
            plain_form(
                field("Current password", "current", type="password", auto_complete="current-password"),
                field("New password", "new", type="password", auto_complete="new-password"),
                field("New password, once more", "again", type="password", auto_complete="new-password"),
                rx.el.p(
                    "All your sign-ins end, here and elsewhere; this one goes on with the new password.",
                    class_name="small-print",
                ),
                rx.el.div(rx.el.button("Change it", type="submit", class_name="button primary")),
                action="/session/password",
                method="post",
                class_name="stack narrow sheet-body",
            ),
            class_name="sheet",
        ),
    )
