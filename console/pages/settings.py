"""How a tenant's invoices look and are taxed."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import keeping, rights, selling
from console.client import ApiRefused, Client
from console.components.browser import plain_form
from console.components.form import select_field, text_field
from console.components.notice import notice
from console.components.table import cell, heading, row_heading, table
from console.keeping import Kept
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.selling import Settings, TaxRate
from console.template import page
from console.viewer import PageState, ViewerState, asking

LATE = [("next_invoice", "On the next invoice"), ("credit_note", "As a credit note, or the next invoice for more")]
ROUNDING = [("rate", "Once for each rate"), ("line", "Once for each line")]

LOGO_SAID = {
    "kept": "It is as you left it. Documents that were made stay as they are.",
    "large": "It is too large: at most 200 kB are kept.",
    "none": "No picture was chosen.",
    "refused": "It cannot be read: choose a PNG, JPEG or SVG of at most 200 kB.",
    "forbidden": "Your role does not change settings here.",
    "down": "The API did not answer. Try again.",
}


class SettingsState(PageState, rx.State):
    """The settings, and what came of changing them. `edition` makes the form begin anew."""

    shown: Settings = Settings()
    rates: list[TaxRate] = []
    kept: list[Kept] = []
    edition: int = 0
    saved: bool = False
    refused: str = ""
    may_sell: bool = False
    manages_keys: bool = False
    logo_said: str = ""
    may_keep: bool = False
    _key: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch them."""
        await enter(self, api)
        viewer = await self.get_state(ViewerState)
        self.may_sell, self.manages_keys = viewer.may_sell, viewer.manages_keys
        self.logo_said = LOGO_SAID.get(dict(self.router.url.query_parameters).get("logo", ""), "")
        self.may_keep = viewer.sees_to_people
        await self._show(api)

    async def _show(self, api: Client) -> None:
        self.shown = await selling.settings(api)
        country = self.shown.fields["country"]
        self.rates = await selling.tax_rates(api, country=country) if country else []
        self.kept = await keeping.kept(api)
        self.edition, self.saved, self.refused, self._key = self.edition + 1, False, "", f"console-{uuid4()}"

    @rx.event
    @asking(rights.sell)
    async def save(self, api: Client, form: dict[str, str]):
        """Put what the form says."""
        try:
            await selling.put_settings(api, form)
        except ApiRefused as refused:
            self.refused, self.saved = refused.advice, False
            return
        await self._show(api)
        self.saved = True

    @rx.event
    @asking(rights.see_to_people)
    async def keep(self, api: Client, form: dict[str, str]):
        """Put how long records are kept."""
        try:
            await keeping.keep(api, form)
        except ApiRefused as refused:
            self.refused, self.saved = refused.advice, False
            return
        await self._show(api)
        self.saved = True

    @rx.event
    @asking(rights.sell)
    async def add_rate(self, api: Client, form: dict[str, str]):
        """Add a rate of tax."""
        try:
            await selling.add_tax_rate(api, form, key=self._key)
        except ApiRefused as refused:
            self.refused, self.saved = refused.advice, False
            return
        await self._show(api)
        self.saved = True


@page(
    "/tenants/[tenant_slug]/settings",
    title=title("Settings"),
    current="settings",
    state=SettingsState,
    on_load=SettingsState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def settings() -> rx.Component:
    """The form, and the rates."""
    state = SettingsState
    return rx.fragment(
        tenant_heading(),
        _elsewhere(),
        rx.cond(state.logo_said != "", notice("", "The logo", state.logo_said)),
        rx.cond(
            state.saved, notice("good", "Saved", "It holds from now on; invoices that were issued stay as they are.")
        ),
        rx.cond(state.refused != "", notice("bad", "This cannot be saved", state.refused)),
        rx.el.form(
            _sheet(
                "Who sells",
                _text("legalName", "Legal name"),
                _text("line1", "Street and number"),
                _text("line2", "Second line"),
                _text("postalCode", "Postal code"),
                _text("city", "City"),
                _text("region", "Region or state"),
                _text("country", "Country", hint="Two letters, such as DE."),
                _text("email", "E-mail"),
                _text("phone", "Phone"),
                _text("website", "Website"),
                _text("registration", "Registration"),
            ),
            _sheet(
                "Tax",
                _text("taxIds", "Tax numbers", hint="Country and number, such as DE DE136695976; commas between."),
                _text("taxNumber", "National tax number"),
                select_field("taxRounding", "Rounded", ROUNDING, value=state.shown.fields["taxRounding"]),
                rx.el.label(
                    rx.el.input(type="checkbox", name="oneStopShop", default_checked=state.shown.one_stop_shop),
                    rx.el.span("Registered in the One Stop Shop of the EU", class_name="grow"),
                    class_name="choice",
                ),
            ),
            _sheet(
                "Invoices",
                _text("numberPrefix", "Numbers begin with"),
                _text("creditNotePrefix", "Credit notes begin with"),
                _text("numberDigits", "Digits of a number"),
                _text("netDays", "Days until due"),
                _text("graceHours", "Hours a draft waits"),
                select_field("lateUsage", "Late usage goes", LATE, value=state.shown.fields["lateUsage"]),
                _text("language", "Language", hint="Where a customer has none."),
                _text("accentColor", "Colour", hint="Such as #1f4e79."),
                _text("iban", "IBAN"),
                _text("bic", "BIC"),
                _text("footer", "Last line"),
            ),
            rx.cond(
                state.may_sell,
                rx.el.div(rx.el.button("Save", class_name="button primary", type="submit"), class_name="page-actions"),
            ),
            on_submit=state.save,
            class_name="stack",
            key=state.edition.to_string(),
        ),
        _logo(),
        _rates(),
        _kept(),
    )


def _elsewhere() -> rx.Component:
    """What else is set, on pages of its own."""
    base = f"/tenants/{TenantState.head.tenant_id}"

    def go(text: str, about: str, where: str) -> rx.Component:
        return rx.link(
            rx.el.b(text),
            rx.el.span(about, class_name="below"),
            href=f"{base}/{where}",
            class_name="way",
            unstyled=True,
        )

    return rx.el.nav(
        go("Dunning", "when a failed charge is tried again", "dunning"),
        go("People", "who has which role", "people"),
        rx.cond(SettingsState.manages_keys, go("API keys", "what programs may do", "keys")),
        go("Notifications", "webhooks and what people are told", "notifications"),
        rx.cond(TenantState.head.is_test, go("Test clock", "the time that this tenant lives in", "clock")),
        aria_label="Further settings",
        class_name="ways",
    )


def _logo() -> rx.Component:
    state = SettingsState
    action = f"/branding/{TenantState.head.tenant_id}/logo"
    keep = plain_form(
        rx.el.div(
            rx.el.label("A picture: PNG, JPEG or SVG, at most 200 kB", html_for="logo"),
            rx.el.input(
                id="logo", name="logo", type="file", accept="image/png,image/jpeg,image/svg+xml", class_name="input"
            ),
            class_name="field",
        ),
        rx.el.div(rx.el.button("Keep this picture", class_name="button", type="submit"), class_name="page-actions"),
        action=action,
        method="post",
        enc_type="multipart/form-data",
        class_name="stack narrow",
    )
    remove = plain_form(
        rx.el.button("Take it away", name="remove", value="yes", class_name="button", type="submit"),
        action=action,
        method="post",
        enc_type="multipart/form-data",
    )
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Logo"),
            rx.el.span("At the head of invoices and credit notes.", class_name="note"),
            class_name="sheet-head centered",
        ),
        rx.el.div(
            rx.cond(
                state.shown.logo != "",
                rx.image(src=state.shown.logo, alt="The logo as it is", class_name="logo"),
                rx.el.p("None yet.", class_name="small-print"),
            ),
            rx.cond(state.may_sell, rx.fragment(keep, rx.cond(state.shown.logo != "", remove))),
            class_name="sheet-body stack",
        ),
        class_name="sheet",
    )


def _sheet(text: str, *fields: rx.Component) -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2(text), class_name="sheet-head centered"),
        rx.el.div(*fields, class_name="sheet-body fields"),
        class_name="sheet",
    )


def _text(name: str, text: str, *, hint: str = "") -> rx.Component:
    return text_field(name, text, value=SettingsState.shown.fields[name], hint=hint)


def _rates() -> rx.Component:
    state = SettingsState
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Rates of tax"),
            rx.el.span("Of the seller's country; the tenant's own hold first.", class_name="note"),
            class_name="sheet-head centered",
        ),
        rx.cond(
            state.rates.length() > 0,
            table(
                "Rates of tax",
                [heading("Where"), heading("Name"), heading("For"), heading("From"), heading("Rate", num=True)],
                rx.foreach(state.rates, _rate),
            ),
        ),
        rx.cond(
            state.may_sell,
            rx.el.form(
                text_field("rate-country", "Of country", required=True, value=state.shown.fields["country"]),
                text_field("rate-name", "Name", required=True),
                text_field("rate-code", "For", hint="Such as standard or reduced.", value="standard"),
                text_field("rate-percent", "Percent", required=True, numeric=True),
                text_field("rate-effectiveFrom", "From", required=True, hint="A day such as 2026-01-31."),
                rx.el.div(rx.el.button("Add rate", class_name="button", type="submit"), class_name="field"),
                on_submit=state.add_rate,
                class_name="sheet-body fields",
                key=f"rates-{state.edition}",
            ),
        ),
        class_name="sheet",
    )


def _rate(rate: rx.Var[TaxRate]) -> rx.Component:
    return rx.el.tr(
        row_heading(rate.place),
        cell(rate.name, rx.cond(rate.is_own, rx.fragment(" ", rx.el.span("own", class_name="badge"))), kind="under"),
        cell(rx.el.span(rate.code, class_name="mono"), label="For"),
        cell(rate.since, label="From"),
        cell(rate.percent, kind="num main"),
    )


def _kept() -> rx.Component:
    state = SettingsState
    return rx.el.section(
        rx.el.div(
            rx.el.h2("How long records are kept"),
            rx.el.span("What is over its time is removed at night, for good.", class_name="note"),
            class_name="sheet-head centered",
        ),
        table(
            "How long records are kept",
            [heading("Record"), heading("What it is"), heading("Kept for", num=True)],
            rx.foreach(state.kept, _kind),
        ),
        rx.cond(
            state.may_keep,
            rx.el.form(
                rx.foreach(state.kept, _term),
                rx.el.div(rx.el.button("Keep so", class_name="button", type="submit"), class_name="field"),
                on_submit=state.keep,
                class_name="sheet-body fields",
                key=f"kept-{state.edition}",
            ),
        ),
        class_name="sheet",
    )


def _kind(one: rx.Var[Kept]) -> rx.Component:
    return rx.el.tr(
        row_heading(one.name, rx.cond(one.own != "", rx.el.span("own", class_name="badge"))),
        cell(one.what, kind="wide", label="What it is"),
        cell(one.days, kind="num main", label="Kept for"),
    )


def _term(one: rx.Var[Kept]) -> rx.Component:
    return rx.cond(one.field != "", text_field(one.field, one.label, value=one.own, numeric=True))
