"""Backups: which instants can be restored, what lies where, what is wrong; and one taken now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import reflex as rx

from console import backing, exporting, rights
from console.backing import Backup, Backups, Key, Mark, Run, Stretch, Trouble
from console.client import Client
from console.components.browser import ticker
from console.components.figure import dated, figure, figures, instant
from console.components.notice import blank, chart_bones, command, figure_bones, notice, table_bones
from console.components.runbook import runbook_button, runbook_dialog
from console.components.table import cell, export_button, heading, pager, row_heading, sort_heading, table
from console.runbooks import RunbookState
from console.template import page
from console.viewer import PageState, ViewerState, asking

WATCH_SECONDS = 2
RUNBOOK = "backup-failed"


class BackupsState(PageState, RunbookState, rx.State):
    """How they stand, and the page of the list that is asked for."""

    shown: Backups = Backups()
    rows: list[Backup] = []
    found: int = 0
    of: str = ""
    search: str = ""
    order: str = "-finishedAt"
    list_page: int = 1
    list_pages: int = 1
    _all: list[dict[str, Any]] = []

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch everything anew."""
        body, now = await api.backups(), datetime.now(UTC)
        self.shown, self._all = backing.backups(body, now), body["data"]
        self._turn()

    @rx.event
    @asking(rights.recover)
    async def take(self, api: Client):
        """Have one taken, and watch it."""
        await api.take_backup()
        return BackupsState.load

    @rx.event
    def choose(self, of: str):
        """Only what they are of."""
        self.of, self.list_page = of, 1
        self._turn()

    @rx.event
    def find(self, text: str):
        """Those with these words."""
        self.search, self.list_page = text.strip(), 1
        self._turn()

    @rx.event
    def sort(self, order: str):
        """In another order."""
        self.order, self.list_page = order, 1
        self._turn()

    @rx.event
    def following(self):
        """Turn the page."""
        self.list_page = min(self.list_page + 1, self.list_pages)
        self._turn()

    @rx.event
    def previous(self):
        """Turn it back."""
        self.list_page = max(self.list_page - 1, 1)
        self._turn()

    @rx.event
    def export_csv(self):
        """Every row that matches, for a spreadsheet."""
        return rx.download(data=backing.csv_of(self._chosen()), filename=exporting.filename("backups"))

    def _chosen(self) -> list[dict[str, Any]]:
        return [*backing.chosen(self._all, of=self.of, search=self.search, order=self.order)]

    def _turn(self) -> None:
        found = self._chosen()
        self.found, self.list_pages = len(found), max(1, -(-len(found) // backing.PAGE_ROWS))
        self.list_page = min(self.list_page, self.list_pages)
        start = (self.list_page - 1) * backing.PAGE_ROWS
        self.rows = backing.rows({"data": found[start : start + backing.PAGE_ROWS]}, datetime.now(UTC))


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(_heading(), figure_bones(4), chart_bones(), table_bones(6))


def _heading(*actions: rx.Component) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1("Backups"),
            rx.el.p("Which instants can be brought back, and from where.", class_name="sub"),
        ),
        rx.el.div(*actions, class_name="page-actions") if actions else None,
        class_name="page-head",
    )


@page(
    "/backups",
    title="Backups · CloudBill",
    current="backups",
    state=BackupsState,
    on_load=BackupsState.load,
    bones=bones,
)
def backups() -> rx.Component:
    """Figures, the line, what is wrong, what was taken, the list."""
    state = BackupsState
    return rx.fragment(
        _heading(rx.cond(ViewerState.may_recover, _take_button())),
        rx.cond(
            state.shown.known,
            rx.fragment(
                _age(state.shown),
                _troubles(state.shown),
                _figures(state.shown),
                _timeline(state.shown),
                rx.el.div(_stretches(state.shown), _places(state.shown), class_name="wide-and-narrow"),
                _runs(state.shown),
                _list(),
            ),
            rx.fragment(_nothing(state.shown), _runs(state.shown)),
        ),
        ticker(seconds=rx.cond(state.shown.under_way, WATCH_SECONDS, 0), on_tick=BackupsState.load),
        runbook_dialog(state.runbook, state.runbook_blocks, state.trouble.advice, state.close),
    )


def _take_button() -> rx.Component:
    return rx.fragment(
        runbook_button(RUNBOOK, BackupsState.read),
        rx.el.button(
            rx.icon("database-backup", size=15, aria_hidden=True),
            "Take one now",
            class_name="button primary",
            type="button",
            disabled=BackupsState.shown.under_way,
            on_click=BackupsState.take,
        ),
    )


def _nothing(shown: rx.Var[Backups]) -> rx.Component:
    return rx.el.section(
        blank(
            "database-backup",
            "The worker has not looked yet",
            rx.cond(
                shown.error != "",
                shown.error,
                rx.fragment(
                    "It looks every minute while it runs. ", command("cloudbill status"), " says whether it does."
                ),
            ),
        ),
        class_name="sheet",
    )


def _age(shown: rx.Var[Backups]) -> rx.Component:
    return rx.cond(
        ~shown.fresh,
        notice(
            "warn",
            "What you see is old",
            rx.fragment(
                "The worker looked last ",
                instant(shown.seen),
                ". ",
                rx.cond(shown.error != "", shown.error, "See that it runs."),
            ),
        ),
    )


def _troubles(shown: rx.Var[Backups]) -> rx.Component:
    def trouble(one: rx.Var[Trouble]) -> rx.Component:
        button = runbook_button(one.runbook, BackupsState.read)
        return rx.cond(
            one.tone == "bad",
            notice("bad", "Not as it should be", one.summary, button),
            notice("warn", "Look at it", one.summary, button),
        )

    return rx.foreach(shown.troubles, trouble)


def _figures(shown: rx.Var[Backups]) -> rx.Component:
    return figures(
        figure(
            "Last good backup",
            instant(shown.last_good, otherwise="none yet"),
            rx.cond(
                shown.next_due.iso != "",
                rx.fragment("the next one ", instant(shown.next_due)),
                rx.fragment("every ", shown.interval),
            ),
            total=True,
        ),
        figure("Can be restored", shown.window, shown.window_note),
        figure(
            "Would be lost now",
            rx.el.span(shown.behind, class_name=rx.cond(shown.behind_late, "bad", "")),
            "the log is archived up to then; target 5 min",
        ),
        figure("Kept", shown.total, rx.fragment(shown.count, " backups; every instant of ", shown.retention)),
    )


def _timeline(shown: rx.Var[Backups]) -> rx.Component:
    def piece(kind: str):
        def draw(mark: rx.Var[Mark]) -> rx.Component:
            return rx.el.span(
                class_name=kind, title=mark.says, style={"left": f"{mark.left}%", "width": f"{mark.width}%"}
            )

        return draw

    def tick(mark: rx.Var[Mark]) -> rx.Component:
        return rx.el.span(class_name="tick", title=mark.says, style={"left": f"{mark.left}%"})

    legend = (("bar", "every instant"), ("gap", "nothing: lost if needed"), ("tick", "a base backup"))
    return rx.el.section(
        rx.el.div(
            rx.el.h2("To which moment can we go back?"),
            rx.el.span("from the oldest instant until now", class_name="note"),
            class_name="sheet-head",
        ),
        rx.el.div(
            rx.cond(
                shown.line_start != "",
                rx.el.figure(
                    rx.el.figcaption(shown.about, class_name="visually-hidden"),
                    rx.el.div(
                        rx.foreach(shown.bars, piece("bar")),
                        rx.foreach(shown.gaps, piece("gap")),
                        rx.foreach(shown.ticks, tick),
                        class_name="line",
                        aria_hidden=True,
                    ),
                    rx.el.div(
                        rx.el.span(shown.line_start, " UTC"),
                        rx.el.span("now"),
                        class_name="line-ends",
                        aria_hidden=True,
                    ),
                    rx.el.ul(
                        *(rx.el.li(rx.el.i(class_name=kind), text) for kind, text in legend),
                        class_name="legend of-line",
                        aria_hidden=True,
                    ),
                ),
                blank("calendar-off", "To none yet", "The first base backup opens the line."),
            ),
            class_name="sheet-body",
        ),
        class_name="sheet",
    )


def _stretches(shown: rx.Var[Backups]) -> rx.Component:
    def line(one: rx.Var[Stretch]) -> rx.Component:
        return rx.el.tr(
            row_heading(
                rx.cond(
                    one.hole,
                    rx.el.span("No instant", class_name="state bad"),
                    rx.el.span("Every instant", class_name="state good"),
                ),
                rx.cond(one.reason != "", rx.el.span(one.reason, class_name="below")),
            ),
            cell(dated(one.start), label="From"),
            cell(dated(one.end), label="Until"),
            cell(one.long, kind="num", label="Long"),
        )

    return rx.el.section(
        rx.el.div(rx.el.h2("The same in figures"), class_name="sheet-head centered"),
        rx.cond(
            shown.stretches.length() > 0,
            table(
                "What can be restored, the newest first",
                [heading("What"), heading("From, UTC"), heading("Until, UTC"), heading("Long", num=True)],
                rx.foreach(shown.stretches, line),
            ),
            blank("calendar-off", "No instant can be restored", "A base backup and the log after it are needed."),
        ),
        class_name="sheet",
    )


def _places(shown: rx.Var[Backups]) -> rx.Component:
    def key(one: rx.Var[Key]) -> rx.Component:
        return rx.el.li(
            rx.el.span(
                rx.el.code(one.name),
                rx.el.span(one.says, class_name="below"),
            ),
            rx.match(
                one.tone,
                ("good", rx.el.span("opens here", class_name="state good")),
                rx.el.span("not here", class_name="state warn"),
            ),
        )

    return rx.el.section(
        rx.el.div(rx.el.h2("Where they lie, and what opens them"), class_name="sheet-head"),
        rx.el.div(
            rx.el.p(shown.place, class_name="long"),
            rx.cond(
                shown.sealed.length() > 0,
                rx.el.ul(rx.foreach(shown.sealed, key), class_name="parts"),
                rx.el.p("Sealed by the cloud's own keys.", class_name="hint"),
            ),
            rx.el.p("Looked at ", instant(shown.seen), ".", class_name="hint"),
            class_name="sheet-body stack",
        ),
        class_name="sheet",
    )


def _runs(shown: rx.Var[Backups]) -> rx.Component:
    def run(one: rx.Var[Run]) -> rx.Component:
        return rx.el.tr(
            row_heading(
                rx.match(
                    one.tone,
                    ("good", rx.el.span(one.says, class_name="state good")),
                    ("bad", rx.el.span(one.says, class_name="state bad")),
                    ("warn", rx.el.span(one.says, class_name="state warn")),
                    rx.el.span(one.says, class_name="state"),
                )
            ),
            cell(one.detail, kind="wide long"),
            cell(dated(one.asked), label="Asked for"),
            cell(one.by, label="By", kind="long"),
        )

    return rx.cond(
        shown.runs.length() > 0,
        rx.el.section(
            rx.el.div(rx.el.h2("Asked for here"), class_name="sheet-head centered"),
            table(
                "Backups that were asked for, newest first",
                [heading("State"), heading("What came of it"), heading("Asked for, UTC"), heading("By")],
                rx.foreach(shown.runs, run),
            ),
            class_name="sheet",
            aria_live="polite",
        ),
    )


def _list() -> rx.Component:
    state = BackupsState
    return rx.el.section(
        rx.el.div(
            rx.el.h2("All backups"),
            rx.el.span(state.found, " found", class_name="note"),
            class_name="sheet-head",
        ),
        rx.el.div(
            rx.el.select(
                rx.el.option("Of everything", value=""),
                *(rx.el.option(text, value=of) for of, text in backing.OF.items()),
                value=state.of,
                on_change=state.choose,
                class_name="input compact",
                aria_label="Of what",
            ),
            rx.el.div(
                rx.el.label("Find a backup", html_for="find-backup", class_name="visually-hidden"),
                rx.icon("search", size=16, aria_hidden=True),
                rx.el.input(
                    id="find-backup",
                    type="search",
                    class_name="input",
                    placeholder="name, reason …",
                    default_value=state.search,
                    on_change=state.find.debounce(250),
                ),
                class_name="search",
                role="search",
            ),
            export_button(state.export_csv),
            class_name="sheet-body filters",
        ),
        rx.cond(state.rows.length() > 0, _rows(), blank("search-x", "No backup matches", "Choose fewer conditions.")),
        class_name="sheet",
    )


def _rows() -> rx.Component:
    state = BackupsState
    return rx.fragment(
        table(
            "Backups",
            [
                sort_heading("Backup", "name", state.order, state.sort),
                sort_heading("Finished, UTC", "finishedAt", state.order, state.sort),
                sort_heading("Of", "of", state.order, state.sort),
                sort_heading("Why", "reason", state.order, state.sort),
                sort_heading("Size", "sizeBytes", state.order, state.sort, num=True),
            ],
            rx.foreach(state.rows, _row),
        ),
        pager(
            rx.fragment("Page ", state.list_page, " of ", state.list_pages),
            previous=state.previous,
            following=state.following,
            first=state.list_page <= 1,
            last=state.list_page >= state.list_pages,
        ),
    )


def _row(row: rx.Var[Backup]) -> rx.Component:
    return rx.el.tr(
        row_heading(rx.el.span(row.name, class_name="mono"), rx.el.span(row.version, class_name="below")),
        cell(
            dated(row.finished),
            rx.cond(row.took != "", rx.el.span("took ", row.took, class_name="below")),
            label="Finished",
        ),
        cell(row.kind, label="Of"),
        cell(row.reason, label="Why"),
        cell(row.size, rx.el.span(row.whole, class_name="below"), kind="num main"),
    )
