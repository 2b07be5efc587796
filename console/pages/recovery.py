"""Disaster recovery: whether the installation could be brought back now, and what drills measured."""

from __future__ import annotations

import reflex as rx

from console import exporting, recovering, rights
from console.client import Client
from console.components.browser import ticker
from console.components.figure import figure, figures, instant
from console.components.notice import figure_bones, table_bones
from console.components.runbook import runbook_button, runbook_dialog
from console.components.table import cell, heading, row_heading, table
from console.listing import Paged
from console.pages.recovery_drills import drills, start_dialog
from console.pages.recovery_failover import failover, tone
from console.pages.recovery_hold import hold, release_dialog
from console.recovering import DrillPage, Item, Recovery, Target
from console.runbooks import RunbookState
from console.template import page
from console.viewer import asking

WATCH_SECONDS = 2
LOOK_SECONDS = 15
"""As often as the worker looks on one machine."""


class RecoveryState(Paged, RunbookState, rx.State):
    """How recovery stands, one page of drills, and what is about to be started."""

    shown: Recovery = Recovery()
    drills: DrillPage = DrillPage()
    starting: str = ""
    must_confirm: str = ""
    confirm: str = ""
    releasing: bool = False
    reason: str = ""
    word: str = ""
    released: str = ""

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch everything anew."""
        self.shown = await api.recovery()
        await self._show(api)

    @rx.event
    @asking(rights.see_installation)
    async def look_again(self, api: Client):
        """How it stands now, the plan of a failover with it."""
        self.shown = await api.recovery()

    @rx.event
    @asking(rights.see_installation)
    async def turn(self, api: Client):
        """Fetch nothing but another page of drills."""
        await self._show(api)

    @rx.event
    def ask(self, scenario: str):
        """Say what is about to be started, before it is; nothing closes it."""
        self.starting, self.confirm = scenario, ""
        self.must_confirm = next((one.confirm for one in self.shown.scenarios if one.name == scenario), "")

    @rx.event
    def ask_nothing(self, is_open: bool):
        """Leave it."""
        if not is_open:
            self.starting = ""

    @rx.event
    def type_confirm(self, text: str):
        """What was typed to confirm."""
        self.confirm = text

    @rx.event
    @asking(rights.recover)
    async def start(self, api: Client):
        """Start it, and go where it can be watched."""
        scenario, self.starting = self.starting, ""
        run_id = await api.start_drill(scenario, confirm=self.confirm)
        return rx.redirect(f"/recovery/drills/{run_id}")

    @rx.event
    def ask_release(self):
        """Say what a release does, before it does."""
        self.releasing, self.reason, self.word = True, "", ""

    @rx.event
    def keep_held(self, is_open: bool):
        """Leave it held."""
        self.releasing = is_open

    @rx.event
    def type_reason(self, text: str):
        """Why it may go on."""
        self.reason = text.strip()

    @rx.event
    def type_word(self, text: str):
        """What was typed to confirm."""
        self.word = text

    @rx.event
    @asking(rights.recover)
    async def release(self, api: Client):
        """Let the worker go."""
        self.releasing = False
        events = await api.release_worker(reason=self.reason)
        self.released = f"{events} events of the payment provider were fetched first; its jobs apply them now."
        return RecoveryState.load

    @rx.event
    @asking(rights.see_installation)
    async def export_csv(self, api: Client):
        """Every drill, for a spreadsheet."""
        entries = await api.every("/operations/drills")
        return rx.download(
            data=exporting.fields_as_csv(recovering.COLUMNS, entries), filename=exporting.filename("drills")
        )

    async def _show(self, api: Client) -> None:
        self.drills = await api.drills(cursor=self.cursors[-1])
        self.next_cursor = self.drills.next_cursor


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(_heading(), figure_bones(4), table_bones(9), table_bones(4))


def _heading() -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1("Disaster recovery"),
            rx.el.p("Whether this installation could be brought back now, and how that is known.", class_name="sub"),
        ),
        class_name="page-head",
    )


@page(
    "/recovery",
    title="Disaster recovery · CloudBill",
    current="recovery",
    state=RecoveryState,
    on_load=RecoveryState.load,
    bones=bones,
)
def recovery() -> rx.Component:
    """The hold, figures, readiness, targets, drills, failover."""
    state = RecoveryState
    under_way = state.drills.rows.length() > 0
    return rx.fragment(
        _heading(),
        hold(state),
        _figures(state.shown),
        _readiness(state.shown),
        _targets(state.shown),
        drills(state),
        failover(state),
        ticker(seconds=rx.cond(under_way & state.drills.rows[0].under_way, WATCH_SECONDS, 0), on_tick=state.turn),
        ticker(seconds=LOOK_SECONDS, on_tick=state.look_again),
        start_dialog(state),
        release_dialog(state),
        runbook_dialog(state.runbook, state.runbook_blocks, state.trouble.advice, state.close),
    )


def _figures(shown: rx.Var[Recovery]) -> rx.Component:
    here = shown.here
    return figures(
        figure("Readiness", shown.state, shown.verdict, total=True),
        figure(
            "Data that would be lost (RPO)",
            rx.cond(here.evidence != "", here.rpo, "not measured"),
            rx.fragment("target ", here.rpo_target, ": ", here.rpo_verdict),
        ),
        figure(
            "Time until it serves again (RTO)",
            rx.cond(here.evidence != "", here.rto, "not measured"),
            rx.fragment("target ", here.rto_target, ": ", here.rto_verdict),
        ),
        figure("Last drill", shown.since_drill, rx.fragment("one every ", shown.interval)),
    )


def _readiness(shown: rx.Var[Recovery]) -> rx.Component:
    def item(one: rx.Var[Item]) -> rx.Component:
        return rx.el.li(
            tone(one.state, one.tone),
            rx.el.b(one.title),
            rx.el.p(one.says, rx.cond(one.do != "", rx.el.span(one.do, class_name="do"))),
            runbook_button(one.runbook, RecoveryState.read),
        )

    return rx.el.section(
        rx.el.div(
            rx.el.h2("What it takes"),
            rx.el.span("what was not seen lately is not known, and never ready", class_name="note"),
            class_name="sheet-head centered",
        ),
        rx.el.ul(rx.foreach(shown.lines, item), class_name="readiness"),
        class_name="sheet",
        aria_label="Readiness",
    )


def _targets(shown: rx.Var[Recovery]) -> rx.Component:
    def measured(text: rx.Var[str], verdict: rx.Var[str], kind: rx.Var[str]) -> rx.Component:
        return rx.fragment(rx.el.span(text, class_name="money"), " ", tone(verdict, kind, class_name="badge"))

    def evidence(one: rx.Var[Target]) -> rx.Component:
        return rx.cond(
            one.evidence != "",
            rx.fragment(
                rx.link("evidence ", one.evidence, href=f"/recovery/drills/{one.evidence}", class_name="row-link"),
                rx.el.span(one.size, ", ", instant(one.when), class_name="below"),
            ),
            rx.el.span("nothing was tried there", class_name="quiet"),
        )

    def line(one: rx.Var[Target]) -> rx.Component:
        return rx.el.tr(
            row_heading(one.title, rx.cond(one.here, rx.el.span("this installation runs here", class_name="below"))),
            cell(one.rpo_target, kind="num", label="RPO target"),
            cell(measured(one.rpo, one.rpo_verdict, one.rpo_tone), label="RPO measured"),
            cell(one.rto_target, kind="num", label="RTO target"),
            cell(measured(one.rto, one.rto_verdict, one.rto_tone), label="RTO measured"),
            cell(evidence(one), kind="wide"),
        )

    return rx.el.section(
        rx.el.div(
            rx.el.h2("Targets, and what was measured"),
            rx.el.span("the newest drill of a total loss that passed", class_name="note"),
            class_name="sheet-head centered",
        ),
        table(
            "Targets beside what was measured, by place",
            [
                heading("Place"),
                heading("RPO target", num=True),
                heading("RPO measured"),
                heading("RTO target", num=True),
                heading("RTO measured"),
                heading("Known from"),
            ],
            rx.foreach(shown.places, line),
        ),
        rx.el.div(
            rx.el.span(
                "Met means: within the target, by a drill that passed, not longer ago than drills are due, on "
                "1,000,000 ledger entries or more."
            ),
            class_name="table-foot",
        ),
        class_name="sheet",
    )
