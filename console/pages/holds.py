"""Credits reserved for calls that have not been settled yet."""

from __future__ import annotations

import reflex as rx

from console import exporting, rights
from console.client import Client
from console.components.choice import segments
from console.components.figure import amount, instant
from console.components.notice import blank, notice
from console.components.table import cell, export_button, heading, table, turner
from console.listing import Paged
from console.pages.tenant import TenantState, bones, enter, recall, standing, tenant_heading, title
from console.rows import Hold, TenantHead
from console.template import page
from console.viewer import ViewerState, asking

STATES = [("open", "Open"), ("", "All")]
COLUMNS = {
    "Hold": "holdId",
    "Customer": "customerId",
    "State": "status",
    "Currency": "currency",
    "Amount": "amount",
    "Key": "idempotencyKey",
    "Made": "createdAt",
    "Expires": "expiresAt",
    "Closed": "closedAt",
}


class HoldsState(Paged, rx.State):
    """The newest holds, open ones or all."""

    shown: list[Hold] = []
    status: str = "open"
    may_release: bool = False
    released: bool = False

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch them."""
        if self.of != api.tenant_id:
            self.released, self.cursors = False, [""]
        head = await enter(self, api, standing=True)
        self.may_release = (await self.get_state(ViewerState)).may_release
        await self._show(api, head)

    @rx.event
    @asking(rights.see_tenant)
    async def turn(self, api: Client):
        """Fetch others."""
        await self._show(api, await recall(self, api))

    async def _show(self, api: Client, head: TenantHead) -> None:
        page = await api.holds(head, status=self.status, cursor=self.cursors[-1])
        self.shown, self.next_cursor = page.rows, page.next_cursor

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every hold that is shown, for a spreadsheet."""
        return await exporting.download(api, "/api/usage/holds", COLUMNS, "holds", status=self.status)

    @rx.event
    def choose(self, status: str):
        """Open ones, or all."""
        self.status, self.released, self.cursors = status, False, [""]
        return HoldsState.turn

    @rx.event
    @asking(rights.release_holds)
    async def release(self, api: Client, hold_id: str):
        """Give its credits back."""
        await api.release_hold(hold_id)
        self.released = True
        return HoldsState.load


@page(
    "/tenants/[tenant_slug]/holds",
    title=title("Holds"),
    current="holds",
    state=HoldsState,
    on_load=HoldsState.load,
    bones=bones,
    tenant_name=TenantState.head.name,
)
def holds() -> rx.Component:
    """Standing and holds."""
    return rx.fragment(
        tenant_heading(),
        rx.cond(HoldsState.released, notice("good", "Released", "The hold's credits are available again.")),
        standing(),
        rx.el.section(
            rx.el.div(
                rx.el.h2("Holds"),
                rx.el.div(
                    segments("Which holds", HoldsState.status, HoldsState.choose, STATES),
                    rx.cond(HoldsState.shown.length() > 0, export_button(HoldsState.export_csv)),
                    class_name="page-actions",
                ),
                class_name="sheet-head centered",
            ),
            rx.cond(HoldsState.shown.length() > 0, _table(), _nothing()),
            class_name="sheet",
        ),
    )


def _table() -> rx.Component:
    state = HoldsState
    release = rx.el.th(rx.el.span("Release", class_name="visually-hidden"), scope="col")
    return rx.fragment(
        table(
            "Holds, newest first",
            [
                heading("Hold"),
                heading("State"),
                heading("Expires"),
                heading(f"Amount, {TenantState.head.currency}", num=True),
                rx.cond(state.may_release, release),
            ],
            rx.foreach(state.shown, _row),
        ),
        turner(state.cursors, state.next_cursor, previous=state.previous, following=state.following),
    )


def _row(row: rx.Var[Hold]) -> rx.Component:
    release = rx.el.button(
        "Release",
        class_name="button small",
        type="button",
        aria_label=f"Release hold {row.hold_id}",
        on_click=HoldsState.release(row.hold_id),
    )
    return rx.el.tr(
        cell(
            rx.el.span(row.hold_id, class_name="mono"),
            rx.cond(row.customer != "", rx.el.span(row.customer, class_name="below")),
            kind="lead",
        ),
        cell(_status(row.status), label="State"),
        cell(instant(row.expires), label="Expires"),
        cell(amount(row.amount), kind="num main"),
        rx.cond(HoldsState.may_release, cell(rx.cond(row.status == "open", release), kind="num action")),
    )


def _status(status: rx.Var[str]) -> rx.Component:
    tone = rx.match(status, ("open", "badge warn"), ("settled", "badge good"), "badge")
    return rx.el.span(status, class_name=tone)


def _nothing() -> rx.Component:
    return blank(
        "lock-open",
        rx.cond(HoldsState.status == "open", "No hold is open", "No hold yet"),
        "A hold reserves the most a call may cost until it is settled, released, or its time is up.",
    )
