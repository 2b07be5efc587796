"""One subscription: how it stands, what it is about to cost, and what a change would bill before it is made."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import cataloguing, rights, subscribing
from console.cataloguing import PlanRow
from console.client import ApiRefused, Client
from console.components.bill import bill
from console.components.figure import dated, figure, figures, instant
from console.components.form import select_field, text_field
from console.components.notice import blank, notice
from console.components.table import cell, heading, row_heading, table
from console.figures import parse_instant
from console.pages.subscriptions import status_badge
from console.pages.tenant import TenantState, bones, enter, recall, tenant_heading, title
from console.subscribing import AddOn, Foreseen, Happened, Subscription, Taken
from console.template import page
from console.viewer import PageState, ViewerState, asking

APPLIES = [("now", "Now, the rest of the period settled"), ("renewal", "At the next renewal")]
DEEDS = {
    "cancel": {"when": "period_end"},
    "cancel_now": {"when": "now", "unused": "credit"},
    "pause": {"unused": "credit"},
    "resume": {},
}
"""What is asked about with what it would bill, and what the API is told."""
BILLING = [("next_invoice", "On the next invoice"), ("now", "At once")]


class SubscriptionState(PageState, rx.State):
    """A subscription, what comes next, and the change that is being looked at."""

    shown: Subscription = Subscription()
    coming: list[Foreseen] = []
    plans: list[PlanRow] = []
    foreseen: list[Foreseen] = []
    would_bill: list[Foreseen] = []
    add_ons: list[AddOn] = []
    previewed: bool = False
    refused: str = ""
    doing: str = ""
    edition: int = 0
    may_sell: bool = False
    _wanted: dict = {}
    _key: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch it."""
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        self.plans = (await cataloguing.plans(api, archived=False, cursor="")).rows if self.may_sell else []
        await self._show(api)

    async def _show(self, api: Client) -> None:
        now = parse_instant((await enter(self, api)).clock_iso)
        self.shown = await subscribing.subscription(api, self.subscription_id, now=now)
        ended = self.shown.row.status in ("canceled", "paused", "incomplete")
        self.coming = [] if ended else await subscribing.upcoming(api, self.subscription_id, now=now)
        row = self.shown.row
        offers = self.may_sell and not ended
        self.add_ons = (
            await subscribing.add_ons(api, row.plan, row.currency, self.shown.parts, now=now) if offers else []
        )
        self.foreseen, self.would_bill, self.previewed, self.refused, self.doing = [], [], False, "", ""
        self.edition, self._wanted, self._key = self.edition + 1, {}, f"console-{uuid4()}"

    @rx.event
    @asking(rights.sell)
    async def preview(self, api: Client, form: dict[str, str]):
        """What the change in the form would bill."""
        now = parse_instant((await enter(self, api)).clock_iso)
        self._wanted = subscribing.change_of(form, self.shown.parts, self.add_ons)
        try:
            self.foreseen = await subscribing.preview(api, self.subscription_id, "change", self._wanted, now=now)
            self.previewed, self.refused = True, ""
        except ApiRefused as refused:
            self.foreseen, self.previewed, self.refused = [], False, refused.advice

    @rx.event
    @asking(rights.sell)
    async def change(self, api: Client):
        """Make the change that was looked at."""
        await self._act(api, "change", self._wanted)

    @rx.event
    @asking(rights.sell)
    async def ask(self, api: Client, doing: str):
        """Say what is about to be done and what it would bill, before it is."""
        self.would_bill, self.refused = [], ""
        if doing in DEEDS:
            now = parse_instant((await recall(self, api)).clock_iso)
            try:
                what = doing.removesuffix("_now")
                self.would_bill = await subscribing.preview(api, self.subscription_id, what, DEEDS[doing], now=now)
            except ApiRefused as refused:
                self.refused = refused.advice
                return
        self.doing = doing

    @rx.event
    def keep(self):
        """Leave it as it is."""
        self.doing = ""

    @rx.event
    @asking(rights.sell)
    async def do(self, api: Client):
        """Do it."""
        await self._act(api, self.doing.removesuffix("_now"), DEEDS.get(self.doing, {}))

    @rx.event
    @asking(rights.sell)
    async def undo(self, api: Client, what: str):
        """Take a scheduled change, or an end that has not come yet, back."""
        await self._act(api, what, {}, undo=True)

    async def _act(self, api: Client, what: str, wanted: dict, *, undo: bool = False) -> None:
        try:
            await subscribing.act(api, self.subscription_id, what, wanted, key=self._key, undo=undo)
        except ApiRefused as refused:
            self.refused, self.doing = refused.advice, ""
            return
        await self._show(api)


@page(
    "/tenants/[tenant_slug]/subscriptions/[subscription_id]",
    title=title("Subscription"),
    current="subscriptions",
    state=SubscriptionState,
    on_load=SubscriptionState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def subscription() -> rx.Component:
    """How it stands, what comes, what may change."""
    state, row = SubscriptionState, SubscriptionState.shown.row
    base = f"/tenants/{TenantState.head.tenant_id}"
    stands = (row.status == "active") | (row.status == "trialing") | (row.status == "past_due")
    return rx.fragment(
        tenant_heading(),
        _notices(),
        figures(
            figure(
                "Customer",
                rx.link(row.customer, href=f"{base}/customers/{row.customer_id}", class_name="row-link", unstyled=True),
                rx.fragment(
                    rx.link(row.plan, href=f"{base}/catalog/{row.plan}", class_name="mono"),
                    ", version ",
                    state.shown.version,
                ),
            ),
            figure("State", status_badge(row.status), state.shown.collection),
            figure("Period ends", instant(state.shown.period_end), state.shown.zone),
            figure(
                "Fixed part",
                rx.el.span(row.price, class_name="money"),
                rx.fragment("a ", row.every, ", one of each"),
                total=True,
            ),
        ),
        rx.cond(state.refused != "", notice("bad", "This cannot be done", state.refused)),
        rx.el.div(_coming(), rx.cond(state.may_sell & stands, _change(), _parts()), class_name="wide-and-narrow loose"),
        _trail(),
        _confirm(),
    )


def _notices() -> rx.Component:
    state, shown = SubscriptionState, SubscriptionState.shown

    def undo(what: str, text: str) -> rx.Component:
        button = rx.el.button(text, class_name="button small", type="button", on_click=state.undo(what))
        return rx.cond(state.may_sell, button)

    return rx.fragment(
        rx.cond(
            (shown.cancel_at.iso != "") & (shown.row.status != "canceled"),
            notice("warn", "It ends", shown.cancel_at.absolute, undo("cancel", "Keep it")),
        ),
        rx.cond(
            shown.scheduled != "",
            notice("", "It changes at its renewal", shown.scheduled, undo("change", "Withdraw the change")),
        ),
        rx.cond(
            shown.paused_at.iso != "",
            notice(
                "warn",
                "It is paused",
                rx.cond(shown.resume_at.iso != "", rx.fragment("Until ", shown.resume_at.absolute), "Until resumed."),
                rx.cond(
                    state.may_sell,
                    rx.el.button("Resume", class_name="button small", type="button", on_click=state.ask("resume")),
                ),
            ),
        ),
        rx.cond(
            shown.parked != "",
            notice(
                "bad",
                "Its renewal is held",
                shown.parked,
                rx.cond(
                    state.may_sell,
                    rx.el.button(
                        "Let it go on", class_name="button small", type="button", on_click=state.ask("release")
                    ),
                ),
            ),
        ),
        rx.cond(
            (shown.trial_end.iso != "") & (shown.row.status == "trialing"),
            notice("", "On trial", rx.fragment("Until ", shown.trial_end.absolute)),
        ),
    )


def _coming() -> rx.Component:
    state = SubscriptionState
    return rx.el.section(
        rx.el.div(rx.el.h2("The next invoice"), class_name="sheet-head centered"),
        rx.cond(
            state.coming.length() > 0,
            rx.foreach(state.coming, _foreseen),
            blank("receipt-text", "Nothing is to come", "No invoice follows as things stand."),
        ),
        class_name="sheet",
    )


def _foreseen(one: rx.Var[Foreseen]) -> rx.Component:
    return rx.el.div(
        rx.el.p("On ", one.when.absolute, class_name="small-print"), bill(one.bill), class_name="sheet-body"
    )


def _parts() -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("What it has"), class_name="sheet-head centered"),
        table(
            "Parts", [heading("Part"), heading("Quantity", num=True)], rx.foreach(SubscriptionState.shown.parts, _part)
        ),
        _coupons(),
        class_name="sheet",
    )


def _part(part: rx.Var[Taken]) -> rx.Component:
    return rx.el.tr(row_heading(part.name), cell(part.quantity, kind="num main"))


def _coupons() -> rx.Component:
    coupons = SubscriptionState.shown.coupons
    return rx.cond(coupons.length() > 0, rx.el.p("Coupons: ", coupons.join(", "), class_name="sheet-body small-print"))


def _change() -> rx.Component:
    state = SubscriptionState

    def quantity(part: rx.Var[Taken]) -> rx.Component:
        field = text_field(f"part-{part.code}", part.name, value=part.quantity, numeric=True)
        return rx.cond(part.quantity != "", field)

    plan = rx.el.div(
        rx.el.label("Plan", html_for="plan"),
        rx.el.select(
            rx.el.option("Stays", value=""),
            rx.foreach(state.plans, lambda one: rx.el.option(f"{one.name} · {one.price}", value=one.code)),
            id="plan",
            name="plan",
            class_name="input",
        ),
        class_name="field",
    )

    def button(doing: str, text: str, kind: str = "button small") -> rx.Component:
        return rx.el.button(text, class_name=kind, type="button", on_click=state.ask(doing))

    return rx.el.section(
        rx.el.div(rx.el.h2("Change it"), class_name="sheet-head centered"),
        rx.el.form(
            plan,
            rx.foreach(state.shown.parts, quantity),
            rx.foreach(state.add_ons, _add_on),
            select_field("applies", "When", APPLIES),
            select_field("billing", "Billed", BILLING),
            rx.el.button("See what it would bill", class_name="button primary", type="submit"),
            on_submit=state.preview,
            class_name="sheet-body stack",
            key=state.edition.to_string(),
        ),
        rx.el.div(
            rx.cond(
                state.previewed,
                rx.fragment(
                    rx.foreach(state.foreseen, _foreseen),
                    rx.el.button("Make this change", class_name="button primary", type="button", on_click=state.change),
                ),
            ),
            aria_live="polite",
            class_name="sheet-body",
        ),
        _coupons(),
        rx.el.div(
            button("pause", "Pause"),
            rx.cond(state.shown.cancel_at.iso == "", button("cancel", "End with the period")),
            button("cancel_now", "End now"),
            class_name="sheet-body page-actions",
        ),
        class_name="sheet",
    )


def _add_on(one: rx.Var[AddOn]) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="checkbox", name=f"add-{one.code}", default_checked=one.taken),
        rx.el.span(one.name, rx.el.span(one.price, class_name="below"), class_name="grow"),
        class_name="choice",
    )


def _trail() -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("What happened"), class_name="sheet-head centered"),
        table(
            "Changes, newest first",
            [heading("When, UTC"), heading("What"), heading("By")],
            rx.foreach(SubscriptionState.shown.trail, _happened),
        ),
        class_name="sheet",
    )


def _happened(one: rx.Var[Happened]) -> rx.Component:
    return rx.el.tr(cell(dated(one.at), kind="under"), row_heading(one.what), cell(one.by, label="By"))


def _confirm() -> rx.Component:
    state = SubscriptionState
    said = rx.match(
        state.doing,
        ("cancel", "It runs until its period ends, and is not renewed. Until then it can be kept."),
        ("cancel_now", "It ends at once, and what was paid ahead comes back as credit. This cannot be taken back."),
        ("pause", "Nothing is billed until it is resumed; what was paid ahead comes back as credit."),
        ("resume", "It goes on now."),
        "The next run takes it up again.",
    )
    return rx.alert_dialog.root(
        rx.alert_dialog.content(
            rx.alert_dialog.title(
                rx.match(
                    state.doing,
                    ("cancel", "End it with the period?"),
                    ("cancel_now", "End it now?"),
                    ("pause", "Pause it?"),
                    ("resume", "Resume it?"),
                    "Let it go on?",
                ),
                size="4",
            ),
            rx.alert_dialog.description(said, size="2"),
            rx.foreach(state.would_bill, _foreseen),
            rx.el.div(
                rx.alert_dialog.cancel(
                    rx.el.button("Not now", class_name="button plain", type="button", on_click=state.keep)
                ),
                rx.alert_dialog.action(
                    rx.el.button("Yes", class_name="button primary", type="button", on_click=state.do)
                ),
                class_name="dialog-foot",
            ),
            max_width="400px",
            on_escape_key_down=state.keep,
        ),
        open=state.doing != "",
    )
