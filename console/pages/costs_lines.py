"""Of the Costs page: one stack line by line, what could be saved of it, and its bill."""

from __future__ import annotations

import reflex as rx

from console.billed import Actual, Variance
from console.components.figure import instant, short
from console.components.notice import blank, notice
from console.components.table import cell, heading, pager, row_heading, sort_heading, table
from console.costing import Line, Saving
from console.pages.costs_state import CostsState


def line_by_line() -> rx.Component:
    """One stack, every line of its month."""
    state = CostsState
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Line by line: ", state.stack_title),
            rx.el.span(state.found, " lines, ", state.found_monthly, " ", state.shown.currency, class_name="note"),
            class_name="sheet-head",
        ),
        rx.el.div(_stack_choice(), _category_choice(), _search(), _free_choice(), class_name="sheet-body filters"),
        rx.cond(state.lines.length() > 0, _lines(), blank("search-x", "No line matches", "Choose fewer conditions.")),
        class_name="sheet",
        id="lines",
    )


def _stack_choice() -> rx.Component:
    return rx.el.select(
        rx.foreach(CostsState.shown.stacks, lambda stack: rx.el.option(stack.title, value=stack.stack)),
        value=CostsState.stack,
        on_change=CostsState.open_stack,
        class_name="input compact",
        aria_label="Stack",
    )


def _category_choice() -> rx.Component:
    return rx.el.select(
        rx.el.option("Every category", value=""),
        rx.foreach(CostsState.categories, lambda pair: rx.el.option(pair.name, value=pair.key)),
        value=CostsState.category,
        on_change=CostsState.filter_category,
        class_name="input compact",
        aria_label="Category",
    )


def _search() -> rx.Component:
    return rx.el.div(
        rx.el.label("Find a line", html_for="find-line", class_name="visually-hidden"),
        rx.icon("search", size=16, aria_hidden=True),
        rx.el.input(
            id="find-line",
            type="search",
            class_name="input",
            placeholder="NAT, backup, logs …",
            key=f"{CostsState.stack}-{CostsState.category}",
            default_value=CostsState.search,
            on_change=CostsState.find.debounce(250),
        ),
        class_name="search",
        role="search",
    )


def _free_choice() -> rx.Component:
    return rx.el.label(
        rx.el.input(type="checkbox", checked=CostsState.with_free, on_change=CostsState.show_free),
        "also what costs nothing",
        class_name="check",
    )


def _lines() -> rx.Component:
    state = CostsState
    return rx.fragment(
        table(
            "Lines of the stack's month",
            [
                sort_heading("What", "item", state.order, state.sort),
                heading("How much, at what price"),
                sort_heading("A month", "monthly", state.order, state.sort, num=True),
                heading("Where the price is from"),
            ],
            rx.foreach(state.lines, _line),
        ),
        pager(
            rx.fragment("Page ", state.line_page, " of ", state.line_pages),
            previous=state.previous,
            following=state.following,
            first=state.line_page <= 1,
            last=state.line_page >= state.line_pages,
        ),
    )


def _line(line: rx.Var[Line]) -> rx.Component:
    source = rx.cond(
        line.link != "",
        rx.el.a(line.source, href=line.link, target="_blank", rel="noreferrer"),
        rx.el.span(line.source),
    )
    return rx.el.tr(
        row_heading(line.item, rx.el.span(line.resource, " · ", line.category, class_name="below")),
        cell(
            rx.el.span(line.quantity, " × ", line.unit_price, class_name="amounts"),
            rx.el.span(
                line.kind, rx.cond(line.assumption != "", rx.fragment(" · ", line.assumption)), class_name="below"
            ),
            kind="wide",
        ),
        cell(
            short(line.monthly),
            rx.cond(line.span != "", rx.el.span(line.span, class_name="below", title="Quiet to busy month")),
            kind="num main",
        ),
        cell(source, rx.el.span("as of ", line.date, class_name="below"), kind="wide source"),
    )


def savings() -> rx.Component:
    """Proposals, the largest first."""
    state = CostsState
    return rx.el.section(
        rx.el.div(
            rx.el.h2("What could be saved: ", state.stack_title),
            rx.el.span("each by itself, priced for the month chosen above", class_name="note"),
            class_name="sheet-head centered",
        ),
        rx.cond(
            state.savings.length() > 0,
            table(
                "Savings, the largest first",
                [heading("Proposal"), heading("Saves a month", num=True), heading("What it takes"), heading("How")],
                rx.foreach(state.savings, _saving),
            ),
            blank("piggy-bank", "Nothing to propose", "What lowers this stack's costs is done already."),
        ),
        class_name="sheet",
    )


def _saving(saving: rx.Var[Saving]) -> rx.Component:
    return rx.el.tr(
        row_heading(saving.title, rx.cond(saving.excludes != "", rx.el.span(saving.excludes, class_name="below"))),
        cell(short(saving.saving), rx.el.span(saving.share, class_name="below"), kind="num main"),
        cell(
            saving.trade_off,
            rx.cond(saving.breaks != "", rx.el.span("Breaks the rule ", saving.breaks, class_name="below")),
            kind="wide prose",
        ),
        cell(saving.how, rx.el.span("Price: ", saving.source, class_name="below"), kind="wide prose"),
    )


def billed() -> rx.Component:
    """What was estimated, and what came."""
    state = CostsState
    actual = state.actual
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Estimated and billed: ", state.stack_title),
            rx.cond(actual.months.length() > 0, _month_choice()),
            class_name="sheet-head centered",
        ),
        rx.cond(
            actual.month != "",
            rx.fragment(
                rx.el.div(_verdict(actual), class_name="sheet-body"),
                table(
                    "Estimated and billed, the largest difference first",
                    [
                        heading("Part"),
                        heading("Estimated", num=True),
                        heading("Billed", num=True),
                        heading("Difference", num=True),
                        heading("Of the estimate", num=True),
                    ],
                    rx.fragment(_variance(actual.total), rx.foreach(actual.lines, _variance)),
                ),
                rx.el.div(
                    rx.el.p(
                        "From ",
                        actual.source,
                        ", imported ",
                        instant(actual.imported),
                        ". ",
                        rx.cond(actual.apart != "", rx.fragment("Not compared: ", actual.apart, ". ")),
                        rx.foreach(actual.notes, lambda note: rx.fragment(note, ". ")),
                    ),
                    class_name="table-foot",
                ),
            ),
            blank(
                "scale",
                "No bill was imported yet",
                rx.fragment(
                    "Once a month is over: ",
                    rx.el.code(f"cloudbill cost actual {state.stack} --month YYYY-MM --export FILE --store"),
                ),
            ),
        ),
        class_name="sheet",
    )


def _month_choice() -> rx.Component:
    return rx.el.select(
        rx.foreach(CostsState.actual.months, lambda month: rx.el.option(month, value=month)),
        value=CostsState.actual.month,
        on_change=CostsState.open_month,
        class_name="input compact",
        aria_label="Month of the bill",
    )


def _verdict(actual: rx.Var[Actual]) -> rx.Component:
    return rx.cond(
        actual.alerts > 0,
        notice(
            "warn",
            "The bill is not what was estimated",
            rx.fragment(actual.alerts, " parts are more than 15 % off; they are marked."),
        ),
        notice("good", "The bill is as estimated", "No part is more than 15 % off."),
    )


def _variance(row: rx.Var[Variance]) -> rx.Component:
    return rx.el.tr(
        row_heading(row.name, rx.cond(row.category != "", rx.el.span(row.category, class_name="below"))),
        cell(short(row.estimated), kind="num", label="Estimated"),
        cell(short(row.actual), kind="num main"),
        cell(row.difference, kind="num", label="Difference"),
        cell(
            rx.cond(
                row.alert,
                rx.el.span(row.percent, class_name="badge warn"),
                rx.el.span(row.percent, class_name="quiet"),
            ),
            kind="num",
            label="Of the estimate",
        ),
    )
