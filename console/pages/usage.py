"""What one tenant used: by day and by model."""

from __future__ import annotations

import reflex as rx

from console import exporting, rights
from console.client import Client
from console.components.chart import days
from console.components.choice import segments
from console.components.figure import amount, brief, figure, figures
from console.components.notice import blank, command
from console.components.table import cell, export_button, heading, row_heading, table
from console.pages.tenant import TenantState, bones, enter, recall, tenant_heading, title
from console.rows import ModelUsage, Usage
from console.template import page
from console.viewer import PageState, asking

SPANS = [(7, "7 days"), (30, "30 days"), (90, "90 days")]

COLUMNS = {
    "Model": "model",
    "Calls": "calls",
    "Input tokens": "inputTokens",
    "of them cached": "cachedTokens",
    "Output tokens": "outputTokens",
    "Charged": "charged",
}


class UsageState(PageState, rx.State):
    """Usage over some days."""

    shown: Usage = Usage()
    span: int = 30

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the days at hand."""
        self.shown = await api.usage(days=self.span, now=(await enter(self, api)).clock_iso)

    @rx.event
    @asking(rights.see_tenant)
    async def look(self, api: Client):
        """Fetch other days."""
        self.shown = await api.usage(days=self.span, now=(await recall(self, api)).clock_iso)

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """The days at hand by model, for a spreadsheet."""
        entries = await api.models_used(days=self.span, now=(await recall(self, api)).clock_iso)
        return rx.download(data=exporting.fields_as_csv(COLUMNS, entries), filename=exporting.filename("usage"))

    @rx.event
    def choose(self, span: int):
        """Look further back, or less far."""
        self.span = span
        return UsageState.look


@page(
    "/tenants/[tenant_slug]/usage",
    title=title("Usage"),
    current="usage",
    state=UsageState,
    on_load=UsageState.load,
    bones=bones,
    live=True,
    tenant_name=TenantState.head.name,
)
def usage() -> rx.Component:
    """Figures, days, models."""
    shown = UsageState.shown
    about = rx.fragment("Usage by day, the last ", UsageState.span, " days, ", shown.total.brief, " in all.")
    return rx.fragment(
        tenant_heading(segments("How far back", UsageState.span, UsageState.choose, SPANS)),
        figures(
            figure("Charged", brief(shown.total), rx.fragment("in ", UsageState.span, " days"), total=True),
            figure("Calls", shown.calls, "settled"),
            figure("A call", brief(shown.average), "on average"),
        ),
        rx.cond(shown.by_model.length() > 0, _days_and_models(about), _nothing()),
    )


def _days_and_models(about: rx.Component) -> rx.Component:
    currency = rx.el.span(TenantState.head.currency, class_name="note")
    return rx.fragment(
        rx.el.section(
            rx.el.div(rx.el.h2("By day"), currency, class_name="sheet-head"),
            rx.el.div(days(UsageState.shown.by_day, color="--chart-2", about=about), class_name="sheet-body"),
            class_name="sheet",
        ),
        rx.el.section(
            rx.el.div(rx.el.h2("By model"), export_button(UsageState.export_csv), class_name="sheet-head centered"),
            _models(),
            class_name="sheet",
        ),
    )


def _nothing() -> rx.Component:
    return rx.el.section(
        blank(
            "activity",
            "No call was settled in these days",
            rx.fragment("Look further back, or settle one with ", command("POST /api/usage/reconcile"), "."),
        ),
        class_name="sheet",
    )


def _models() -> rx.Component:
    return table(
        "Usage by model, the most expensive first",
        [
            heading("Model"),
            heading("Calls", num=True),
            heading("Input tokens", num=True),
            heading("of them cached", num=True),
            heading("Output tokens", num=True),
            heading(f"Charged, {TenantState.head.currency}", num=True),
        ],
        rx.foreach(UsageState.shown.by_model, _model),
    )


def _model(row: rx.Var[ModelUsage]) -> rx.Component:
    bar = rx.el.div(rx.el.i(style={"width": f"{row.percent}%"}), class_name="bar second", aria_hidden=True)
    return rx.el.tr(
        row_heading(row.model, bar),
        cell(row.calls, kind="num", label="Calls"),
        cell(rx.el.span(row.input_tokens, title=row.input_exact), kind="num", label="Input tokens"),
        cell(rx.el.span(row.cached_tokens, title=row.cached_exact), kind="num quiet", label="of them cached"),
        cell(rx.el.span(row.output_tokens, title=row.output_exact), kind="num", label="Output tokens"),
        cell(amount(row.charged), kind="num main"),
    )
