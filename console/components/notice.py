"""What a page says when there is nothing, not yet, or trouble."""

from __future__ import annotations

import reflex as rx

ICONS = {"good": "circle-check", "warn": "triangle-alert", "bad": "circle-x", "": "info"}


def notice(tone: str, title: rx.Var | str, text: rx.Var | str, *actions: rx.Component, **attributes) -> rx.Component:
    """One strip: what happened, and what to do about it."""
    return rx.el.div(
        rx.icon(ICONS[tone], size=18, aria_hidden=True),
        rx.el.div(rx.el.b(title), rx.el.p(text), class_name="grow"),
        *actions,
        class_name=f"notice {tone} {attributes.pop('class_name', '')}".strip(),
        role="alert" if tone == "bad" else "status",
        **attributes,
    )


def command(line: str) -> rx.Component:
    """Something to type on the server."""
    return rx.el.code(line, class_name="nowrap")


def blank(icon: str | rx.Component, title: rx.Var | str, text: rx.Var | str, *more: rx.Component) -> rx.Component:
    """A designed nothing: why it is empty and what would fill it."""
    return rx.el.div(
        _large(icon) if isinstance(icon, str) else icon,
        rx.el.h2(title),
        rx.el.p(text),
        *more,
        class_name="blank",
    )


def _large(icon: str) -> rx.Component:
    return rx.icon(icon, size=26, stroke_width=1.6, aria_hidden=True)


def retry(on_click: rx.EventHandler) -> rx.Component:
    """The way out of most trouble."""
    return rx.el.button(
        rx.icon("rotate-cw", size=15, aria_hidden=True), "Try again", class_name="button", on_click=on_click
    )


def trouble_sheet(trouble: rx.Var, on_retry: rx.EventHandler) -> rx.Component:
    """In place of a page that has nothing to show."""
    return rx.el.section(
        blank(
            rx.cond(trouble.retry, _large("unplug"), _large("shield-ban")),
            trouble.title,
            trouble.advice,
            rx.cond(trouble.retry, retry(on_retry)),
            rx.el.p(reference(trouble), class_name="small-print"),
        ),
        class_name="sheet",
        role="alert",
    )


def trouble_strip(trouble: rx.Var, on_retry: rx.EventHandler) -> rx.Component:
    """Above a page whose figures are still the last good ones."""
    return notice(
        "bad",
        trouble.title,
        rx.fragment(trouble.advice, " The figures below are the last ones that arrived."),
        rx.cond(trouble.retry, retry(on_retry)),
    )


def reference(trouble: rx.Var) -> rx.Component:
    """What to quote when asking for help."""
    return rx.fragment(trouble.code, rx.cond(trouble.request_id != "", rx.fragment(" · request ", trouble.request_id)))


def bone(height: str, width: str = "100%") -> rx.Component:
    """A placeholder of the size of what is coming."""
    return rx.el.span(class_name="bone", style={"height": height, "width": width})


def figure_bones(number: int) -> rx.Component:
    """A strip of figures that is on its way."""
    one = rx.el.div(
        bone("14px", "55%"), rx.el.div(bone("24px", "75%"), style={"marginTop": "8px"}), class_name="figure"
    )
    return rx.el.div(*(one for _ in range(number)), class_name="sheet figures", aria_hidden=True)


def table_bones(number: int) -> rx.Component:
    """A table that is on its way."""
    lines = (bone("16px", f"{92 - (index * 17) % 40}%") for index in range(number))
    return rx.el.div(
        rx.el.div(*lines, class_name="sheet-body", style={"display": "grid", "gap": "18px", "padding": "20px 18px"}),
        class_name="sheet",
        aria_hidden=True,
    )


def chart_bones() -> rx.Component:
    """A chart that is on its way."""
    return rx.el.div(rx.el.div(bone("236px"), class_name="sheet-body"), class_name="sheet", aria_hidden=True)
