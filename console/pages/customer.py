"""One customer: who it is, where invoices go, how it is taxed."""

from __future__ import annotations

import reflex as rx

from console import customers, rights
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.form import select_field, text_field
from console.components.notice import notice
from console.customers import Profile
from console.figures import parse_instant
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import PageState, ViewerState, asking

TREATMENTS = [
    ("automatic", "As the rates of its country say"),
    ("exempt", "Exempt"),
    ("reverse_charge", "The customer owes it (reverse charge)"),
]


class CustomerState(PageState, rx.State):
    """A customer's profile, and what came of changing it. `edition` makes the form begin anew."""

    shown: Profile = Profile()
    edition: int = 0
    saved: bool = False
    refused: str = ""
    may_sell: bool = False

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch it."""
        head = await enter(self, api)
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        self.shown = await customers.customer(api, self.customer_id, now=parse_instant(head.clock_iso))
        self.edition, self.saved, self.refused = self.edition + 1, False, ""

    @rx.event
    @asking(rights.sell)
    async def save(self, api: Client, form: dict[str, str]):
        """Change what the form says."""
        head = await enter(self, api)
        try:
            await customers.change_customer(api, self.shown.customer_id, form)
        except ApiRefused as refused:
            self.refused, self.saved = refused.advice, False
            return
        self.shown = await customers.customer(api, self.shown.customer_id, now=parse_instant(head.clock_iso))
        self.edition, self.saved, self.refused = self.edition + 1, True, ""


@page(
    "/tenants/[tenant_slug]/customers/[customer_id]",
    title=title("Customer"),
    current="customers",
    state=CustomerState,
    on_load=CustomerState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def customer() -> rx.Component:
    """The profile."""
    state = CustomerState
    return rx.fragment(
        tenant_heading(),
        rx.cond(state.saved, notice("good", "Saved", "Invoices that were issued keep what they say.")),
        rx.cond(state.refused != "", notice("bad", "This cannot be saved", state.refused)),
        rx.el.form(
            rx.el.section(
                rx.el.div(
                    rx.el.h2(state.shown.title, " ", rx.el.span(state.shown.external_id, class_name="mono quiet")),
                    rx.cond(
                        state.shown.changed.iso != "",
                        rx.el.span("changed ", instant(state.shown.changed), class_name="note"),
                    ),
                    class_name="sheet-head centered",
                ),
                rx.el.div(
                    _text("name", "Name"),
                    _text("email", "E-mail"),
                    _text("phone", "Phone"),
                    class_name="sheet-body fields",
                ),
                class_name="sheet",
            ),
            rx.el.section(
                rx.el.div(rx.el.h2("Address"), class_name="sheet-head centered"),
                rx.el.div(
                    _text("line1", "Street and number"),
                    _text("line2", "Second line"),
                    _text("postalCode", "Postal code"),
                    _text("city", "City"),
                    _text("region", "Region or state"),
                    _text("country", "Country", hint="Two letters, such as DE."),
                    class_name="sheet-body fields",
                ),
                class_name="sheet",
            ),
            rx.el.section(
                rx.el.div(rx.el.h2("Tax, language, time"), class_name="sheet-head centered"),
                rx.el.div(
                    _text("taxId", "Tax number", hint="Checked by its country's rules."),
                    select_field("taxTreatment", "Taxed", TREATMENTS, value=state.shown.fields["taxTreatment"]),
                    _text("taxExemptReason", "Why exempt"),
                    _text("language", "Language", hint="Such as de or en."),
                    _text("timeZone", "Time zone", hint="Such as Europe/Berlin."),
                    _text("currency", "Currency", hint="Empty: the tenant's."),
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
        ),
    )


def _text(name: str, text: str, *, hint: str = "") -> rx.Component:
    return text_field(name, text, value=CustomerState.shown.fields[name], hint=hint)
