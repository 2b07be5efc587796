"""What the stacks cost a month: both clouds side by side, line by line, for any usage."""

from __future__ import annotations

from typing import Any

import reflex as rx

from console import costing
from console.components.chart import stacked
from console.components.choice import picker, segments
from console.components.figure import brief, figure, figures, instant
from console.components.notice import blank, chart_bones, command, figure_bones, notice
from console.components.table import cell, heading, row_heading, table
from console.costing import Pair, Sheet
from console.pages.costs_lines import billed, line_by_line, savings
from console.pages.costs_state import CostsState
from console.template import page
from console.usage_choice import Slider

PROFILES = [("small", "Quiet month"), ("base", "Ordinary month"), ("large", "Busy month")]


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(_heading(), figure_bones(3), rx.el.div(chart_bones(), chart_bones(), class_name="pair"))


def _heading(*actions: rx.Component) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1("Costs"),
            rx.el.p("What each stack costs a month, estimated from what it is made of. US dollars.", class_name="sub"),
        ),
        rx.el.div(*actions, class_name="page-actions") if actions else None,
        class_name="page-head",
    )


def _export(text: str, handler: rx.EventHandler) -> rx.Component:
    icon = rx.icon("download", size=15, aria_hidden=True)
    return rx.el.button(icon, text, class_name="button", type="button", on_click=handler)


@page(
    "/costs",
    title="Costs · CloudBill",
    current="costs",
    state=CostsState,
    on_load=CostsState.load,
    bones=bones,
    fresh=False,
)
def costs() -> rx.Component:
    """Sums, sides, lines, savings."""
    state = CostsState
    return rx.cond(
        state.shown.stacks.length() > 0,
        rx.fragment(
            _heading(_export("CSV", state.export_csv), _export("JSON", state.export_json)),
            _warnings(state.shown),
            _totals(state.shown),
            rx.el.div(_bars(state.shown), _what_if(), class_name="wide-and-narrow"),
            _environments(),
            _sides(),
            line_by_line(),
            savings(),
            billed(),
            _about(state.shown),
        ),
        rx.fragment(_heading(), _warnings(state.shown), _nothing()),
    )


def _nothing() -> rx.Component:
    return rx.el.section(
        blank(
            "receipt-text",
            "No stack is known yet",
            rx.fragment(
                "After a first start all six are recorded in the background, which takes a minute. ",
                command("cloudbill deployments record prod"),
                " adds one by hand.",
            ),
            rx.el.button("Look again", class_name="button", type="button", on_click=CostsState.load),
        ),
        class_name="sheet",
    )


def _warnings(shown: rx.Var[Sheet]) -> rx.Component:
    return rx.fragment(
        rx.cond(
            shown.unpriced.length() > 0,
            notice("warn", "Some stacks could not be priced", rx.foreach(shown.unpriced, lambda line: rx.el.p(line))),
        ),
        rx.cond(shown.stale != "", notice("warn", "The price list is old", shown.stale)),
    )


def _totals(shown: rx.Var[Sheet]) -> rx.Component:
    return figures(
        figure(
            "All environments on AWS",
            brief(shown.aws),
            rx.fragment("a month; quiet to busy ", shown.aws_range),
            total=True,
        ),
        figure(
            "All environments on Google Cloud",
            brief(shown.gcp),
            rx.fragment("a month; quiet to busy ", shown.gcp_range),
            total=True,
        ),
        figure("Difference", shown.verdict, shown.verdict_note),
    )


def _bars(shown: rx.Var[Sheet]) -> rx.Component:
    parts = [*costing.PARTS, "Other"]
    return rx.el.section(
        rx.el.div(
            rx.el.h2("By environment and cloud"),
            rx.el.span(shown.currency, " a month, by what it is spent on", class_name="note"),
            class_name="sheet-head",
        ),
        rx.el.div(stacked(shown.bars, parts=parts, about=shown.about), class_name="sheet-body"),
        class_name="sheet",
    )


def _what_if() -> rx.Component:
    state = CostsState
    return rx.el.section(
        rx.el.div(
            rx.el.h2("How much is it used?"),
            rx.el.span(
                rx.cond(state.pricing, "pricing …", rx.cond(state.usage == "custom", "your own month", "")),
                class_name="note",
                aria_live="polite",
            ),
            class_name="sheet-head",
        ),
        rx.el.div(
            segments("Usage", state.usage, state.choose_usage, PROFILES),
            rx.el.div(rx.foreach(state.sliders, _slider), class_name="sliders"),
            rx.el.p("Everything on this page is priced anew as you move them.", class_name="hint"),
            class_name="sheet-body stack",
        ),
        class_name="sheet",
    )


def _slider(slider: rx.Var[Slider]) -> rx.Component:
    name = f"use-{slider.key}"
    return rx.el.div(
        rx.el.label(slider.label, html_for=name, title=slider.hint),
        rx.el.output(slider.shown, html_for=name),
        rx.el.input(
            id=name,
            type="range",
            min="0",
            max="100",
            step="5",
            # A new key where a profile was chosen: then the slider starts from there.
            key=rx.cond(CostsState.usage == "custom", f"{slider.key}-own", f"{slider.key}-{CostsState.usage}"),
            default_value=slider.position.to_string(),
            aria_valuetext=slider.shown,
            on_change=lambda position: CostsState.slide(slider.key, position).debounce(200),
        ),
        class_name="slider",
    )


def _environments() -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.h2("The two clouds, environment by environment"),
            rx.el.span("Google Cloud less AWS", class_name="note"),
            class_name="sheet-head centered",
        ),
        table(
            "Costs a month by environment and cloud",
            [
                heading("Environment"),
                heading("AWS", num=True),
                heading("quiet to busy", num=True),
                heading("Google Cloud", num=True),
                heading("quiet to busy", num=True),
                heading("Difference", num=True),
            ],
            rx.foreach(CostsState.shown.environments, _environment),
        ),
        class_name="sheet",
    )


def _environment(pair: rx.Var[Pair]) -> rx.Component:
    return rx.el.tr(
        row_heading(pair.name),
        cell(_amount(pair.aws, pair.aws_stack, CostsState.open_category(pair.aws_stack, "")), kind="num", label="AWS"),
        cell(pair.aws_range, kind="num quiet", label="quiet to busy"),
        cell(
            _amount(pair.gcp, pair.gcp_stack, CostsState.open_category(pair.gcp_stack, "")),
            kind="num",
            label="Google Cloud",
        ),
        cell(pair.gcp_range, kind="num quiet", label="quiet to busy"),
        cell(_difference(pair), kind="num", label="Difference"),
    )


def _amount(money: rx.Var, stack: rx.Var[str], on_click: Any) -> rx.Component:
    """A sum that leads to its lines."""
    shown = rx.el.button(
        money.short, class_name="link money", type="button", title="Show what makes this sum", on_click=on_click
    )
    return rx.cond(stack != "", shown, rx.el.span("–", class_name="quiet", aria_label="none"))


def _difference(pair: rx.Var[Pair]) -> rx.Component:
    return rx.cond(
        pair.difference != "",
        rx.el.span(pair.difference, class_name="money nowrap"),
        rx.el.span("–", class_name="quiet", aria_label="none"),
    )


def _sides() -> rx.Component:
    state = CostsState
    return rx.el.section(
        rx.el.div(
            rx.el.h2("What makes the difference"),
            picker("Environment", state.environment, state.choose_environment, state.shown.environments),
            class_name="sheet-head centered",
        ),
        table(
            "Costs a month by category on both clouds, the largest first",
            [
                heading("Category"),
                heading("AWS", num=True),
                heading("Google Cloud", num=True),
                heading("Difference", num=True),
            ],
            rx.foreach(state.categories, _category),
        ),
        class_name="sheet",
    )


def _category(pair: rx.Var[Pair]) -> rx.Component:
    return rx.el.tr(
        row_heading(pair.name),
        cell(
            _amount(pair.aws, pair.aws_stack, CostsState.open_category(pair.aws_stack, pair.key)),
            kind="num",
            label="AWS",
        ),
        cell(
            _amount(pair.gcp, pair.gcp_stack, CostsState.open_category(pair.gcp_stack, pair.key)),
            kind="num",
            label="Google Cloud",
        ),
        cell(_difference(pair), kind="num", label="Difference"),
    )


def _about(shown: rx.Var[Sheet]) -> rx.Component:
    return rx.el.p(
        "List prices, before taxes, discounts and support plans. Stacks were last recorded ",
        instant(shown.recorded),
        ".",
        rx.cond(
            shown.unverified,
            rx.fragment(" Where sources disagree about a price, its line says “price unverified”."),
        ),
        class_name="small-print",
    )
