"""Of the Disaster recovery page: what can be practised, what was, and starting one."""

from __future__ import annotations

from typing import Any

import reflex as rx

from console.components.figure import dated, instant
from console.components.notice import blank, notice
from console.components.runbook import runbook_button
from console.components.table import cell, export_button, heading, row_heading, table, turner
from console.recovering import DrillRow, Target
from console.viewer import ViewerState

RUNBOOK = "drills"


def drills(state: Any) -> rx.Component:
    """The scenarios, each with its last result and a button, and the history."""
    return rx.fragment(_scenarios(state), _history(state))


def outcome(row: rx.Var[DrillRow]) -> rx.Component:
    """How it ended, or that it runs."""
    return rx.match(
        row.tone,
        ("good", rx.el.span(row.says, class_name="badge good")),
        ("warn", rx.el.span(row.says, class_name="badge warn")),
        ("bad", rx.el.span(row.says, class_name="badge bad")),
        rx.el.span(row.says, class_name="badge"),
    )


def _scenarios(state: Any) -> rx.Component:
    running = state.drills.rows.length() > 0
    under_way = running & state.drills.rows[0].under_way

    def line(one: rx.Var[Target]) -> rx.Component:
        return rx.el.tr(
            row_heading(one.title, rx.el.span(one.does, class_name="below prose")),
            cell(
                rx.cond(
                    one.evidence != "",
                    rx.fragment(
                        rx.link(
                            "passed ", instant(one.when), href=f"/recovery/drills/{one.evidence}", class_name="row-link"
                        ),
                        rx.el.span(one.size, class_name="below nowrap"),
                    ),
                    rx.el.span("never passed", class_name="quiet"),
                ),
                label="Last",
            ),
            cell(one.rpo, kind="num", label="RPO"),
            cell(one.rto, kind="num", label="RTO"),
            cell(
                rx.cond(
                    ViewerState.may_recover & state.shown.starts_here,
                    rx.el.button(
                        "Start …",
                        class_name="button small",
                        type="button",
                        disabled=under_way | (state.shown.holds.length() > 0),
                        aria_label=f"Start drill {one.name}",
                        on_click=state.ask(one.name),
                    ),
                ),
                kind="action",
            ),
        )

    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h2("Drills"),
                rx.el.span(
                    "A copy is restored, served and verified; what runs is only read. ",
                    rx.cond(
                        state.shown.starts_here, "One at a time.", "In a cloud the one-off task runs them, see below."
                    ),
                    class_name="note",
                ),
            ),
            runbook_button(RUNBOOK, state.read),
            class_name="sheet-head centered",
        ),
        table(
            "What can be practised",
            [
                heading("Disaster"),
                heading("Last"),
                heading("RPO", num=True),
                heading("RTO", num=True),
                heading(rx.el.span("Start", class_name="visually-hidden")),
            ],
            rx.foreach(state.shown.scenarios, line),
        ),
        class_name="sheet",
        id="drills",
    )


def _history(state: Any) -> rx.Component:
    shown = state.drills
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h2("Drill history"),
                rx.match(
                    shown.chain_tone,
                    ("good", rx.el.span(shown.chain, class_name="state good")),
                    ("bad", rx.el.span(shown.chain, class_name="state bad")),
                    rx.el.span(shown.chain, class_name="state warn"),
                ),
            ),
            rx.cond(
                shown.rows.length() > 0,
                export_button(state.export_csv, small=True),
            ),
            class_name="sheet-head centered",
        ),
        rx.foreach(
            shown.faults,
            lambda fault: rx.el.div(notice("bad", "The evidence was altered", fault), class_name="sheet-body"),
        ),
        rx.cond(
            shown.rows.length() > 0,
            rx.fragment(
                table(
                    "Drills, newest first",
                    [
                        heading("Disaster"),
                        heading("When, UTC"),
                        heading("Outcome"),
                        heading("RPO", num=True),
                        heading("RTO", num=True),
                        heading("Measured on"),
                        heading("Started by"),
                    ],
                    rx.foreach(shown.rows, _row),
                ),
                turner(state.cursors, shown.next_cursor, previous=state.previous, following=state.following),
            ),
            blank(
                "life-buoy",
                "No drill was run yet",
                "Nobody knows yet that a restore works, or how long it takes. The first one takes a few minutes and "
                "changes nothing here.",
                rx.cond(
                    ViewerState.may_recover & state.shown.starts_here,
                    rx.el.button(
                        "Run the first drill …", class_name="button primary", type="button", on_click=state.ask("pitr")
                    ),
                ),
            ),
        ),
        class_name="sheet",
        aria_live="polite",
    )


def _row(row: rx.Var[DrillRow]) -> rx.Component:
    return rx.el.tr(
        row_heading(
            rx.link(row.title, href=f"/recovery/drills/{row.drill_id}", class_name="row-link", unstyled=True),
            rx.cond(row.evidence != "", rx.el.span("evidence ", row.evidence, class_name="below")),
        ),
        cell(dated(row.at), label="When"),
        cell(outcome(row), rx.cond(row.error != "", rx.el.span(row.error, class_name="below long")), label="Outcome"),
        cell(row.rpo, kind="num", label="RPO"),
        cell(row.rto, kind="num", label="RTO"),
        cell(row.size, label="Measured on"),
        cell(row.by, kind="long", label="Started by"),
    )


def start_dialog(state: Any) -> rx.Component:
    """What is about to be started; the scenario's name is typed where it takes much."""
    blocked = (state.must_confirm != "") & (state.confirm != state.must_confirm)
    typed = rx.el.div(
        rx.el.label("Type ", rx.el.code(state.must_confirm), " to confirm", html_for="drill-confirm"),
        rx.el.input(
            id="drill-confirm",
            class_name="input",
            auto_complete="off",
            on_change=state.type_confirm.debounce(150),
        ),
        class_name="field",
        style={"marginTop": "14px"},
    )
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("Start the drill ", rx.el.code(state.starting), "?", size="4"),
            rx.dialog.description(
                "The worker restores a copy beside the database, starts the application on it, read-only, and verifies "
                "the money in it. It takes room on the disk and time of the processor; nobody is charged, nothing is "
                "sent, and the copy is gone afterwards.",
                size="2",
            ),
            rx.cond(state.must_confirm != "", typed),
            rx.el.div(
                runbook_button(RUNBOOK, state.read),
                rx.dialog.close(rx.el.button("Not now", class_name="button plain", type="button")),
                rx.el.button(
                    "Start the drill",
                    class_name="button primary",
                    type="button",
                    disabled=blocked,
                    on_click=state.start,
                ),
                class_name="dialog-foot",
            ),
            max_width="460px",
        ),
        open=state.starting != "",
        on_open_change=state.ask_nothing,
    )
