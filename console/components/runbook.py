"""What to do, step by step, over the page that it is about."""

from __future__ import annotations

import reflex as rx

from console.alerting import Block
from console.components.notice import bone


def runbook_button(name: rx.Var[str] | str, on_read: rx.EventHandler) -> rx.Component:
    """Opens it."""
    return rx.el.button(
        "Runbook", class_name="button small", type="button", aria_label=f"Runbook {name}", on_click=on_read(name)
    )


def runbook_dialog(
    name: rx.Var[str], blocks: rx.Var[list[Block]], advice: rx.Var[str], on_close: rx.EventHandler
) -> rx.Component:
    """The open one; `advice` is what to do where it could not be fetched."""
    missing = rx.cond(advice != "", rx.el.p(advice), rx.el.div(bone("16px", "90%"), bone("16px", "70%")))
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("Runbook: ", name),
            rx.dialog.description("What to do, step by step.", class_name="visually-hidden"),
            rx.cond(blocks.length() > 0, rx.el.div(rx.foreach(blocks, _block), class_name="runbook"), missing),
            rx.el.div(
                rx.dialog.close(rx.el.button("Close", class_name="button", type="button")), class_name="dialog-foot"
            ),
            max_width="680px",
        ),
        open=name != "",
        on_open_change=on_close,
    )


def _block(block: rx.Var[Block]) -> rx.Component:
    return rx.match(
        block.kind,
        ("heading", rx.el.h3(block.text)),
        ("item", rx.el.p(block.text, class_name="item")),
        ("code", rx.el.pre(rx.el.code(block.text))),
        rx.el.p(block.text),
    )
