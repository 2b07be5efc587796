"""Charts: days as bars, rankings as lines."""

from __future__ import annotations

import reflex as rx

from console.components.figure import short
from console.rows import Point, Share

TIP = {
    "formatter": rx.Var("(value, name, item) => [item.payload.shown, '']"),
    "wrapperStyle": {"outline": "none"},
}
TIP_STYLE = {
    "background": "var(--surface)",
    "border": "1px solid var(--line)",
    "borderRadius": "8px",
    "boxShadow": "var(--shadow-high)",
    "padding": "7px 11px",
    "fontSize": "13px",
}
SHORT = rx.Var("(value) => Intl.NumberFormat('en', {notation: 'compact', maximumSignificantDigits: 3}).format(value)")

CENTS = rx.Var("(value) => Intl.NumberFormat('en', {minimumFractionDigits: 2, maximumFractionDigits: 2}).format(value)")


def days(points: rx.Var[list[Point]], *, color: str, about: rx.Var | str) -> rx.Component:
    """One bar a day. `about` says in words what the bars show, for those who do not see them."""
    chart = rx.recharts.bar_chart(
        rx.recharts.cartesian_grid(vertical=False, stroke="var(--chart-grid)"),
        rx.recharts.bar(
            data_key="value",
            fill=f"var({color})",
            radius=[3, 3, 0, 0],
            max_bar_size=26,
            is_animation_active=False,
        ),
        rx.recharts.x_axis(
            data_key="label",
            tick_line=False,
            axis_line=False,
            min_tick_gap=28,
            tick_size=8,
            interval="equidistantPreserveStart",
        ),
        rx.recharts.y_axis(
            tick_line=False,
            axis_line=False,
            width=46,
            tick_count=4,
            allow_decimals=True,
            custom_attrs={"tickFormatter": SHORT},
        ),
        rx.recharts.graphing_tooltip(
            cursor={"fill": "var(--sunken)", "strokeWidth": 0},
            content_style=TIP_STYLE,
            item_style={"color": "var(--ink)", "fontWeight": 600, "padding": 0},
            label_style={"color": "var(--ink-3)"},
            separator="",
            is_animation_active=False,
            custom_attrs=TIP,
        ),
        data=points,
        margin={"top": 8, "right": 6, "bottom": 0, "left": 0},
        width="100%",
        height=208,
    )
    return rx.el.figure(
        rx.el.figcaption(about, class_name="visually-hidden"),
        rx.el.div(chart, class_name="chart"),
    )


def stacked(bars: rx.Var[list[dict]], *, parts: list[str], about: rx.Var | str) -> rx.Component:
    """Bars lying beneath each other, each made of the same parts; the legend names them once for all."""
    colors = [f"var(--part-{number})" for number in range(1, len(parts) + 1)]
    chart = rx.recharts.bar_chart(
        rx.recharts.cartesian_grid(horizontal=False, stroke="var(--chart-grid)"),
        *(
            rx.recharts.bar(
                data_key=part, name=part, stack_id="all", fill=color, max_bar_size=24, is_animation_active=False
            )
            for part, color in zip(parts, colors, strict=True)
        ),
        rx.recharts.x_axis(
            type_="number", tick_line=False, axis_line=False, tick_count=5, custom_attrs={"tickFormatter": SHORT}
        ),
        rx.recharts.y_axis(data_key="label", type_="category", tick_line=False, axis_line=False, width=186, interval=0),
        rx.recharts.graphing_tooltip(
            cursor={"fill": "var(--sunken)", "strokeWidth": 0},
            content_style=TIP_STYLE,
            item_style={"color": "var(--ink)", "padding": 0},
            label_style={"color": "var(--ink)", "fontWeight": 600},
            separator="  ",
            is_animation_active=False,
            custom_attrs={"formatter": CENTS, "wrapperStyle": {"outline": "none", "zIndex": 5}},
        ),
        data=bars,
        layout="vertical",
        margin={"top": 4, "right": 14, "bottom": 0, "left": 0},
        width="100%",
        height=268,
    )
    legend = (rx.el.li(rx.el.i(style={"background": color}), part) for part, color in zip(parts, colors, strict=True))
    return rx.el.figure(
        rx.el.figcaption(about, class_name="visually-hidden"),
        rx.el.div(chart, class_name="chart stacked"),
        rx.el.ul(*legend, class_name="legend", aria_hidden=True),
    )


def ranking(shares: rx.Var[list[Share]], *, second: bool = False, link: str = "") -> rx.Component:
    """The largest first, each with a bar of its size; `link` is what leads a key to its page."""

    def line(share: rx.Var[Share]) -> rx.Component:
        name = (
            rx.el.a(share.name, href=f"{link}/{share.key}", class_name="row-link") if link else rx.el.span(share.name)
        )
        detail = rx.cond(share.detail != "", rx.el.span(" · ", share.detail, class_name="quiet"))
        return rx.el.li(
            rx.el.div(rx.el.span(name, detail, class_name="name"), short(share.amount), class_name="rank-line"),
            rx.el.div(rx.el.i(style={"width": f"{share.percent}%"}), class_name="bar", aria_hidden=True),
        )

    return rx.el.ol(rx.foreach(shares, line), class_name="rank second" if second else "rank")
