"""Who did what in a tenant, when, from where, and what changed by it."""

from __future__ import annotations

import reflex as rx

from console import exporting, recorded, rights
from console.client import Client
from console.components.figure import dated
from console.components.form import search_field
from console.components.listed import chooser, listed
from console.components.notice import blank, command
from console.components.table import cell, heading, row_heading
from console.figures import parse_instant
from console.listing import Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.recorded import AuditRow, Difference
from console.template import page
from console.viewer import asking


class AuditState(Addressed, rx.State):
    """One page of the log."""

    shown: list[AuditRow] = []
    action: str = ""
    since: str = ""
    until: str = ""

    @rx.event
    @asking(rights.see_audit)
    async def load(self, api: Client):
        """Fetch the page that the address names."""
        self.read_address()
        now = parse_instant((await enter(self, api)).clock_iso)
        self.action, self.since, self.until = (self.chosen.get(part, "") for part in ("action", "since", "until"))
        found = await recorded.log(api, {**self.chosen, "search": self.search}, cursor=self.cursors[-1], now=now)
        self.shown, self.next_cursor = found.rows, found.next_cursor

    @rx.event
    def filter(self, action: str):
        """Only one kind of thing."""
        return AuditState.choose("action", action)

    @rx.event
    def begin(self, day: str):
        """From a day on."""
        return AuditState.choose("since", day)

    @rx.event
    def end(self, day: str):
        """Up to a day."""
        return AuditState.choose("until", day)

    @rx.event
    @asking(rights.see_audit)
    async def export_csv(self, api: Client):
        """Every row that is shown."""
        asked = recorded.where({**self.chosen, "search": self.search})
        return await exporting.download(api, recorded.ADDRESS, recorded.COLUMNS, "audit", **asked)


@page(
    "/tenants/[tenant_slug]/audit",
    title=title("Audit"),
    current="audit",
    state=AuditState,
    on_load=AuditState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def audit() -> rx.Component:
    """The log, with what changed."""
    state = AuditState
    return rx.fragment(
        tenant_heading(),
        listed(
            "Audit",
            search_field("Find what was done to one thing", "Its whole id", state),
            chooser("About", recorded.AREAS, state.action, state.filter),
            day("From", state.since, state.begin),
            day("Until", state.until, state.end),
            state=state,
            headings=columns(),
            row=row,
            nothing=blank("scroll-text", "Nothing like this was done", "Choose another kind or other days."),
            foot=rx.el.p(
                "Nothing here is ever changed or taken out: rows are chained by their hashes, and ",
                command("cloudbill records verify"),
                " proves it on the server.",
                class_name="table-foot",
                style={"display": "block"},
            ),
        ),
    )


def day(label: str, value: rx.Var[str], on_change: rx.EventHandler) -> rx.Component:
    """A day to begin or to end with."""
    return rx.el.input(
        type="date", value=value, on_change=on_change, class_name="input compact", aria_label=label, title=label
    )


def columns() -> list[rx.Component]:
    """The headings of the log."""
    return [heading("What"), heading("When, UTC"), heading("Who"), heading("About"), heading("What changed")]


def row(one: rx.Var[AuditRow], *second: rx.Component) -> rx.Component:
    """One row of the log; `second` are cells after when it was."""
    changed = rx.el.details(
        rx.el.summary(one.changes.length(), rx.cond(one.changes.length() == 1, " field", " fields")),
        rx.el.dl(rx.foreach(one.changes, _difference), class_name="inputs"),
    )
    return rx.el.tr(
        row_heading(one.what, rx.cond(one.reason != "", rx.el.span("“", one.reason, "”", class_name="below"))),
        cell(dated(one.at), label="When"),
        *second,
        cell(one.actor, rx.cond(one.origin != "", rx.el.span(one.origin, class_name="below")), label="Who"),
        cell(rx.el.span(one.about, class_name="mono long"), kind="quiet", label="About"),
        cell(rx.cond(one.changes.length() > 0, changed), kind="wide"),
    )


def _difference(one: rx.Var[Difference]) -> rx.Component:
    return rx.el.div(
        rx.el.dt(one.name),
        rx.el.dd(rx.cond(one.before != "", rx.el.del_(one.before)), rx.cond(one.after != "", rx.el.ins(one.after))),
    )
