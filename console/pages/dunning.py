"""Open invoices being collected, and the schedule by which that goes."""

from __future__ import annotations

import reflex as rx

from console import collecting, exporting, rights
from console.client import ApiRefused, Client
from console.collecting import Collecting, Terms
from console.components.figure import instant
from console.components.form import select_field, text_field
from console.components.listed import chooser, listed
from console.components.notice import blank, notice
from console.components.table import cell, heading, row_heading
from console.figures import parse_instant
from console.listing import Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import ViewerState, asking

STATES = [("", "Every state"), ("trying", "Tried again"), ("waiting", "Waiting"), ("ended", "Ended")]
ACTIONS = [
    ("pause", "Pause the subscription"),
    ("cancel", "Cancel the subscription"),
    ("uncollectible", "Cancel it and give the invoice up"),
    ("leave", "Nothing"),
]


class DunningState(Addressed, rx.State):
    """One page of what is collected, and the schedule. `edition` makes the form begin anew."""

    shown: list[Collecting] = []
    status: str = ""
    terms: Terms = Terms()
    edition: int = 0
    saved: bool = False
    refused: str = ""
    may_sell: bool = False

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the page that the address names."""
        self.read_address()
        now = parse_instant((await enter(self, api)).clock_iso)
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        self.status = self.chosen.get("status", "")
        found = await collecting.collections(api, status=self.status, cursor=self.cursors[-1], now=now)
        self.shown, self.next_cursor = found.rows, found.next_cursor
        self.terms = await collecting.terms(api)
        self.edition, self.saved, self.refused = self.edition + 1, False, ""

    @rx.event
    def filter(self, status: str):
        """Only those in one state."""
        return DunningState.choose("status", status)

    @rx.event
    @asking(rights.sell)
    async def save(self, api: Client, form: dict[str, str]):
        """Put what the form says."""
        try:
            await collecting.put_terms(api, form)
        except ApiRefused as refused:
            self.refused, self.saved = refused.advice, False
            return
        self.terms = await collecting.terms(api)
        self.edition, self.saved, self.refused = self.edition + 1, True, ""

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every row that is shown."""
        return await exporting.download(api, collecting.ADDRESS, collecting.COLUMNS, "dunning", status=self.status)


@page(
    "/tenants/[tenant_slug]/dunning",
    title=title("Dunning"),
    current="dunning",
    state=DunningState,
    on_load=DunningState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def dunning() -> rx.Component:
    """The list, and the schedule."""
    state = DunningState
    return rx.fragment(
        tenant_heading(),
        rx.cond(state.saved, notice("good", "Saved", "It holds for every step from now on.")),
        rx.cond(state.refused != "", notice("bad", "This cannot be saved", state.refused)),
        listed(
            "Being collected",
            chooser("State", STATES, state.status, state.filter),
            state=state,
            headings=[
                heading("Invoice of"),
                heading("State"),
                heading("By"),
                heading("Tries", num=True),
                heading("Notices", num=True),
                heading("Failed first"),
                heading("Next step"),
            ],
            row=_row,
            nothing=blank("hand-coins", "Nothing is chased", "Open invoices appear here from their first step on."),
        ),
        _schedule(),
    )


def _row(one: rx.Var[Collecting]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/invoices/{one.invoice_id}"
    tone = rx.match(one.status, ("trying", "badge bad"), ("waiting", "badge warn"), "badge")
    return rx.el.tr(
        row_heading(rx.link(one.customer, href=address, class_name="row-link", unstyled=True)),
        cell(
            rx.el.span(one.status, class_name=tone),
            rx.cond(one.refusal != "", rx.el.span(one.refusal, class_name="below")),
            rx.cond(one.outcome != "", rx.el.span(one.outcome, class_name="below")),
            label="State",
        ),
        cell(one.means, label="By"),
        cell(one.tries, kind="num", label="Tries"),
        cell(one.notices, kind="num", label="Notices"),
        cell(instant(one.failed, otherwise="–"), label="Failed first"),
        cell(instant(one.following, otherwise="–"), label="Next step"),
    )


def _schedule() -> rx.Component:
    state = DunningState
    return rx.el.form(
        rx.el.section(
            rx.el.div(
                rx.el.h2("Schedule"),
                rx.el.span("A card that was stolen or lost is never tried again.", class_name="note"),
                class_name="sheet-head centered",
            ),
            rx.el.div(
                text_field(
                    "retryDays", "Tried again on days", value=state.terms.retry_days,
                    hint="After the first failure, such as 3, 7, 14.",
                ),
                text_field("finalDays", "Ends on day", value=state.terms.final_days, numeric=True),
                select_field("finalAction", "In the end", ACTIONS, value=state.terms.final_action),
                select_field(
                    "overdueAction", "In the end, where invoices are sent", ACTIONS, value=state.terms.overdue_action
                ),
                class_name="sheet-body fields",
            ),
            class_name="sheet",
        ),
        rx.cond(
            state.may_sell,
            rx.el.div(rx.el.button("Save", class_name="button primary", type="submit"), class_name="page-actions"),
        ),
        on_submit=state.save,
        class_name="stack",
        key=state.edition.to_string(),
    )  # fmt: skip
