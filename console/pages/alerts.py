"""What fires and since when, what to do about it, and what fired before."""

from __future__ import annotations

import reflex as rx

from console import alerting, exporting, rights
from console.alerting import Alert, Rule
from console.client import Client
from console.components.figure import dated, instant
from console.components.notice import blank, table_bones
from console.components.runbook import runbook_button, runbook_dialog
from console.components.table import cell, export_button, heading, row_heading, table, turner
from console.figures import Moment
from console.listing import Paged
from console.runbooks import RunbookState
from console.template import page
from console.viewer import asking


class AlertsState(Paged, RunbookState, rx.State):
    """What fires, what is watched, one page of what fired, and the runbook that is open."""

    firing: list[Alert] = []
    looked: Moment = Moment()
    rules: list[Rule] = []
    history: list[Alert] = []

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch everything anew."""
        firing = await api.alerts(state="firing", cursor="")
        self.firing, self.looked = alerting.by_severity(firing.rows), firing.looked
        self.rules = await api.alert_rules()
        await self._show(api)

    @rx.event
    @asking(rights.see_installation)
    async def turn(self, api: Client):
        """Fetch nothing but another page of what fired."""
        await self._show(api)

    @rx.event
    @asking(rights.see_installation)
    async def export_csv(self, api: Client):
        """All that fires and fired, for a spreadsheet."""
        content = exporting.fields_as_csv(alerting.COLUMNS, await api.every("/operations/alerts"))
        return rx.download(data=content, filename=exporting.filename("alerts"))

    async def _show(self, api: Client) -> None:
        found = await api.alerts(state="ended", cursor=self.cursors[-1])
        self.history, self.next_cursor = found.rows, found.next_cursor


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(_heading(), table_bones(3), table_bones(6))


def _heading(*actions: rx.Component) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1("Alerts"),
            rx.el.p("What needs somebody now: seen by this installation, or told by the clouds.", class_name="sub"),
        ),
        rx.el.div(*actions, class_name="page-actions") if actions else None,
        class_name="page-head",
    )


@page("/alerts", title="Alerts · CloudBill", current="alerts", state=AlertsState, on_load=AlertsState.load, bones=bones)
def alerts() -> rx.Component:
    """What fires, what is watched, what fired."""
    return rx.fragment(_heading(export_button(AlertsState.export_csv)), _now(), _watched(), _history(), _runbook())


def _now() -> rx.Component:
    state = AlertsState
    looked = rx.cond(
        state.looked.iso != "", rx.fragment("looked ", instant(state.looked)), "the first look is on its way"
    )
    return rx.el.section(
        rx.el.div(rx.el.h2("Fires now"), rx.el.span(looked, class_name="note"), class_name="sheet-head centered"),
        rx.cond(
            state.firing.length() > 0,
            table(
                "What fires now, the worst first",
                [heading("What"), heading("Class"), heading("Since, UTC"), heading("From"), heading("What to do")],
                rx.foreach(state.firing, _firing),
            ),
            blank(
                "circle-check",
                "Nothing fires",
                "What this installation watches of itself is fine, and no cloud has told of an alarm that lasts.",
            ),
        ),
        class_name="sheet",
        aria_live="polite",
    )


def _severity(row: rx.Var) -> rx.Component:
    return rx.match(
        row.tone,
        ("bad", rx.el.span(row.severity, class_name="badge bad")),
        ("warn", rx.el.span(row.severity, class_name="badge warn")),
        rx.el.span(row.severity, class_name="badge"),
    )


def _what_to_do(runbook: rx.Var[str], available: rx.Var[bool] | bool) -> rx.Component:
    button = runbook_button(runbook, AlertsState.read)
    named = rx.cond(runbook != "", rx.el.span(f"docs/runbooks/{runbook}.md", class_name="mono quiet"), rx.fragment())
    return button if available is True else rx.cond(available, button, named)


def _firing(alert: rx.Var[Alert]) -> rx.Component:
    return rx.el.tr(
        row_heading(alert.name, rx.el.span(alert.summary, class_name="below")),
        cell(_severity(alert), label="Class"),
        cell(dated(alert.since), label="Since"),
        cell(
            alert.source,
            rx.cond(alert.stack != "", rx.fragment(" · ", alert.stack)),
            label="From",
        ),
        cell(_what_to_do(alert.runbook, alert.has_runbook), kind="action"),
    )


def _watched() -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.h2("What this installation watches of itself"),
            rx.el.span("every 30 seconds", class_name="note"),
            class_name="sheet-head centered",
        ),
        table(
            "Rules of this installation",
            [heading("Rule"), heading("Now"), heading("Class"), heading("Fires"), heading("What to do")],
            rx.foreach(AlertsState.rules, _rule),
        ),
        class_name="sheet",
    )


def _rule(rule: rx.Var[Rule]) -> rx.Component:
    return rx.el.tr(
        row_heading(rule.name, rx.el.span(rule.says, class_name="below")),
        cell(
            rx.cond(
                rule.fine, rx.el.span("fine", class_name="state good"), rx.el.span("fires", class_name="state bad")
            ),
            label="Now",
        ),
        cell(_severity(rule), label="Class"),
        cell(rule.after, label="Fires", kind="nowrap"),
        cell(_what_to_do(rule.runbook, True), kind="action"),
    )


def _history() -> rx.Component:
    state = AlertsState
    return rx.el.section(
        rx.el.div(rx.el.h2("What fired before"), class_name="sheet-head centered"),
        rx.cond(
            state.history.length() > 0,
            rx.fragment(
                table(
                    "What fired before, newest first",
                    [
                        heading("What"),
                        heading("Class"),
                        heading("Since, UTC"),
                        heading("Lasted", num=True),
                        heading("From"),
                    ],
                    rx.foreach(state.history, _ended),
                ),
                turner(state.cursors, state.next_cursor, previous=state.previous, following=state.following),
            ),
            blank("history", "Nothing has fired yet", "What ends is kept here, with how long it lasted."),
        ),
        class_name="sheet",
    )


def _ended(alert: rx.Var[Alert]) -> rx.Component:
    return rx.el.tr(
        row_heading(alert.name, rx.el.span(alert.summary, class_name="below")),
        cell(_severity(alert), label="Class"),
        cell(dated(alert.since), label="Since"),
        cell(alert.lasted, kind="num", label="Lasted"),
        cell(alert.source, rx.cond(alert.stack != "", rx.fragment(" · ", alert.stack)), label="From"),
    )


def _runbook() -> rx.Component:
    state = AlertsState
    return runbook_dialog(state.runbook, state.runbook_blocks, state.trouble.advice, state.close)
