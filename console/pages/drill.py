"""One drill: its steps as they come, then what it measured and found, with its evidence."""

from __future__ import annotations

import reflex as rx

from console import rights
from console.client import Client
from console.components.browser import ticker
from console.components.figure import figure, figures, instant
from console.components.notice import bone, figure_bones, notice, table_bones
from console.components.runbook import runbook_button, runbook_dialog
from console.components.table import cell, heading, row_heading, table
from console.pages.recovery_drills import outcome
from console.recovering import Command, Count, Drill, Step
from console.runbooks import RunbookState
from console.template import page
from console.viewer import PageState, asking

WATCH_SECONDS = 1


class DrillState(PageState, RunbookState, rx.State):
    """The drill that the address names."""

    shown: Drill = Drill()

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch it."""
        self.shown = await api.drill(self.router.url.path.rstrip("/").rpartition("/")[2])


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(rx.el.header(rx.el.h1("Drill"), class_name="page-head"), figure_bones(4), table_bones(4))


@page(
    "/recovery/drills/[drill_id]",
    title="Drill · CloudBill",
    current="recovery",
    state=DrillState,
    on_load=DrillState.load,
    bones=bones,
    fresh=False,
)
def drill() -> rx.Component:
    """Figures, steps, findings, counts, evidence."""
    state, shown = DrillState, DrillState.shown
    here = (shown.row.drill_id == rx.State.drill_id) | (shown.row.evidence == rx.State.drill_id)
    # Another one's figures never stand under this address while its own are on their way.
    return rx.cond(
        here,
        rx.fragment(
            _heading(shown),
            _error(shown),
            _figures(shown),
            rx.el.div(_steps(shown), _what_it_saw(shown), class_name="pair"),
            _findings(shown),
            _counts(shown),
            _evidence(shown),
            ticker(seconds=rx.cond(shown.row.under_way, WATCH_SECONDS, 0), on_tick=state.load),
            runbook_dialog(state.runbook, state.runbook_blocks, state.trouble.advice, state.close),
        ),
        bones(),
    )


def _heading(shown: rx.Var[Drill]) -> rx.Component:
    row = shown.row
    return rx.el.header(
        rx.el.div(
            rx.el.h1(row.title, " ", outcome(row)),
            rx.el.p(
                "Drill ",
                rx.el.code(row.scenario),
                " · ",
                rx.el.span(row.at.absolute, class_name="nowrap"),
                " · started by ",
                row.by,
                class_name="sub long",
            ),
        ),
        rx.el.div(
            runbook_button("drills", DrillState.read),
            rx.link("All drills", href="/recovery", class_name="button", unstyled=True),
            class_name="page-actions",
        ),
        class_name="page-head",
    )


def _error(shown: rx.Var[Drill]) -> rx.Component:
    return rx.fragment(
        rx.match(
            shown.row.state,
            ("failed", notice("bad", "It failed", shown.row.error)),
            (
                "lost",
                notice(
                    "bad",
                    "It ended without result",
                    rx.fragment(shown.row.error, ". It showed nothing either way: start it again."),
                ),
            ),
            (
                "waiting",
                notice("", "It waits for the worker", "It begins as soon as the worker takes it up, usually at once."),
            ),
            rx.fragment(),
        )
    )


def _figures(shown: rx.Var[Drill]) -> rx.Component:
    row = shown.row
    return figures(
        figure("Data that would be lost (RPO)", row.rpo, shown.rpo_note, total=True),
        figure("Time until it serves again (RTO)", row.rto, shown.rto_note, total=True),
        figure("Measured on", rx.cond(row.size != "", row.size, "–"), "ledger entries, size of the database"),
        figure("Took", shown.took, rx.cond(shown.expected != "", shown.expected, "all in all")),
    )


def _steps(shown: rx.Var[Drill]) -> rx.Component:
    def step(one: rx.Var[Step]) -> rx.Component:
        return rx.el.li(
            rx.el.span(one.name, class_name="name"),
            rx.match(
                one.tone,
                ("good", rx.el.span(one.state, class_name="state good")),
                ("warn", rx.el.span(one.state, class_name="state warn")),
                ("bad", rx.el.span(one.state, class_name="state bad")),
                rx.el.span(one.state, class_name="quiet"),
            ),
            rx.el.span(one.took, class_name="took"),
        )

    bar = rx.el.div(
        rx.el.i(style={"width": f"{shown.percent}%"}),
        class_name="progress",
        role="progressbar",
        aria_label="How far the drill is, by what the last one took",
        aria_valuenow=shown.percent,
        aria_valuemin=0,
        aria_valuemax=100,
    )
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Steps"),
            rx.el.span(rx.cond(shown.doing != "", shown.doing, ""), class_name="note", aria_live="polite"),
            class_name="sheet-head",
        ),
        rx.el.div(
            rx.cond(shown.row.under_way & (shown.expected != ""), bar),
            rx.cond(
                shown.steps.length() > 0,
                rx.el.ol(rx.foreach(shown.steps, step), class_name="steps"),
                rx.el.p("It came to none.", class_name="hint"),
            ),
            class_name="sheet-body stack",
        ),
        class_name="sheet",
    )


def _what_it_saw(shown: rx.Var[Drill]) -> rx.Component:
    def line(one: rx.Var[Command]) -> rx.Component:
        return rx.el.div(rx.el.dt(one.line), rx.el.dd(one.does))

    return rx.el.section(
        rx.el.div(rx.el.h2("What it verified"), class_name="sheet-head"),
        rx.el.div(
            rx.cond(
                shown.figures.length() > 0,
                rx.el.dl(rx.foreach(shown.figures, line), class_name="inputs"),
                rx.cond(
                    shown.row.under_way,
                    rx.el.div(bone("16px", "80%"), bone("16px", "60%"), class_name="stack"),
                    rx.el.p("Nothing: it left no evidence.", class_name="hint"),
                ),
            ),
            class_name="sheet-body",
        ),
        class_name="sheet",
    )


def _findings(shown: rx.Var[Drill]) -> rx.Component:
    return rx.cond(
        shown.findings.length() > 0,
        rx.el.section(
            rx.el.div(rx.el.h2("Findings"), class_name="sheet-head"),
            rx.el.ul(
                rx.foreach(shown.findings, lambda finding: rx.el.li(rx.el.span(finding, class_name="long"))),
                class_name="sheet-body parts",
            ),
            class_name="sheet",
        ),
    )


def _counts(shown: rx.Var[Drill]) -> rx.Component:
    def line(one: rx.Var[Count]) -> rx.Component:
        return rx.el.tr(
            row_heading(rx.el.span(one.table, class_name="mono")),
            cell(one.in_copy, kind="num", label="In the copy"),
            cell(one.original, kind="num", label="In the original"),
            cell(rx.cond(one.differs, rx.el.span("has gone on", class_name="quiet"), ""), label="Since then"),
        )

    return rx.cond(
        shown.counts.length() > 0,
        rx.el.section(
            rx.el.div(
                rx.el.h2("Rows, side by side"),
                rx.el.span("the original goes on while the copy is verified", class_name="note"),
                class_name="sheet-head",
            ),
            rx.el.details(
                rx.el.summary(shown.counts_note),
                table(
                    "Rows of each table in the copy and in the original",
                    [
                        heading("Table"),
                        heading("In the copy", num=True),
                        heading("In the original", num=True),
                        heading("Since then"),
                    ],
                    rx.foreach(shown.counts, line),
                ),
                class_name="fold sheet-body",
            ),
            class_name="sheet",
        ),
    )


def _evidence(shown: rx.Var[Drill]) -> rx.Component:
    return rx.cond(
        shown.hash != "",
        rx.el.section(
            rx.el.div(
                rx.el.h2("Evidence ", shown.row.evidence),
                rx.el.span("kept ", instant(shown.recorded), "; nobody can change it", class_name="note"),
                class_name="sheet-head",
            ),
            rx.el.div(
                rx.el.dl(
                    rx.el.div(rx.el.dt("Its hash"), rx.el.dd(shown.hash)),
                    rx.el.div(rx.el.dt("The one before"), rx.el.dd(shown.previous_hash)),
                    class_name="inputs",
                ),
                rx.el.p(
                    "The hash is the SHA-256 of the one before and the document as it is kept, signed with the "
                    "ledger's key: ",
                    rx.el.code("cloudbill drill list"),
                    " checks the whole chain.",
                    class_name="hint",
                ),
                rx.el.details(
                    rx.el.summary("The document"),
                    rx.el.pre(shown.document, class_name="document", tab_index=0),
                    class_name="fold",
                ),
                class_name="sheet-body stack",
            ),
            class_name="sheet",
        ),
    )
