"""How far something is that is done to many rows, and what came of it."""

from __future__ import annotations

from typing import Any

import reflex as rx

from console.components.notice import notice


def progress(state: Any, *, undo: rx.Component | None = None) -> rx.Component:
    """Of a page whose state is Bulk; `undo` stands beside what was done."""
    bar = rx.el.div(
        rx.el.i(style={"width": f"{state.percent}%"}),
        class_name="progress",
        role="progressbar",
        aria_label="How far it is",
        custom_attrs={"aria-valuenow": state.percent},
    )
    said = rx.fragment(state.done - state.refusals.length(), " of ", state.total, " done")
    return rx.fragment(
        rx.cond(state.running, rx.el.section(rx.el.div(said, bar, class_name="sheet-body stack"), class_name="sheet")),
        rx.cond(
            ~state.running & (state.refusals.length() > 0),
            notice(
                "bad",
                rx.fragment(said, ", the others are as they were"),
                rx.el.span(rx.foreach(state.refusals, lambda one: rx.el.span(one, class_name="below"))),
            ),
        ),
        rx.cond(
            ~state.running & (state.total > 0) & (state.refusals.length() == 0),
            notice("good", rx.cond(state.undoing, "Taken back", "Done"), said, *([undo] if undo else [])),
        ),
    )
