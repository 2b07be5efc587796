"""What people and programs are told: the mailbox, the endpoints of webhooks, and the log of their deliveries."""

from __future__ import annotations

import reflex as rx

from console import exporting, rights, telling
from console.client import ApiRefused, Client
from console.components.choice import segments
from console.components.figure import dated, instant
from console.components.form import text_field
from console.components.listed import chooser, form_dialog, listed, primary
from console.components.notice import blank, notice
from console.components.table import cell, heading, row_heading, table, unseen
from console.figures import parse_instant
from console.listing import Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.telling import Call, Delivery, Endpoint, Message
from console.template import page
from console.viewer import ViewerState, asking

VIEWS = [("messages", "Mailbox"), ("webhooks", "Webhooks"), ("log", "Log")]
MESSAGE_STATES = [
    ("", "Every state"),
    ("queued", "Waiting"),
    ("sent", "Sent"),
    ("failed", "Failed"),
    ("uncertain", "Uncertain"),
    ("skipped", "Skipped"),
    ("superseded", "Overtaken"),
]
DELIVERY_STATES = [
    ("", "Every state"),
    ("pending", "Waiting"),
    ("delivered", "Delivered"),
    ("failed", "Failed"),
    ("canceled", "Canceled"),
]


class NotificationsState(Addressed, rx.State):
    """The view that the address names, and the one row that is opened."""

    view: str = "messages"
    status: str = ""
    shown: list[Message] = []
    endpoints: list[Endpoint] = []
    deliveries: list[Delivery] = []
    opened: Message = Message()
    looked_at: Delivery = Delivery()
    may_sell: bool = False
    sees_to_programs: bool = False
    adding: bool = False
    secret: str = ""
    said: str = ""
    refused: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the view that the address names."""
        self.read_address()
        now = parse_instant((await enter(self, api)).clock_iso)
        viewer = await self.get_state(ViewerState)
        self.may_sell, self.sees_to_programs = viewer.may_sell, viewer.sees_to_programs
        asked = self.chosen.get("show", "messages")
        self.view = asked if asked in dict(VIEWS) else "messages"
        self.status = self.chosen.get("status", "")
        cursor = self.cursors[-1]
        if self.view == "messages":
            found = await telling.messages(api, state=self.status, cursor=cursor, now=now)
        else:
            self.endpoints = await telling.endpoints(api, now=now)
            webhook = self.chosen.get("webhook", "")
            found = await telling.deliveries(api, state=self.status, webhook_id=webhook, cursor=cursor, now=now)
        self.shown, self.deliveries, self.next_cursor = found.messages, found.deliveries, found.next_cursor

    @rx.event
    def look_at(self, view: str):
        """Another view, from its beginning."""
        self.chosen, self.said, self.refused, self.secret = {"show": view}, "", "", ""
        return self._go([""])

    @rx.event
    def filter(self, status: str):
        """Only those in one state."""
        return NotificationsState.choose("status", status)

    @rx.event
    @asking(rights.see_tenant)
    async def open(self, api: Client, message_id: str):
        """Read one."""
        now = parse_instant((await enter(self, api)).clock_iso)
        self.opened = await telling.message(api, message_id, now=now)

    @rx.event
    @asking(rights.see_tenant)
    async def inspect(self, api: Client, delivery_id: str):
        """See what was sent, and what came back."""
        now = parse_instant((await enter(self, api)).clock_iso)
        self.looked_at = await telling.delivery(api, delivery_id, now=now)

    @rx.event
    def close(self, is_open: bool):
        """Close what is opened."""
        if not is_open:
            self.opened, self.looked_at = Message(), Delivery()

    @rx.event
    @asking(rights.sell)
    async def resend(self, api: Client, message_id: str):
        """Send it once more."""
        await self._try(telling.resend(api, message_id), "It is on its way once more.")
        self.opened = Message()
        return NotificationsState.load

    @rx.event
    @asking(rights.see_to_programs)
    async def replay(self, api: Client, delivery_id: str):
        """Deliver it once more."""
        await self._try(telling.replay(api, delivery_id), "It is on its way once more, under the id that it had.")
        self.looked_at = Delivery()
        return NotificationsState.load

    @rx.event
    @asking(rights.see_to_programs)
    async def replay_since(self, api: Client, form: dict[str, str]):
        """Deliver what did not get through since a day."""
        webhook_id, day = form.get("webhook", ""), form.get("since", "")
        await self._try(telling.replay_since(api, webhook_id, day), "")
        return NotificationsState.load

    @rx.event
    @asking(rights.see_to_programs)
    async def act(self, api: Client, webhook_id: str, what: str):
        """Test an endpoint, switch it off or on."""
        words = {"test": "A webhook.test is on its way.", "disabled": "Nothing is sent there.", "active": "It is on."}
        await self._try(telling.act(api, webhook_id, what), words.get(what, "Done."))
        return NotificationsState.load

    @rx.event
    def ask(self, adding: bool):
        """Open or close the form."""
        self.adding, self.refused, self.secret = adding, "", ""

    @rx.event
    @asking(rights.see_to_programs)
    async def add(self, api: Client, form: dict[str, str]):
        """Have facts sent to an address."""
        try:
            self.secret = await telling.add_endpoint(api, form)
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        self.adding = False
        return NotificationsState.load

    async def _try(self, doing, said: str) -> None:
        self.said, self.refused = "", ""
        try:
            count = await doing
        except ApiRefused as refused:
            self.refused = refused.advice
            return
        self.said = said or f"{count} on their way."

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every row of the view."""
        if self.view == "messages":
            return await exporting.download(
                api, telling.MESSAGES, telling.MESSAGE_COLUMNS, "messages", state=self.status
            )
        return await exporting.download(
            api, telling.DELIVERIES, telling.DELIVERY_COLUMNS, "webhook-log", state=self.status
        )


@page(
    "/tenants/[tenant_slug]/notifications",
    title=title("Notifications"),
    current="notifications",
    state=NotificationsState,
    on_load=NotificationsState.load,
    bones=bones,
    tenant_name=TenantState.head.name,
)
def notifications() -> rx.Component:
    """The choice, and what it shows."""
    state = NotificationsState
    return rx.fragment(
        tenant_heading(
            segments("Show", state.view, state.look_at, VIEWS),
            rx.cond((state.view == "webhooks") & state.sees_to_programs, primary("New endpoint", state.ask(True))),
        ),
        rx.cond(state.said != "", notice("good", "Done", state.said)),
        rx.cond((state.refused != "") & ~state.adding, notice("bad", "This cannot be done", state.refused)),
        rx.cond(state.secret != "", notice("warn", "Keep its secret: it is shown this once", rx.el.code(state.secret))),
        rx.match(state.view, ("webhooks", _endpoints()), ("log", _log()), _mailbox()),
        _letter(),
        _calls(),
        form_dialog(
            "New endpoint",
            "Every call is signed as Standard Webhooks says.",
            text_field("url", "Address", required=True, hint="Such as https://example.com/hooks."),
            text_field("description", "What it is for"),
            text_field("kinds", "Only these facts", hint="Such as invoice.paid; all of them when empty."),
            submit="Add endpoint",
            on_submit=state.add,
            is_open=state.adding,
            on_open=state.ask,
            refused=state.refused,
            refused_title="This endpoint cannot be added",
        ),
    )


def _mailbox() -> rx.Component:
    state = NotificationsState
    return listed(
        "Mailbox",
        chooser("State", MESSAGE_STATES, state.status, state.filter),
        state=state,
        headings=[heading("What"), heading("To"), heading("By"), heading("State"), heading("When, UTC")],
        row=_message,
        nothing=blank("mail", "Nothing was told yet", "Receipts, reminders and notices to customers appear here."),
    )


def _message(one: rx.Var[Message]) -> rx.Component:
    opener = rx.el.button(one.what, class_name="link", type="button", on_click=NotificationsState.open(one.message_id))
    return rx.el.tr(
        row_heading(opener),
        cell(one.reader, kind="under"),
        cell(one.channel, label="By"),
        cell(_state(one.state), rx.cond(one.reason != "", rx.el.span(one.reason, class_name="below")), label="State"),
        cell(dated(one.at), label="When"),
    )


def _state(state: rx.Var[str]) -> rx.Component:
    tone = rx.match(
        state,
        ("sent", "badge good"),
        ("delivered", "badge good"),
        ("active", "badge good"),
        ("failed", "badge bad"),
        ("disabled", "badge bad"),
        ("uncertain", "badge warn"),
        "badge",
    )
    return rx.el.span(state, class_name=tone)


def _letter() -> rx.Component:
    state, one = NotificationsState, NotificationsState.opened
    may = state.may_sell & ((one.state == "failed") | (one.state == "skipped") | (one.state == "uncertain"))
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title(rx.cond(one.subject != "", one.subject, one.what), size="4", margin_bottom="4px"),
            rx.dialog.description(one.channel, " to ", one.reader, ", ", one.state, size="2", margin_bottom="14px"),
            rx.el.pre(one.body, class_name="letter", tab_index=0),
            rx.el.div(
                rx.cond(
                    may,
                    rx.el.button(
                        "Send it again", class_name="button", type="button", on_click=state.resend(one.message_id)
                    ),
                ),
                rx.dialog.close(rx.el.button("Close", class_name="button primary", type="button")),
                class_name="dialog-foot",
            ),
            max_width="620px",
        ),
        open=one.message_id != "",
        on_open_change=state.close,
    )


def _endpoints() -> rx.Component:
    state = NotificationsState
    replaying = rx.el.form(
        rx.el.div(
            rx.el.label("Endpoint", html_for="webhook"),
            rx.el.select(
                rx.foreach(state.endpoints, lambda one: rx.el.option(one.url, value=one.webhook_id)),
                id="webhook",
                name="webhook",
                class_name="input",
            ),
            class_name="field",
        ),
        rx.el.div(
            rx.el.label("Since", html_for="since"),
            rx.el.input(id="since", name="since", type="date", required=True, class_name="input"),
            class_name="field",
        ),
        rx.el.div(rx.el.button("Send what was missed", class_name="button", type="submit"), class_name="field"),
        on_submit=state.replay_since,
        class_name="sheet-body fields",
    )
    return rx.el.section(
        rx.el.div(rx.el.h2("Endpoints"), class_name="sheet-head centered"),
        rx.cond(
            state.endpoints.length() > 0,
            rx.fragment(
                table(
                    "Endpoints, oldest first",
                    [heading("Address"), heading("Told of"), heading("State"), unseen("Deeds")],
                    rx.foreach(state.endpoints, _endpoint),
                ),
                rx.cond(state.sees_to_programs, replaying),
            ),
            blank("webhook", "Nothing is sent anywhere", "Facts such as invoice.paid are sent to endpoints, signed."),
        ),
        class_name="sheet",
    )


def _endpoint(one: rx.Var[Endpoint]) -> rx.Component:
    state = NotificationsState

    def button(what: str, text: str) -> rx.Component:
        return rx.el.button(
            text, class_name="button small", type="button", on_click=state.act(one.webhook_id, what),
            aria_label=f"{text}: {one.url}",
        )  # fmt: skip

    is_on = one.state == "active"
    deeds = rx.el.span(
        rx.cond(is_on, rx.fragment(button("test", "Test"), " ", button("disabled", "Switch off"))),
        rx.cond(is_on, rx.fragment(), button("active", "Switch on")),
    )
    return rx.el.tr(
        row_heading(
            rx.el.span(one.url, class_name="mono long"),
            rx.cond(one.about != "", rx.el.span(one.about, class_name="below")),
        ),
        cell(one.kinds, kind="wide quiet"),
        cell(
            _state(one.state),
            rx.cond(one.reason != "", rx.el.span(one.reason, class_name="below")),
            rx.cond(
                one.failing.iso != "",
                rx.el.span("nothing has worked since ", instant(one.failing), class_name="below"),
            ),
            label="State",
        ),
        cell(rx.cond(state.sees_to_programs, deeds), kind="action num"),
    )


def _log() -> rx.Component:
    state = NotificationsState
    return listed(
        "Log",
        chooser("State", DELIVERY_STATES, state.status, state.filter),
        state=state,
        shown=state.deliveries,
        headings=[heading("Fact"), heading("To"), heading("State"), heading("Calls", num=True), heading("When, UTC")],
        row=_delivery,
        nothing=blank("webhook", "Nothing was sent yet", "Every fact that goes to an endpoint is kept here."),
    )


def _delivery(one: rx.Var[Delivery]) -> rx.Component:
    opener = rx.el.button(
        one.kind, class_name="link mono", type="button", on_click=NotificationsState.inspect(one.delivery_id)
    )
    return rx.el.tr(
        row_heading(opener),
        cell(rx.el.span(one.url, class_name="long"), kind="wide quiet"),
        cell(_state(one.state), rx.cond(one.result != "", rx.el.span(one.result, class_name="below")), label="State"),
        cell(one.attempts, kind="num", label="Calls"),
        cell(dated(one.at), label="When"),
    )


def _calls() -> rx.Component:
    state, one = NotificationsState, NotificationsState.looked_at
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title(one.kind, size="4", margin_bottom="4px"),
            rx.dialog.description(one.url, ", ", one.state, size="2", margin_bottom="14px"),
            rx.el.pre(one.body, class_name="letter", tab_index=0),
            rx.el.ol(rx.foreach(one.calls, _call), class_name="parts"),
            rx.el.div(
                rx.cond(
                    state.sees_to_programs,
                    rx.el.button(
                        "Send it again", class_name="button", type="button", on_click=state.replay(one.delivery_id)
                    ),
                ),
                rx.dialog.close(rx.el.button("Close", class_name="button primary", type="button")),
                class_name="dialog-foot",
            ),
            max_width="620px",
        ),
        open=one.delivery_id != "",
        on_open_change=state.close,
    )


def _call(one: rx.Var[Call]) -> rx.Component:
    return rx.el.li(
        rx.el.span(one.number, ". ", one.result, rx.el.span(one.answer, class_name="below long"), class_name="grow"),
        rx.el.span(one.took, " · ", instant(one.at), class_name="quiet"),
    )
