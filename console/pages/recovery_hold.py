"""Of the Disaster recovery page: the held worker, and letting it go."""

from __future__ import annotations

from typing import Any

import reflex as rx

from console.components.figure import instant
from console.components.notice import notice
from console.components.runbook import runbook_button
from console.recovering import Hold
from console.viewer import ViewerState

WORD = "release"


def hold(state: Any) -> rx.Component:
    """Why the worker waits, above everything else; and that it was let go."""

    def one(held: rx.Var[Hold]) -> rx.Component:
        return notice(
            "bad",
            "The worker is held: no job runs",
            rx.fragment(
                held.reason,
                ", with the state of ",
                rx.el.span(held.state_of.absolute, class_name="nowrap"),
                ", held ",
                instant(held.held),
                ". What the world did since then is fetched before it goes on.",
            ),
            rx.el.div(
                runbook_button("worker-held", state.read),
                rx.cond(
                    ViewerState.may_recover,
                    rx.el.button(
                        "Release …", class_name="button small danger", type="button", on_click=state.ask_release
                    ),
                ),
                class_name="page-actions",
                style={"width": "auto"},
            ),
        )

    return rx.fragment(
        rx.foreach(state.shown.holds, one),
        rx.cond(state.released != "", notice("good", "The worker goes on", state.released)),
    )


def release_dialog(state: Any) -> rx.Component:
    """What it does, why, and a word to confirm it."""
    blocked = (state.word != WORD) | (state.reason.length() < 3)
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("Release the worker?", size="4"),
            rx.dialog.description(
                "All events of the payment provider since 15 minutes before the copy's instant are fetched and kept, "
                "each once, and numbers of invoices that may have been issued in the lost time are skipped; then jobs "
                "run again: charges, refunds and whatever waits. It cannot be taken back.",
                size="2",
            ),
            rx.el.div(
                rx.el.div(
                    rx.el.label("Why it may go on", html_for="release-reason"),
                    rx.el.input(
                        id="release-reason",
                        class_name="input",
                        max_length=500,
                        auto_complete="off",
                        on_change=state.type_reason.debounce(150),
                    ),
                    rx.el.p("It stands in the audit log and in the evidence, with your name.", class_name="hint"),
                    class_name="field",
                ),
                rx.el.div(
                    rx.el.label("Type ", rx.el.code(WORD), " to confirm", html_for="release-word"),
                    rx.el.input(
                        id="release-word",
                        class_name="input",
                        auto_complete="off",
                        on_change=state.type_word.debounce(150),
                    ),
                    class_name="field",
                ),
                class_name="stack",
                style={"marginTop": "14px"},
            ),
            rx.el.div(
                rx.dialog.close(rx.el.button("Keep it held", class_name="button plain", type="button")),
                rx.el.button(
                    "Release the worker",
                    class_name="button danger",
                    type="button",
                    disabled=blocked,
                    on_click=state.release,
                ),
                class_name="dialog-foot",
            ),
            max_width="460px",
        ),
        open=state.releasing,
        on_open_change=state.keep_held,
    )
