"""The Costs page's state: the stacks' months for one usage, and one stack's lines, savings and bill."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import reflex as rx

from console import costing, rights, usage_choice
from console.billed import Actual
from console.client import Client
from console.costing import Line, Pair, Saving, Sheet
from console.usage_choice import Slider
from console.viewer import PageState, asking

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
        self.sliders = usage_choice.sliders(self._profiles, self._positions)
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
            usage = usage_choice.usage_at(self._profiles, self._positions, self._profile)
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
            usage = usage_choice.usage_at(self._profiles, self._positions, self._profile)
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
        self._positions = dict.fromkeys(usage_choice.SLIDERS, usage_choice.POSITIONS[usage])
        self.sliders = usage_choice.sliders(self._profiles, self._positions)
