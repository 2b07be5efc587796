"""What a tenant sells: plans, coupons, products."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import cataloguing, couponing, exporting, rights
from console.cataloguing import PlanRow, ProductRow
from console.client import ApiRefused, Client
from console.components.choice import segments
from console.components.form import select_field, text_field
from console.components.listed import chooser, form_dialog, primary
from console.components.notice import blank
from console.components.table import cell, export_button, heading, row_heading, table, turner
from console.figures import parse_instant
from console.listing import Addressed
from console.pages import catalog_coupons
from console.pages.catalog_coupons import USES, Couponing
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import ViewerState, asking

PLANS, COUPONS, PRODUCTS, ARCHIVED = "", "coupons", "products", "archived"
SORTS = [(cataloguing.SERVICES, "Services"), (cataloguing.GOODS, "Goods")]
SHOWS = [(PLANS, "Plans"), (COUPONS, "Coupons"), (PRODUCTS, "Products"), (ARCHIVED, "Out of sale")]


class CatalogState(Couponing, Addressed, rx.State):
    """One kind of what is sold, as the address says."""

    show: str = PLANS
    plans: list[PlanRow] = []
    products: list[ProductRow] = []
    may_sell: bool = False
    naming: bool = False

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch what the address asks for."""
        self.read_address()
        head = await enter(self, api)
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        self.show = self.chosen.get("show", PLANS)
        if self.show == COUPONS:
            self.use = self.chosen.get("use", "")
            now = parse_instant(head.clock_iso)
            self.coupons = await couponing.coupons(api, archived=self.use == "archived", now=now)
        elif self.show == PRODUCTS:
            self.products = await cataloguing.products(api)
        else:
            found = await cataloguing.plans(api, archived=self.show == ARCHIVED, cursor=self.cursors[-1])
            self.plans, self.next_cursor = found.rows, found.next_cursor

    @rx.event
    def turn_to(self, show: str):
        """Show another kind."""
        self.chosen = {}
        return CatalogState.choose("show", show)

    @rx.event
    def look_at(self, use: str):
        """Coupons in use, or those out of it."""
        return CatalogState.choose("use", use)

    @rx.event
    def ask_product(self, is_open: bool):
        """Open or close the form of a product."""
        self.naming, self.refused, self._key = is_open, "", f"console-{uuid4()}"

    @rx.event
    @asking(rights.sell)
    async def add_product(self, api: Client, form: dict[str, str]):
        """Make a product."""
        try:
            await cataloguing.create_product(api, form, key=self._key)
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        self.naming = False
        return CatalogState.load

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Everything of the kind that is shown, for a spreadsheet."""
        if self.show == COUPONS:
            archived = "true" if self.use else ""
            return await exporting.download(api, couponing.ADDRESS, couponing.COLUMNS, "coupons", archived=archived)
        if self.show == PRODUCTS:
            return await exporting.download(api, "/billing/products", cataloguing.PRODUCT_COLUMNS, "products")
        archived = "true" if self.show == ARCHIVED else ""
        return await exporting.download(api, "/billing/plans", cataloguing.PLAN_COLUMNS, "plans", archived=archived)


@page(
    "/tenants/[tenant_slug]/catalog",
    title=title("Catalog"),
    current="catalog",
    state=CatalogState,
    on_load=CatalogState.load,
    bones=bones,
    tenant_name=TenantState.head.name,
)
def catalog() -> rx.Component:
    """The kinds of what is sold, and one of them."""
    state = CatalogState
    build = rx.link(
        rx.icon("plus", size=16, aria_hidden=True),
        "New plan",
        href=f"/tenants/{TenantState.head.tenant_id}/new-plan",
        class_name="button primary",
        unstyled=True,
    )
    return rx.fragment(
        tenant_heading(
            rx.cond(
                state.may_sell,
                rx.match(
                    state.show,
                    (COUPONS, primary("New coupon", state.ask(True))),
                    (PRODUCTS, primary("New product", state.ask_product(True))),
                    build,
                ),
            )
        ),
        catalog_coupons.dialog(state),
        _dialog(),
        rx.el.section(
            rx.el.div(
                rx.el.h2("Catalog"),
                rx.el.div(
                    rx.cond(state.show == COUPONS, chooser("Coupons", USES, state.use, state.look_at)),
                    segments("Of the catalog", state.show, state.turn_to, SHOWS),
                    export_button(state.export_csv),
                    class_name="page-actions",
                ),
                class_name="sheet-head centered",
            ),
            rx.match(
                state.show,
                (COUPONS, catalog_coupons.listed(state)),
                (PRODUCTS, rx.cond(state.products.length() > 0, _products(), _no_products())),
                rx.cond(state.plans.length() > 0, _plans(), _no_plans()),
            ),
            class_name="sheet",
        ),
    )


def _dialog() -> rx.Component:
    state = CatalogState
    return form_dialog(
        "New product",
        "Plans are grouped by what they sell; coupons may be for some products only.",
        text_field("name", "Name", required=True),
        text_field("code", "Code", hint="Made of the name when empty; it stays."),
        text_field("description", "What it is"),
        select_field("sort", "Sold as", SORTS),
        text_field(
            "taxCode", "Tax code", hint="The rate that it bears, such as books; empty: the standard rate. It stays."
        ),
        submit="Make the product",
        on_submit=state.add_product,
        is_open=state.naming,
        on_open=state.ask_product,
        refused=state.refused,
        refused_title="This product cannot be made",
    )


def _plans() -> rx.Component:
    state = CatalogState
    return rx.fragment(
        table(
            "Plans, by name",
            [
                heading("Plan"),
                heading("Code"),
                heading("Of"),
                heading("Version", num=True),
                heading("Fixed part", num=True),
            ],
            rx.foreach(state.plans, _plan),
        ),
        turner(state.cursors, state.next_cursor, previous=state.previous, following=state.following),
    )


def _plan(row: rx.Var[PlanRow]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/catalog/{row.code}"
    return rx.el.tr(
        row_heading(rx.link(row.name, href=address, class_name="row-link", unstyled=True)),
        cell(rx.el.span(row.code, class_name="mono"), kind="quiet under"),
        cell(_owner(row.is_own), label="Of"),
        cell(row.version, kind="num", label="Version"),
        cell(
            rx.el.span(row.price, class_name="money"),
            rx.el.span(" a ", row.every, class_name="unit"),
            kind="num main",
        ),
    )


def _products() -> rx.Component:
    return table(
        "Products, newest first",
        [heading("Product"), heading("Code"), heading("What it is"), heading("Taxed as"), heading("Of")],
        rx.foreach(CatalogState.products, _product),
    )


def _product(row: rx.Var[ProductRow]) -> rx.Component:
    return rx.el.tr(
        row_heading(row.name),
        cell(rx.el.span(row.code, class_name="mono"), kind="quiet under"),
        cell(row.description, kind="quiet wide"),
        cell(row.taxed, label="Taxed as"),
        cell(_owner(row.is_own), label="Of"),
    )


def _owner(is_own: rx.Var[bool]) -> rx.Component:
    return rx.cond(is_own, rx.el.span("the tenant"), rx.el.span("the installation", class_name="quiet"))


def _no_plans() -> rx.Component:
    return rx.cond(
        CatalogState.show == ARCHIVED,
        blank("archive", "Nothing is out of sale", "Plans that are no longer sold are kept here."),
        blank("tags", "No plan yet", "A plan says what customers pay for, how often, and how much."),
    )


def _no_products() -> rx.Component:
    return blank("package", "No product yet", "Products group the plans they are sold in; plans need none.")
