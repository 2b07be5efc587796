"""The installation at a glance: what came in, what is owed in credits, what was used, what runs."""

from __future__ import annotations

import reflex as rx

from console import rights
from console.client import Client
from console.components.chart import days, ranking
from console.components.choice import segments
from console.components.figure import brief, figure, figures, instant
from console.components.notice import blank, chart_bones, command, figure_bones, notice
from console.figures import Money
from console.rows import HealthPart, Overview
from console.template import page
from console.viewer import PageState, asking


class OverviewState(PageState, rx.State):
    """The overview's figures."""

    shown: Overview = Overview()
    currency: str = ""

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch everything anew."""
        self.shown = await api.overview(currency=self.currency)

    @rx.event
    def choose(self, currency: str):
        """Figures are of one currency; nothing converts."""
        self.currency = currency
        return OverviewState.load


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(heading(), figure_bones(5), rx.el.div(chart_bones(), chart_bones(), class_name="pair"))


def heading(*actions: rx.Component) -> rx.Component:
    """The page's title."""
    return rx.el.header(
        rx.el.div(
            rx.el.h1("Overview"),
            rx.el.p("All tenants of this installation. Days are UTC.", class_name="sub"),
        ),
        *actions,
        class_name="page-head",
    )


@page(
    "/", title="Overview · CloudBill", current="overview", state=OverviewState, on_load=OverviewState.load, bones=bones
)
def overview() -> rx.Component:
    """Figures, charts, rankings, health."""
    shown = OverviewState.shown
    return rx.fragment(
        heading(_currencies(shown)),
        _warnings(shown),
        figures(
            figure(
                "Revenue today",
                brief(shown.revenue_today),
                rx.fragment(shown.revenue_30d.brief, " in 30 days"),
                total=True,
            ),
            figure("Credits outstanding", brief(shown.credits_outstanding), "prepaid, not yet used"),
            figure(
                "Receivables",
                rx.el.span(brief(shown.receivables), class_name=rx.cond(shown.receivables.sign > 0, "bad", "")),
                "beyond the credits",
            ),
            figure("Usage today", brief(shown.usage_today), rx.fragment(shown.calls_today, " calls")),
            figure("Tenants", shown.tenants, _tenants(shown)),
        ),
        rx.el.div(
            _chart("Revenue by day", shown.revenue_by_day, "--chart-1", shown.revenue_30d, "Nothing came in"),
            _chart("Usage by day", shown.usage_by_day, "--chart-2", shown.usage_30d, "Nothing was used"),
            class_name="pair",
        ),
        rx.el.div(
            _ranking("Usage by model", shown.models, "cpu", "No model was used yet", second=True),
            _ranking("Top tenants", shown.top_tenants, "building-2", "No tenant used anything yet", link="/tenants"),
            _running(shown),
            class_name="triple",
        ),
    )


def _currencies(shown: rx.Var[Overview]) -> rx.Component:
    return rx.cond(
        shown.currencies.length() > 1,
        segments("Currency", shown.currency, OverviewState.choose, shown.currencies),
    )


def _tenants(shown: rx.Var[Overview]) -> rx.Component:
    test = rx.cond(shown.test_tenants > 0, rx.fragment(" · ", shown.test_tenants, " test"))
    return rx.fragment(shown.active_tenants, " active in 30 days", test)


def _chart(title: str, points: rx.Var, color: str, total: rx.Var[Money], nothing: str) -> rx.Component:
    about = rx.fragment(title, ", the last 30 days, ", total.brief, " in all.")
    return rx.el.section(
        rx.el.div(
            rx.el.h2(title),
            rx.el.span(total.brief, " in 30 days", class_name="note", title=total.exact),
            class_name="sheet-head",
        ),
        rx.cond(
            total.sign == 0,
            blank("chart-column", f"{nothing} in 30 days", "Each day is a bar here once something was."),
            rx.el.div(days(points, color=color, about=about), class_name="sheet-body"),
        ),
        class_name="sheet",
    )


def _ranking(
    title: str, shares: rx.Var, icon: str, nothing: str, *, second: bool = False, link: str = ""
) -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2(title), rx.el.span("30 days", class_name="note"), class_name="sheet-head"),
        rx.cond(
            shares.length() > 0,
            rx.el.div(ranking(shares, second=second, link=link), class_name="sheet-body"),
            blank(icon, nothing, "The first settled call appears here at once."),
        ),
        class_name="sheet",
    )


def _running(shown: rx.Var) -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("Running"), class_name="sheet-head"),
        rx.el.ul(
            rx.foreach(shown.health, _part),
            _line(
                "Ledger chain",
                rx.match(
                    shown.ledger_state,
                    ("verified", _state("good", "verified")),
                    ("broken", _state("bad", "does not verify")),
                    rx.el.span("not verified yet", class_name="quiet"),
                ),
                rx.cond(shown.ledger_checked.iso != "", rx.fragment("checked ", instant(shown.ledger_checked))),
            ),
            _line("Last block sealed", instant(shown.ledger_sealed), rx.fragment(shown.ledger_blocks, " blocks")),
            _line("Entries to seal", shown.ledger_unsealed),
            class_name="parts sheet-body",
        ),
        class_name="sheet",
    )


def _part(part: rx.Var[HealthPart]) -> rx.Component:
    return _line(
        part.name,
        rx.cond(part.healthy, _state("good", "healthy"), _state("bad", "down")),
    )


def _state(tone: str, text: str) -> rx.Component:
    return rx.el.span(text, class_name=f"state {tone}")


def _line(name: rx.Var | str, value: rx.Component | rx.Var, note: rx.Component | None = None) -> rx.Component:
    return rx.el.li(
        rx.el.span(name, rx.el.span(" · ", note, class_name="quiet") if note is not None else None), rx.el.span(value)
    )


def _warnings(shown: rx.Var) -> rx.Component:
    return rx.fragment(
        rx.cond(
            shown.demo != "",
            notice(
                "",
                rx.fragment("The demo is ", shown.demo),
                "Until it is made, its tenants and figures here are in part there. All else is as it will be.",
            ),
        ),
        rx.cond(
            shown.unhealthy != "",
            notice(
                "bad",
                rx.fragment("Not healthy: ", shown.unhealthy),
                rx.fragment(
                    command("cloudbill status"), " says more. What was settled is safe; what waits is done later."
                ),
            ),
        ),
        rx.cond(
            shown.ledger_state == "broken",
            notice(
                "bad",
                "The ledger's chain does not verify",
                rx.fragment("Run ", command("cloudbill ledger verify"), " on the server: it names the block."),
            ),
        ),
        rx.cond(
            shown.parked != "",
            notice(
                "warn",
                rx.fragment("Parked: ", shown.parked),
                rx.fragment(
                    "Failed for good, holding up nobody else. See them with ",
                    command("cloudbill jobs list"),
                    ", then replay.",
                ),
            ),
        ),
    )
