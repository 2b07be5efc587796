"""What the stacks cost a month: both clouds side by side, line by line, for any usage."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import reflex as rx

from console import costing, rights
from console.client import Client
from console.components.chart import stacked
from console.components.choice import picker, segments
from console.components.figure import brief, figure, figures, instant, short
from console.components.notice import blank, chart_bones, command, figure_bones, notice
from console.components.table import cell, heading, pager, row_heading, sort_heading, table
from console.costing import Actual, Line, Pair, Saving, Sheet, Slider, Variance
from console.template import page
from console.viewer import PageState, asking

PROFILES = [("small", "Quiet month"), ("base", "Ordinary month"), ("large", "Busy month")]
LINES_A_PAGE = 15


class CostsState(PageState, rx.State):
    """The stacks' months, for one usage; and one stack's lines, as they are asked for."""

    shown: Sheet = Sheet()
    usage: str = "base"
    sliders: list[Slider] = []
    pricing: bool = False
    environment: str = ""
    categories: list[Pair] = []
    stack: str = ""
    stack_title: str = ""
    lines: list[Line] = []
    found: int = 0
    found_monthly: str = ""
    line_page: int = 1
    line_pages: int = 1
    category: str = ""
    search: str = ""
    order: str = "-monthly"
    with_free: bool = False
    savings: list[Saving] = []
    actual: Actual = Actual()
    _profiles: dict[str, dict[str, float]] = {}
    _positions: dict[str, int] = {}
    _profile: str = "base"
    _lines: list[Line] = []

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch everything anew, for the usage at hand."""
        if not self._profiles:
            self._profiles = await api.usage_profiles()
            self._place(self.usage)
        await self._price(api)
        if self.stack:
            await self._read_about(api, self.stack)

    @rx.event
    @asking(rights.see_installation)
    async def price(self, api: Client):
        """Price anew, after the usage has changed."""
        await self._price(api)
        self.pricing = False

    @rx.event
    def choose_usage(self, usage: str):
        """A quiet, an ordinary or a busy month."""
        self._place(usage)
        self.pricing = True
        return CostsState.price

    @rx.event
    def slide(self, key: str, position: str):
        """Use more or less of one thing."""
        self._positions = {**self._positions, key: int(position)}
        self.usage, self.pricing = "custom", True
        self.sliders = costing.sliders(self._profiles, self._positions)
        return CostsState.price

    @rx.event
    @asking(rights.see_installation)
    async def open_stack(self, api: Client, stack: str):
        """Show another stack line by line."""
        await self._open(api, stack, "")

    @rx.event
    @asking(rights.see_installation)
    async def open_category(self, api: Client, stack: str, category: str):
        """Show what makes a sum."""
        await self._open(api, stack, category)
        return rx.scroll_to("lines")

    @rx.event
    def choose_environment(self, environment: str):
        """Compare another environment."""
        self.environment = environment
        self.categories = costing.categories(self.shown, environment)

    @rx.event
    @asking(rights.see_installation)
    async def open_month(self, api: Client, month: str):
        """Another month's bill."""
        self.actual = await api.actual(self.stack, month=month)

    @rx.event
    def filter_category(self, category: str):
        """Lines of one category."""
        self.category, self.line_page = category, 1
        self._turn()

    @rx.event
    def find(self, text: str):
        """Lines with these words."""
        self.search, self.line_page = text.strip(), 1
        self._turn()

    @rx.event
    def sort(self, order: str):
        """Lines in another order."""
        self.order, self.line_page = order, 1
        self._turn()

    @rx.event
    def show_free(self, with_free: bool):
        """What costs nothing, too."""
        self.with_free, self.line_page = with_free, 1
        self._turn()

    @rx.event
    def following(self):
        """Turn the page."""
        self.line_page = min(self.line_page + 1, self.line_pages)
        self._turn()

    @rx.event
    def previous(self):
        """Turn it back."""
        self.line_page = max(self.line_page - 1, 1)
        self._turn()

    @rx.event
    @asking(rights.see_installation)
    async def export_csv(self, api: Client):
        """Every line of every stack, for a spreadsheet."""
        return rx.download(data=costing.as_csv(await self._bodies(api)), filename=self._filename("csv"))

    @rx.event
    @asking(rights.see_installation)
    async def export_json(self, api: Client):
        """The same for programs."""
        document = json.dumps({"stacks": await self._bodies(api)}, indent=2)
        return rx.download(data=document, filename=self._filename("json"))

    async def _bodies(self, api: Client) -> list[dict[str, Any]]:
        return [await self._lines_of(api, stack.stack) for stack in self.shown.stacks]

    def _filename(self, ending: str) -> str:
        return f"cloudbill-costs-{self.usage}-{datetime.now(UTC):%Y-%m-%d}.{ending}"

    async def _price(self, api: Client) -> None:
        if self.usage == "custom":
            usage = costing.usage_at(self._profiles, self._positions, self._profile)
            self.shown = await api.costs_for(usage)
        else:
            self.shown = await api.costs(usage=self.usage)
        environments = [pair.key for pair in self.shown.environments]
        if self.environment not in environments:
            self.environment = environments[0] if environments else ""
        self.categories = costing.categories(self.shown, self.environment)
        known = [stack.stack for stack in self.shown.stacks]
        stack = self.stack if self.stack in known else (known[0] if known else "")
        if stack:
            await self._read_lines(api, stack)
        else:
            self.stack = ""

    async def _open(self, api: Client, stack: str, category: str) -> None:
        self.category, self.search, self.line_page = category, "", 1
        other = stack != self.stack
        await self._read_lines(api, stack)
        if other:
            await self._read_about(api, stack)

    async def _read_about(self, api: Client, stack: str) -> None:
        self.savings = costing.savings(await api.savings(stack, usage=self._profile))
        self.actual = await api.actual(stack, month="")

    async def _read_lines(self, api: Client, stack: str) -> None:
        self.stack = stack
        self.stack_title = next((one.title for one in self.shown.stacks if one.stack == stack), stack)
        self._lines = costing.lines(await self._lines_of(api, stack))
        self._turn()

    async def _lines_of(self, api: Client, stack: str) -> dict[str, Any]:
        if self.usage == "custom":
            usage = costing.usage_at(self._profiles, self._positions, self._profile)
            return await api.cost_lines_for(stack, usage)
        return await api.cost_lines(stack, usage=self.usage)

    def _turn(self) -> None:
        found = costing.chosen(
            self._lines, category=self.category, search=self.search, order=self.order, with_free=self.with_free
        )
        self.found = len(found)
        self.found_monthly = f"{sum(round(line.monthly.value * 100) for line in found) / 100:,.2f}"
        self.line_pages = max(1, -(-len(found) // LINES_A_PAGE))
        self.line_page = min(self.line_page, self.line_pages)
        start = (self.line_page - 1) * LINES_A_PAGE
        self.lines = found[start : start + LINES_A_PAGE]

    def _place(self, usage: str) -> None:
        self.usage = self._profile = usage
        self._positions = dict.fromkeys(costing.SLIDERS, costing.POSITIONS[usage])
        self.sliders = costing.sliders(self._profiles, self._positions)


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
            _line_by_line(),
            _savings(),
            _billed(),
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


def _line_by_line() -> rx.Component:
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


def _savings() -> rx.Component:
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


def _billed() -> rx.Component:
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
