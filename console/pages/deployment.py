"""One deployment: what changed by it, what came out, whether it kept the rules, and what it cost then."""

from __future__ import annotations

from datetime import UTC, datetime

import reflex as rx

from console import deploying, rights
from console.client import Client
from console.components.figure import figure, figures, instant, short
from console.components.notice import blank, figure_bones, notice, table_bones
from console.components.table import cell, heading, row_heading, table
from console.deploying import Changes, Deployment, InputChange, Named, ResourceChange
from console.pages.deployments import outcome, version
from console.template import page
from console.viewer import PageState, asking


class DeploymentState(PageState, rx.State):
    """The deployment that the address names."""

    shown: Deployment = Deployment()

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch it."""
        wanted = self.router.url.path.rstrip("/").rpartition("/")[2]
        body, changes = await api.deployment(wanted)
        self.shown = deploying.deployment(body, changes, datetime.now(UTC))


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(rx.el.header(rx.el.h1("Deployment"), class_name="page-head"), figure_bones(4), table_bones(6))


@page(
    "/deployments/[deployment_id]",
    title="Deployment · CloudBill",
    current="deployments",
    state=DeploymentState,
    on_load=DeploymentState.load,
    bones=bones,
    fresh=False,
)
def deployment() -> rx.Component:
    """Figures, changes, cost, outputs, steps."""
    shown = DeploymentState.shown
    # Another one's figures never stand under this address while its own are on their way.
    return rx.cond(
        shown.row.deployment_id == rx.State.deployment_id,
        rx.fragment(
            _heading(shown),
            rx.cond(shown.estimate_error != "", notice("warn", "It could not be priced", shown.estimate_error)),
            _figures(shown),
            _changes(shown.changes),
            rx.el.div(_costs(shown), _rules(shown), class_name="pair"),
            _outputs(shown),
            _steps(shown),
        ),
        bones(),
    )


def _heading(shown: rx.Var[Deployment]) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1(shown.row.stack, " ", outcome(shown.row)),
            rx.el.p(
                shown.row.place,
                " · ",
                rx.el.span(shown.row.started.absolute, class_name="nowrap"),
                " · ",
                version(shown.row),
                class_name="sub",
            ),
        ),
        rx.el.div(
            rx.link("All deployments", href="/deployments", class_name="button", unstyled=True),
            class_name="page-actions",
        ),
        class_name="page-head",
    )


def _figures(shown: rx.Var[Deployment]) -> rx.Component:
    row = shown.row
    return figures(
        figure(
            "Cost a month, as estimated then",
            rx.cond(row.priced, short(row.monthly), "–"),
            rx.cond(row.span != "", rx.fragment("quiet to busy ", row.span), "no estimate"),
            total=True,
        ),
        figure("Changed", rx.cond(shown.changes.is_first, "all new", shown.changes.summary), shown.changes.cost),
        figure("Policies", row.policies, "when it was stored"),
        figure("Resources", row.resources, rx.cond(row.took != "", rx.fragment("took ", row.took), "")),
    )


def _changes(changes: rx.Var[Changes]) -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.h2("What changed against the one before"),
            rx.cond(
                changes.is_first,
                rx.el.span("the stack's first", class_name="note"),
                rx.el.span(
                    rx.link("the one before", href=f"/deployments/{changes.previous_id}"),
                    ", ",
                    instant(changes.previous),
                    class_name="note",
                ),
            ),
            class_name="sheet-head",
        ),
        rx.cond(
            changes.is_first,
            blank(
                "git-branch",
                "There was none before",
                "From the next one on, what is new, gone or different stands here.",
            ),
            rx.cond(
                changes.summary == "nothing",
                blank("equal", "Nothing changed", "Every resource has the inputs that it had before."),
                rx.el.div(
                    _list("New", changes.added, "good"),
                    _list("Gone", changes.removed, "bad"),
                    rx.foreach(changes.changed, _changed),
                    class_name="sheet-body stack",
                ),
            ),
        ),
        class_name="sheet",
    )


def _list(title: str, rows: rx.Var[list[Named]], tone: str) -> rx.Component:
    return rx.cond(
        rows.length() > 0,
        rx.el.ul(
            rx.foreach(
                rows,
                lambda row: rx.el.li(
                    rx.el.span(title, class_name=f"badge {tone}"),
                    " ",
                    rx.el.b(row.name),
                    rx.el.span(" ", row.text, class_name="quiet"),
                ),
            ),
            class_name="changes",
        ),
    )


def _changed(change: rx.Var[ResourceChange]) -> rx.Component:
    return rx.el.div(
        rx.el.p(
            rx.el.span("Different", class_name="badge warn"),
            " ",
            rx.el.b(change.name),
            rx.el.span(" ", change.type, class_name="quiet"),
        ),
        rx.el.dl(rx.foreach(change.inputs, _input), class_name="inputs"),
    )


def _input(change: rx.Var[InputChange]) -> rx.Component:
    return rx.el.div(
        rx.el.dt(change.key),
        rx.el.dd(rx.el.del_(change.before), rx.el.ins(change.after)),
    )


def _costs(shown: rx.Var[Deployment]) -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.h2("What it cost then"),
            rx.link("Costs today", href="/costs", class_name="note"),
            class_name="sheet-head",
        ),
        rx.cond(
            shown.categories.length() > 0,
            rx.el.ul(
                rx.foreach(
                    shown.categories,
                    lambda row: rx.el.li(rx.el.span(row.name), rx.el.span(row.text, class_name="money")),
                ),
                class_name="parts sheet-body",
            ),
            blank("receipt-text", "No estimate", "Its graph could not be priced when it was stored."),
        ),
        class_name="sheet",
    )


def _rules(shown: rx.Var[Deployment]) -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("Policies"), rx.el.span(shown.row.policies, class_name="note"), class_name="sheet-head"),
        rx.cond(
            shown.findings.length() > 0,
            rx.el.ul(rx.foreach(shown.findings, _finding), class_name="changes sheet-body"),
            rx.cond(
                shown.row.policies_tone == "good",
                blank("shield-check", "Every rule holds", "None was broken, and none let pass."),
                blank("shield-question", "Not judged", "Whoever stored it did not say how it stands to the rules."),
            ),
        ),
        class_name="sheet",
    )


def _finding(row: rx.Var[Named]) -> rx.Component:
    return rx.el.li(
        rx.cond(
            row.tone == "bad",
            rx.el.span("broken", class_name="badge bad"),
            rx.el.span("let pass", class_name="badge warn"),
        ),
        " ",
        rx.el.b(row.name),
        rx.el.span(" ", row.detail, ": ", row.text, class_name="quiet"),
    )


def _outputs(shown: rx.Var[Deployment]) -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Outputs"),
            rx.el.span("${…} is known only once it is deployed", class_name="note"),
            class_name="sheet-head centered",
        ),
        rx.cond(
            shown.outputs.length() > 0,
            table("Outputs", [heading("Name"), heading("Value")], rx.foreach(shown.outputs, _output)),
            blank("list", "It has no outputs", "Whoever stored it gave none."),
        ),
        class_name="sheet",
    )


def _output(row: rx.Var[Named]) -> rx.Component:
    return rx.el.tr(row_heading(row.name), cell(rx.el.span(row.text, class_name="mono long"), kind="wide"))


def _steps(shown: rx.Var[Deployment]) -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("Steps"), class_name="sheet-head centered"),
        rx.cond(
            shown.steps.length() > 0,
            table("Steps", [heading("Step"), heading("State"), heading("About it")], rx.foreach(shown.steps, _step)),
            blank("list-checks", "No steps were told", "A deployment by cloudbill deploy tells each of its own."),
        ),
        class_name="sheet",
    )


def _step(row: rx.Var[Named]) -> rx.Component:
    state = rx.match(
        row.tone,
        ("good", rx.el.span(row.text, class_name="state good")),
        ("bad", rx.el.span(row.text, class_name="state bad")),
        ("warn", rx.el.span(row.text, class_name="state warn")),
        rx.el.span(row.text, class_name="quiet"),
    )
    return rx.el.tr(row_heading(row.name), cell(state, label="State"), cell(row.detail, kind="wide quiet"))
