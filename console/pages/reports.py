"""What a tenant earns, is owed, holds and taxes, month by month; each figure leads to its rows."""

from __future__ import annotations

import reflex as rx

from console import exporting, reporting, rights
from console.client import Client
from console.components.chart import days
from console.components.choice import segments
from console.components.figure import instant
from console.components.listed import listed
from console.components.notice import blank
from console.components.table import cell, export_button, heading, row_heading, table
from console.figures import parse_instant
from console.listing import Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.reporting import Cell, MonthLine, Row, Sheet
from console.template import page
from console.viewer import asking


class ReportsState(Addressed, rx.State):
    """The report that the address names, and the rows of one of its figures."""

    sheet: Sheet = Sheet()
    report: str = "mrr"
    looked_at: str = ""
    shown: list[Row] = []

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the months; and, where the address names a figure, its rows."""
        self.read_address()
        now = parse_instant((await enter(self, api)).clock_iso)
        names = dict(reporting.REPORTS)
        self.report = self.chosen.get("report", "mrr") if self.chosen.get("report") in names else "mrr"
        self.sheet = await reporting.sheet(api, self.report, currency=self.chosen.get("currency", ""), now=now)
        self.looked_at, self.shown, self.next_cursor = "", [], ""
        if figure := self.chosen.get("figure", ""):
            named = (reporting.FIGURES.get(figure, figure), self.chosen.get("key", ""), self.chosen.get("month", ""))
            self.looked_at = ", ".join(part for part in named if part).replace("_", " ")
            found = await reporting.rows(api, self.report, self.chosen, cursor=self.cursors[-1], now=now)
            self.shown, self.next_cursor = found.rows, found.next_cursor

    @rx.event
    def look_at(self, report: str):
        """Another report, in the same currency."""
        self.chosen = {"report": report, **{k: v for k, v in self.chosen.items() if k == "currency"}}
        return self._go([""])

    @rx.event
    def convert(self, currency: str):
        """Another currency; nothing is converted."""
        self.chosen = {"report": self.report, "currency": currency}
        return self._go([""])

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """The rows of the figure, for a spreadsheet."""
        path = f"{reporting.ADDRESS}/{self.report}/rows"
        asked = {part: self.chosen.get(part, "") for part in ("month", "figure", "key", "currency")}
        return await exporting.download(api, path, reporting.ROW_COLUMNS, f"{self.report}-rows", **asked)

    @rx.event
    @asking(rights.see_tenant)
    async def export_months(self, api: Client):
        """Every figure of the months, in every currency."""
        now = parse_instant((await enter(self, api)).clock_iso)
        body = await api.get_own(f"{reporting.ADDRESS}/{self.report}", **{"from": reporting.first_month(now)})
        content = exporting.fields_as_csv(reporting.FIGURE_COLUMNS, body["data"])
        return rx.download(data=content, filename=exporting.filename(self.report))


@page(
    "/tenants/[tenant_slug]/reports",
    title=title("Reports"),
    current="reports",
    state=ReportsState,
    on_load=ReportsState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def reports() -> rx.Component:
    """The choice, the course of the year, the months, the rows."""
    state = ReportsState
    return rx.fragment(
        tenant_heading(
            segments("Report", state.report, state.look_at, reporting.REPORTS),
            rx.cond(
                state.sheet.currencies.length() > 1,
                segments("Currency", state.sheet.currency, state.convert, state.sheet.currencies),
            ),
        ),
        rx.cond(state.sheet.points.length() > 0, _course()),
        _months(),
        rx.cond(state.looked_at != "", _rows()),
    )


def _course() -> rx.Component:
    sheet = ReportsState.sheet
    return rx.el.section(
        rx.el.div(
            rx.el.h2(sheet.about, ", ", sheet.currency),
            rx.el.span("this month so far ", rx.el.b(sheet.newest), class_name="note"),
            class_name="sheet-head centered",
        ),
        rx.el.div(
            days(sheet.points, color="--chart-1", about=rx.fragment(sheet.about, " by month, ", sheet.currency)),
            class_name="sheet-body",
        ),
        class_name="sheet",
    )


def _months() -> rx.Component:
    state = ReportsState
    headings = [heading("Month"), rx.foreach(state.sheet.headings, lambda text: heading(text, num=True))]
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Month by month", rx.cond(state.sheet.currency != "", rx.fragment(", ", state.sheet.currency))),
            rx.cond(state.sheet.lines.length() > 0, export_button(state.export_months)),
            class_name="sheet-head centered",
        ),
        rx.cond(
            state.sheet.lines.length() > 0,
            table("The report, the newest month first", headings, rx.foreach(state.sheet.lines, _line)),
            blank("chart-column", "Nothing to report yet", "Figures appear with the first subscription or invoice."),
        ),
        class_name="sheet",
    )


def _line(line: rx.Var[MonthLine]) -> rx.Component:
    return rx.el.tr(row_heading(rx.el.span(line.month, class_name="nowrap")), rx.foreach(line.cells, _cell))


def _cell(one: rx.Var[Cell]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/reports?{one.query}"
    link = rx.link(one.text, href=address, class_name="row-link money", title=one.exact, unstyled=True)
    return rx.el.td(
        rx.cond(one.query != "", link, rx.el.span("–", class_name="quiet")),
        class_name=rx.cond(one.query != "", rx.cond(one.total, "num sum", "num"), "num skip"),
        custom_attrs={"data-label": one.heading},
    )


def _rows() -> rx.Component:
    state = ReportsState
    return listed(
        rx.fragment("What it is made of: ", state.looked_at),
        state=state,
        headings=[
            heading("What"),
            heading("Customer"),
            heading("When"),
            heading("Where it stands"),
            heading("Amount", num=True),
        ],
        row=_row,
        nothing=blank("filter-x", "No row", "The figure may have changed since the link was made."),
        caption="Rows of the figure",
    )


def _row(row: rx.Var[Row]) -> rx.Component:
    return rx.el.tr(
        row_heading(row.what),
        cell(row.customer, kind="under"),
        cell(instant(row.at, otherwise="–"), label="When"),
        cell(
            rx.cond(row.href != "", rx.link(row.named, href=row.href, class_name="row-link", unstyled=True), "–"),
            label="Where it stands",
        ),
        cell(rx.el.span(row.amount, class_name="money"), kind="num main"),
    )
