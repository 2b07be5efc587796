"""Tables that sort at the server, turn pages, and become cards on a phone."""

from __future__ import annotations

import reflex as rx


def heading(text: rx.Var | str, *, num: bool = False) -> rx.Component:
    """A column's heading."""
    return rx.el.th(text, scope="col", class_name="num" if num else "")


def unseen(text: str) -> rx.Component:
    """The heading of a column of buttons, for those who do not see what they are."""
    return rx.el.th(rx.el.span(text, class_name="visually-hidden"), scope="col")


def sort_heading(
    text: str, key: str, order: rx.Var[str], on_sort: rx.EventHandler, *, num: bool = False
) -> rx.Component:
    """A heading that sorts; numbers start with the largest. `order` is `key` or `-key`."""
    down, up = order == f"-{key}", order == key
    following = rx.cond(down, key, rx.cond(up, f"-{key}", f"-{key}" if num else key))
    return rx.el.th(
        rx.el.button(
            text,
            _arrow(down),
            class_name="sort",
            type="button",
            on_click=on_sort(following),
        ),
        scope="col",
        class_name="num" if num else "",
        aria_sort=rx.cond(down, "descending", rx.cond(up, "ascending", "none")),
    )


def _arrow(down: rx.Var[bool]) -> rx.Component:
    return rx.cond(
        down, rx.icon("arrow-down", size=13, aria_hidden=True), rx.icon("arrow-up", size=13, aria_hidden=True)
    )


def cell(*content: rx.Component | rx.Var | str, label: str = "", kind: str = "") -> rx.Component:
    """A cell; `label` is its heading on a phone, where `lead` and `main` form the card's first line."""
    attributes = {"custom_attrs": {"data-label": label}} if label else {}
    return rx.el.td(*content, class_name=kind, **attributes)


def row_heading(*content: rx.Component | rx.Var | str) -> rx.Component:
    """The cell that names its row."""
    return rx.el.th(*content, scope="row", class_name="lead")


def table(caption: rx.Var | str, headings: list[rx.Component], body: rx.Component) -> rx.Component:
    """A table; its caption is for those who do not see what surrounds it."""
    return rx.el.div(
        rx.el.table(
            rx.el.caption(caption, class_name="visually-hidden"),
            rx.el.thead(rx.el.tr(*headings)),
            rx.el.tbody(body),
            class_name="rows",
        ),
        class_name="table-scroll",
    )


def export_button(on_click: rx.EventHandler, *, small: bool = False) -> rx.Component:
    """Takes every row of a table away as CSV."""
    return rx.el.button(
        rx.icon("download", size=15, aria_hidden=True),
        "CSV",
        class_name="button small" if small else "button",
        type="button",
        on_click=on_click,
    )


def turner(
    cursors: rx.Var[list[str]], next_cursor: rx.Var[str], *, previous: rx.EventHandler, following: rx.EventHandler
) -> rx.Component:
    """A pager where there is more than one page."""
    first, last = cursors.length() <= 1, next_cursor == ""
    said = rx.fragment("Page ", cursors.length())
    shown = pager(said, previous=previous, following=following, first=first, last=last)
    return rx.cond(first & last, rx.fragment(), shown)


def pager(said: rx.Var | str, *, previous: rx.EventHandler, following: rx.EventHandler, first: rx.Var, last: rx.Var):
    """Where in the list this is, and the way on and back."""
    return rx.el.div(
        rx.el.span(said, aria_live="polite"),
        rx.el.div(
            rx.el.button("Previous", class_name="button small", disabled=first, on_click=previous, type="button"),
            rx.el.button("Next", class_name="button small", disabled=last, on_click=following, type="button"),
            class_name="page-actions",
            style={"width": "auto"},
        ),
        class_name="table-foot",
    )
