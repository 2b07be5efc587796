"""Who did what in the whole installation: its operators in the tenants they entered, and everybody else."""

from __future__ import annotations

from datetime import UTC, datetime

import reflex as rx

from console import exporting, recorded, rights
from console.client import Client
from console.components.form import search_field
from console.components.listed import chooser, listed
from console.components.notice import blank, command, table_bones
from console.components.table import cell, heading
from console.listing import Addressed
from console.pages.audit import columns, day, row
from console.recorded import AuditRow
from console.template import page
from console.viewer import asking


class AuditOfAllState(Addressed, rx.State):
    """One page of the log of all tenants."""

    shown: list[AuditRow] = []
    action: str = ""
    since: str = ""
    until: str = ""

    @rx.event
    @asking(rights.see_installation)
    async def load(self, api: Client):
        """Fetch the page that the address names."""
        self.read_address()
        self.action, self.since, self.until = (self.chosen.get(part, "") for part in ("action", "since", "until"))
        asked = {**self.chosen, "search": self.search}
        found = await recorded.log_of_all(api, asked, cursor=self.cursors[-1], now=datetime.now(UTC))
        self.shown, self.next_cursor = found.rows, found.next_cursor

    @rx.event
    def filter(self, action: str):
        """Only one kind of thing."""
        return AuditOfAllState.choose("action", action)

    @rx.event
    def begin(self, chosen: str):
        """From a day on."""
        return AuditOfAllState.choose("since", chosen)

    @rx.event
    def end(self, chosen: str):
        """Up to a day."""
        return AuditOfAllState.choose("until", chosen)

    @rx.event
    @asking(rights.see_installation)
    async def export_csv(self, api: Client):
        """Every row that is shown."""
        asked = recorded.where({**self.chosen, "search": self.search})
        shown = {"Tenant": "tenantId", **recorded.COLUMNS}
        return await exporting.download(api, recorded.OF_ALL, shown, "audit-of-all", **asked)


def bones() -> rx.Component:
    """The page on its way."""
    return rx.fragment(_heading(), table_bones(8))


@page(
    "/audit",
    title="Audit · CloudBill",
    current="audit-of-all",
    state=AuditOfAllState,
    on_load=AuditOfAllState.load,
    bones=bones,
    fresh=False,
)
def audit_of_all() -> rx.Component:
    """The log, with the tenant of each row."""
    state = AuditOfAllState
    return rx.fragment(
        _heading(),
        listed(
            "Everything that was done",
            search_field("Find what was done to one thing", "Its whole id", state),
            chooser("About", recorded.OF_INSTALLATION, state.action, state.filter),
            day("From", state.since, state.begin),
            day("Until", state.until, state.end),
            state=state,
            headings=[*columns()[:2], heading("Tenant"), *columns()[2:]],
            row=lambda one: row(one, cell(one.tenant, label="Tenant")),
            nothing=blank("scroll-text", "Nothing like this was done", "Choose another kind or other days."),
            foot=rx.el.p(
                "Each tenant's rows are chained; ",
                command("cloudbill records verify"),
                " proves all of them on the server.",
                class_name="table-foot",
                style={"display": "block"},
            ),
        ),
    )


def _heading() -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1("Audit"),
            rx.el.p("Who did what in all tenants, and which operator entered one for what reason.", class_name="sub"),
        ),
        class_name="page-head",
    )
