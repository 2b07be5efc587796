"""A test tenant's own time: see it, and move it forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import reflex as rx

from console import rights
from console.client import Client
from console.components.notice import blank, notice
from console.figures import long_instant, parse_instant
from console.pages.tenant import TenantState, bones, enter, standing, tenant_heading, title
from console.template import page
from console.viewer import PageState, ViewerState, asking

STEPS = [("1 hour", 1), ("1 day", 24), ("1 week", 24 * 7), ("30 days", 24 * 30)]


class ClockState(PageState, rx.State):
    """The clock's control."""

    may_move: bool = False
    needs_reason: bool = False
    reason: str = ""
    moved: str = ""
    moving: bool = False
    wall: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the clock."""
        viewer = await self.get_state(ViewerState)
        self.may_move, self.needs_reason = viewer.may_move_clock, viewer.sees_installation
        if self.of != api.tenant_id:
            self.reason = self.moved = ""
        await enter(self, api, standing=True)
        self.wall, self.moving = long_instant(datetime.now(UTC)), False

    @rx.event
    def note(self, reason: str):
        """Keep why the operator enters the tenant."""
        self.reason = reason

    @rx.event
    def set_out(self, hours: int):
        """Show that it moves; a second click does not move it twice."""
        if not self.moving:
            self.moving = True
            return ClockState.advance(hours)

    @rx.event
    @asking(rights.move_clock)
    async def advance(self, api: Client, hours: int):
        """Move on by so many hours."""
        self.moving = False
        before = parse_instant((await enter(self, api, standing=True)).clock_iso)
        await self._move(api, before + timedelta(hours=hours))

    @rx.event
    @asking(rights.move_clock)
    async def set_to(self, api: Client, form: dict[str, str]):
        """Move to an instant, given in UTC."""
        await self._move(api, datetime.fromisoformat(form["instant"]).replace(tzinfo=UTC))

    async def _move(self, api: Client, to: datetime) -> None:
        expired = await api.move_clock(to, reason=self.reason)
        head = await enter(self, api, standing=True)
        self.wall = long_instant(datetime.now(UTC))
        self.moved = f"It is now {head.clock}. Holds that expired on the way: {expired}."


@page(
    "/tenants/[tenant_slug]/clock",
    title=title("Test clock"),
    current="clock",
    state=ClockState,
    on_load=ClockState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def clock() -> rx.Component:
    """The time, and the ways to move it."""
    return rx.fragment(
        tenant_heading(),
        rx.cond(ClockState.moved != "", notice("good", "The clock moved", ClockState.moved)),
        standing(),
        rx.el.section(rx.cond(TenantState.head.is_test, _clock(), _real_time()), class_name="sheet"),
    )


def _clock() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.h2("Test clock"),
            rx.el.p(TenantState.head.clock, style={"fontSize": "21px", "fontWeight": 600, "marginTop": "4px"}),
            rx.el.p(
                "Periods, expiry of holds and credits, and due dates follow this clock. It moves forward only, "
                "and everything that falls due on the way is done before it answers.",
                style={"color": "var(--ink-2)", "maxWidth": "64ch", "marginTop": "6px"},
            ),
            rx.el.p("In real time it was ", ClockState.wall, " when this was shown.", style={"color": "var(--ink-2)"}),
        ),
        rx.cond(ClockState.may_move, _controls()),
        class_name="sheet-body stack",
        style={"paddingTop": "16px"},
    )


def _controls() -> rx.Component:
    blocked = (ClockState.needs_reason & (ClockState.reason == "")) | ClockState.moving
    reason = rx.el.div(
        rx.el.label("Why you enter this tenant", html_for="reason"),
        rx.el.input(
            id="reason", class_name="input", default_value=ClockState.reason, on_change=ClockState.note.debounce(200)
        ),
        rx.el.p("It stands in the tenant's audit log with your name.", class_name="hint"),
        class_name="field",
        style={"maxWidth": "420px"},
    )
    steps = (
        rx.el.button(
            f"+ {text}", class_name="button", type="button", disabled=blocked, on_click=ClockState.set_out(hours)
        )
        for text, hours in STEPS
    )
    exact = rx.el.form(
        rx.el.label("Or to (UTC)", html_for="instant", style={"color": "var(--ink-2)"}),
        rx.el.input(id="instant", name="instant", type="datetime-local", class_name="input compact", required=True),
        rx.el.button("Move there", class_name="button", type="submit", disabled=blocked),
        on_submit=ClockState.set_to,
        class_name="page-actions",
    )
    return rx.fragment(
        rx.cond(ClockState.needs_reason, reason),
        rx.el.div(*steps, class_name="page-actions", role="group", aria_label="Move the clock by"),
        exact,
    )


def _real_time() -> rx.Component:
    return blank(
        "clock",
        "This tenant lives in real time",
        "Only a tenant registered as a test tenant has a clock of its own that can be moved.",
    )
