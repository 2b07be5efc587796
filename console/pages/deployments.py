"""Every deployment and recorded stack, newest first."""

from __future__ import annotations

import reflex as rx

from console import deploying, exporting, rights
from console.client import Client
from console.components.figure import dated, short
from console.components.notice import blank, command, table_bones
from console.components.table import cell, export_button, heading, row_heading, table, turner
from console.deploying import DeploymentRow
from console.listing import Paged
from console.template import page
from console.viewer import asking


class DeploymentsState(Paged, rx.State):
    """One page of the list."""

    shown: list[DeploymentRow] = []
    stacks: list[str] = []
    stack: str = ""

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch the page at hand."""
        self.stacks = await api.stacks()
        await self._show(api)

    @rx.event
    @asking(rights.see_installation)
    async def turn(self, api: Client):
        """Fetch nothing but another page."""
        await self._show(api)

    @rx.event
    def choose(self, stack: str):
        """Only one stack's."""
        self.stack, self.cursors = stack, [""]
        return DeploymentsState.turn

    @rx.event
    @asking(rights.see_installation)
    async def export_csv(self, api: Client):
        """Every row of the list, for a spreadsheet."""
        entries = await api.every("/operations/deployments", stack=self.stack)
        content = exporting.fields_as_csv(deploying.COLUMNS, entries)
        return rx.download(data=content, filename=exporting.filename("deployments"))

    async def _show(self, api: Client) -> None:
        found = await api.deployments(stack=self.stack, cursor=self.cursors[-1])
        self.shown, self.next_cursor = found.rows, found.next_cursor


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(_heading(), table_bones(7))


def _heading(*actions: rx.Component) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1("Deployments"),
            rx.el.p(
                "What was brought into a cloud, or recorded from the program, and what it cost then.", class_name="sub"
            ),
        ),
        rx.el.div(*actions, class_name="page-actions") if actions else None,
        class_name="page-head",
    )


@page(
    "/deployments",
    title="Deployments · CloudBill",
    current="deployments",
    state=DeploymentsState,
    on_load=DeploymentsState.load,
    bones=bones,
)
def deployments() -> rx.Component:
    """The list, and whose it is."""
    state = DeploymentsState
    return rx.fragment(
        _heading(
            rx.cond(state.stacks.length() > 0, _stack_choice()),
            rx.cond(state.shown.length() > 0, export_button(state.export_csv)),
        ),
        rx.el.section(
            rx.cond(state.shown.length() > 0, _table(), _nothing()), class_name="sheet", aria_label="Deployments"
        ),
    )


def _stack_choice() -> rx.Component:
    return rx.el.select(
        rx.el.option("Every stack", value=""),
        rx.foreach(DeploymentsState.stacks, lambda stack: rx.el.option(stack, value=stack)),
        value=DeploymentsState.stack,
        on_change=DeploymentsState.choose,
        class_name="input compact",
        aria_label="Stack",
    )


def _table() -> rx.Component:
    state = DeploymentsState
    return rx.fragment(
        table(
            "Deployments, newest first",
            [
                heading("Stack"),
                heading("When, UTC"),
                heading("Outcome"),
                heading("Version"),
                heading("Policies"),
                heading("Resources", num=True),
                heading("Cost a month", num=True),
            ],
            rx.foreach(state.shown, _row),
        ),
        turner(state.cursors, state.next_cursor, previous=state.previous, following=state.following),
    )


def _row(row: rx.Var[DeploymentRow]) -> rx.Component:
    return rx.el.tr(
        row_heading(
            rx.link(row.stack, href=f"/deployments/{row.deployment_id}", class_name="row-link", unstyled=True),
            rx.el.span(row.place, class_name="below nowrap"),
        ),
        cell(dated(row.started), label="When"),
        cell(outcome(row), label="Outcome"),
        cell(version(row), label="Version"),
        cell(policies(row), label="Policies"),
        cell(row.resources, kind="num", label="Resources"),
        cell(
            rx.cond(row.priced, short(row.monthly), rx.el.span("no estimate", class_name="quiet")),
            rx.cond(row.span != "", rx.el.span(row.span, class_name="below", title="Quiet to busy month")),
            kind="num main",
        ),
    )


def outcome(row: rx.Var[DeploymentRow]) -> rx.Component:
    """How it ended."""
    return rx.match(
        row.tone,
        ("good", rx.el.span(row.outcome, class_name="badge good")),
        ("bad", rx.el.span(row.outcome, class_name="badge bad")),
        ("warn", rx.el.span(row.outcome, class_name="badge warn")),
        rx.el.span(row.outcome, class_name="badge"),
    )


def policies(row: rx.Var[DeploymentRow]) -> rx.Component:
    """Whether it kept the rules."""
    return rx.match(
        row.policies_tone,
        ("good", rx.el.span(row.policies, class_name="state good")),
        ("bad", rx.el.span(row.policies, class_name="state bad")),
        rx.el.span(row.policies, class_name="quiet"),
    )


def version(row: rx.Var[DeploymentRow]) -> rx.Component:
    """Image and source."""
    return rx.el.span(
        rx.cond(row.version != "", rx.el.span(row.version, class_name="mono")),
        rx.cond(
            row.revision != "",
            rx.el.span(rx.cond(row.version != "", " · ", ""), "source ", rx.el.span(row.revision, class_name="mono")),
            rx.cond(row.version != "", "", rx.el.span("not told", class_name="quiet")),
        ),
    )


def _nothing() -> rx.Component:
    return blank(
        "rocket",
        "Nothing was deployed or recorded yet",
        rx.fragment(
            "After a first start all stacks are recorded in the background. ",
            command("cloudbill deploy STACK"),
            " adds each deployment by itself.",
        ),
    )
