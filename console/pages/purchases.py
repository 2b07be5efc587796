"""Credits bought by one tenant, and buying more: to Stripe's page and back."""

from __future__ import annotations

import reflex as rx

from console import exporting, paying, rights
from console.client import Client, purchase_key
from console.components.browser import ticker
from console.components.figure import brief, dated
from console.components.notice import blank, notice
from console.components.table import cell, export_button, heading, table, turner
from console.listing import Paged
from console.pages.tenant import TenantState, bones, enter, recall, standing, tenant_heading, title
from console.place import place
from console.rows import Package, Purchase
from console.template import page
from console.viewer import ViewerState, asking

WAITING_SECONDS = 2


class PurchasesState(Paged, rx.State):
    """Purchases, and the one being made."""

    shown: list[Purchase] = []
    packages: list[Package] = []
    chosen: str = ""
    offering: bool = False
    leaving: bool = False
    may_buy: bool = False
    returned: str = ""
    resumed: str = ""
    _key: str = ""

    @rx.var
    def waiting(self) -> bool:
        """Whether somebody came back from paying and the credits are not booked yet."""
        return self.returned == "success" and bool(self.shown) and self.shown[0].status == "pending"

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the purchases, and how one came back from paying."""
        if self.of != api.tenant_id:
            self.cursors, self.resumed = [""], ""
        head = await enter(self, api, standing=True)
        self.returned = self.router.url.query_parameters.get("returned", "")
        self.may_buy = (await self.get_state(ViewerState)).may_buy
        await self._show(api, head.clock_iso)
        if self.returned:
            await enter(self, api, standing=True)  # once more: the balance must not be older than the "paid" beneath it

    async def _show(self, api: Client, now: str) -> None:
        page = await api.purchases(now=now, cursor=self.cursors[-1])
        self.shown, self.next_cursor = page.rows, page.next_cursor

    @rx.event
    @asking(rights.see_tenant)
    async def turn(self, api: Client):
        """Fetch nothing but another page of the purchases."""
        await self._show(api, (await recall(self, api)).clock_iso)

    @rx.event
    @asking(rights.buy)
    async def resume(self, api: Client, purchase_id: str):
        """Go on paying, if the payment provider still lets one; otherwise show how it stands."""
        asked = await api.ask_about_purchase(purchase_id)
        self.resumed = "" if asked.checkout_url else asked.status
        return rx.redirect(asked.checkout_url) if asked.checkout_url else PurchasesState.load

    @rx.event
    @asking(rights.buy)
    async def offer(self, api: Client):
        """Open the choice of packages; from here on one intention, so one key."""
        self.packages = await api.packages()
        self.chosen, self._key = self.packages[0].code if self.packages else "", purchase_key()
        self.offering, self.leaving, self.resumed = True, False, ""

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every purchase, amounts in the currency's smallest unit."""
        return await exporting.download(api, paying.ADDRESS, paying.COLUMNS, "purchases")

    @rx.event
    def choose(self, code: str):
        """Pick a package."""
        self.chosen = code

    @rx.event
    def dismiss(self, is_open: bool):
        """Close the choice."""
        self.offering = is_open

    @rx.event
    def set_out(self):
        """Show that the way to payment has begun, then take it; once, however often it is clicked."""
        if self.leaving or not self.offering:
            return None
        self.leaving = True
        return PurchasesState.pay

    @rx.event
    @asking(rights.buy)
    async def pay(self, api: Client):
        """Begin the purchase and go to pay for it."""
        self.offering = self.leaving = False
        origin = self.router.headers.origin or place().console_url
        return_url = f"{origin}/tenants/{api.tenant_id}/purchases"
        bought = await api.buy(self.chosen, key=self._key, return_url=return_url)
        return rx.redirect(bought.checkout_url)


@page(
    "/tenants/[tenant_slug]/purchases",
    title=title("Purchases"),
    current="purchases",
    state=PurchasesState,
    on_load=PurchasesState.load,
    bones=bones,
    tenant_name=TenantState.head.name,
)
def purchases() -> rx.Component:
    """Standing, the way to more credits, and what was bought so far."""
    state = PurchasesState
    return rx.fragment(
        tenant_heading(rx.cond(state.may_buy, _buy_button("primary"))),
        _came_back(),
        _went_on(),
        standing(),
        rx.el.section(
            rx.el.div(
                rx.el.h2("Purchases"),
                rx.cond(state.shown.length() > 0, export_button(state.export_csv)),
                class_name="sheet-head centered",
            ),
            rx.cond(state.shown.length() > 0, _table(), _nothing()),
            class_name="sheet",
        ),
        _dialog(),
        ticker(seconds=rx.cond(state.waiting, WAITING_SECONDS, 0), on_tick=state.load),
    )


def _buy_button(tone: str) -> rx.Component:
    icon = rx.icon("plus", size=16, aria_hidden=True)
    return rx.el.button(icon, "Buy credits", class_name=f"button {tone}", type="button", on_click=PurchasesState.offer)


def _came_back() -> rx.Component:
    state = PurchasesState
    newest = state.shown[0]
    paid = rx.cond(
        state.shown.length() > 0,
        rx.cond(
            newest.status == "paid",
            notice(
                "good",
                "Paid",
                rx.fragment(newest.credits.brief, " of credits are booked. Your balance below includes them."),
            ),
            notice(
                "",
                "Payment received",
                "Stripe confirms it, then the credits are booked. This takes seconds; the page follows.",
            ),
        ),
    )
    return rx.match(
        state.returned,
        ("success", paid),
        (
            "canceled",
            notice("", "Nothing was bought", "You came back without paying. Begin again whenever you like."),
        ),
        rx.fragment(),
    )


def _went_on() -> rx.Component:
    return rx.match(
        PurchasesState.resumed,
        ("", rx.fragment()),
        ("paid", notice("good", "It is paid already", "The credits are booked, and nothing more is to be paid.")),
        notice("", "The payment page has closed", "Nothing was charged there. Buy the package again to pay for it."),
    )


def _dialog() -> rx.Component:
    state = PurchasesState
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("Buy credits", size="4", margin_bottom="4px"),
            rx.dialog.description(
                "Prepaid credits pay for calls until they are used up.", size="2", margin_bottom="14px"
            ),
            rx.el.fieldset(
                rx.el.legend("Package", class_name="visually-hidden"),
                rx.foreach(state.packages, _choice),
                class_name="choices",
            ),
            rx.el.div(
                rx.dialog.close(rx.el.button("Not now", class_name="button plain", type="button")),
                rx.el.button(
                    rx.cond(state.leaving, "Opening payment …", "Continue to payment"),
                    class_name="button primary",
                    type="button",
                    disabled=state.leaving | (state.chosen == ""),
                    on_click=state.set_out,
                ),
                class_name="dialog-foot",
            ),
            max_width="420px",
        ),
        open=state.offering,
        on_open_change=state.dismiss,
    )


def _choice(package: rx.Var[Package]) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="radio",
            name="package",
            value=package.code,
            checked=PurchasesState.chosen == package.code,
            on_change=PurchasesState.choose(package.code),
        ),
        rx.el.span(
            package.name,
            rx.el.span(
                package.credits.brief,
                " of credits",
                rx.cond(package.bonus != "", rx.fragment(" · ", package.bonus)),
                class_name="below",
            ),
            class_name="grow",
        ),
        rx.el.b(package.price, class_name="money"),
        class_name="choice",
    )


def _table() -> rx.Component:
    state = PurchasesState
    return rx.fragment(
        table(
            "Purchases, newest first",
            [
                heading(rx.cond(TenantState.head.is_test, "When, its clock, UTC", "When, UTC")),
                heading("Package"),
                heading("State"),
                heading("Price", num=True),
                heading("Credits", num=True),
            ],
            rx.foreach(state.shown, _row),
        ),
        turner(state.cursors, state.next_cursor, previous=state.previous, following=state.following),
    )


def _row(row: rx.Var[Purchase]) -> rx.Component:
    is_open = (row.status == "pending") | (row.status == "failed")
    resume = rx.el.button(
        "Continue payment",
        class_name="button small",
        type="button",
        aria_label=f"Continue payment of {row.package}, {row.price}",
        on_click=PurchasesState.resume(row.purchase_id),
    )
    return rx.el.tr(
        cell(dated(row.created), label="When"),
        cell(rx.el.span(row.package, title=f"Purchase {row.purchase_id}"), kind="lead"),
        cell(
            rx.el.span(
                _status(row.status),
                rx.cond(row.note != "", rx.el.span(" ", row.note, class_name="quiet")),
                rx.cond(PurchasesState.may_buy & is_open, rx.fragment(" ", resume)),
            ),
            label="State",
        ),
        cell(row.price, kind="num main"),
        cell(brief(row.credits), kind="num", label="Credits"),
    )


def _status(status: rx.Var[str]) -> rx.Component:
    return rx.match(
        status,
        ("paid", rx.el.span("paid", class_name="badge good")),
        ("pending", rx.el.span("waiting for payment", class_name="badge warn")),
        ("failed", rx.el.span("failed", class_name="badge bad")),
        rx.el.span(status, class_name="badge"),
    )


def _nothing() -> rx.Component:
    return blank(
        "shopping-bag",
        "No credits were bought yet",
        "Calls need credits. The smallest package is enough to begin.",
        rx.cond(PurchasesState.may_buy, _buy_button("")),
    )
