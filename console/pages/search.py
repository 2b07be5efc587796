"""One field for everything of a tenant: customers, plans, subscriptions, invoices by number, payments."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import reflex as rx

from console import cataloguing, customers, invoicing, paying, rights, subscribing
from console.client import Client
from console.components.form import search_field
from console.components.notice import blank
from console.components.table import cell, heading, row_heading, table
from console.figures import parse_instant
from console.listing import Addressed
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import asking

CUSTOMERS = 5
"""Whose subscriptions, invoices and payments are looked up."""


@dataclass
class Found:
    """Something that was found."""

    kind: str = ""
    name: str = ""
    about: str = ""
    state: str = ""
    amount: str = ""
    href: str = ""


class SearchState(Addressed, rx.State):
    """What was looked for, and what was found."""

    shown: list[Found] = []
    sought: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Look for what the address names."""
        self.read_address()
        now = parse_instant((await enter(self, api)).clock_iso)
        if not self.search:
            self.shown, self.sought = [], ""
            return
        base = f"/tenants/{api.tenant_id}"
        people, numbered, taken, paid, plans = await asyncio.gather(
            customers.customers(api, search=self.search, cursor="", now=now),
            invoicing.invoices(api, number=self.search, now=now),
            subscribing.subscriptions(api, search=self.search, now=now),
            paying.of_invoices(api, search=self.search, now=now),
            cataloguing.every_plan(api),
        )
        found = [
            Found("Customer", one.name, one.email or one.external_id, "", "", f"{base}/customers/{one.customer_id}")
            for one in people.rows
        ]
        found += [
            Found("Plan", one.name, one.code, "", f"{one.price} a {one.every}", f"{base}/catalog/{one.code}")
            for one in plans
            if self.search.lower() in f"{one.name} {one.code}".lower()
        ]
        found += [
            Found(
                "Subscription", row.plan, row.customer, row.status.replace("_", " "), f"{row.price} a {row.every}",
                f"{base}/subscriptions/{row.subscription_id}",
            )
            for row in taken.rows
        ]  # fmt: skip
        found += [
            Found(
                "Payment", f"{row.means}, {row.number}", row.customer, row.status, row.amount,
                f"{base}/invoices/{row.invoice_id}",
            )
            for row in paid.rows
        ]  # fmt: skip
        seen = {one.invoice_id for one in numbered.rows}
        found += [_invoice(one, base) for one in numbered.rows]
        for one in people.rows[:CUSTOMERS]:
            billed, bought = await asyncio.gather(
                invoicing.invoices(api, customer_id=one.customer_id, now=now),
                paying.payments(api, customer_id=one.customer_id, now=now),
            )
            found += [_invoice(row, base) for row in billed.rows if row.invoice_id not in seen]
            found += [
                Found(
                    "Purchase", row.what, row.customer, row.status, row.amount,
                    f"{base}/payments?show=credits&payment={row.purchase_id}",
                )
                for row in bought.rows
            ]  # fmt: skip
        self.shown, self.sought = found, self.search


def _invoice(row: invoicing.InvoiceRow, base: str) -> Found:
    return Found("Invoice", row.number, row.customer, row.status, row.total, f"{base}/invoices/{row.invoice_id}")


@page(
    "/tenants/[tenant_slug]/search",
    title=title("Search"),
    current="search",
    state=SearchState,
    on_load=SearchState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def search() -> rx.Component:
    """The field, and what it finds."""
    state = SearchState
    return rx.fragment(
        tenant_heading(search_field("Find anything", "Customer, plan, invoice number, reference", state)),
        rx.el.section(
            rx.el.div(rx.el.h2("Found"), class_name="sheet-head centered"),
            rx.cond(
                state.shown.length() > 0,
                table(
                    "What was found",
                    [heading("What"), heading("Kind"), heading("Of"), heading("State"), heading("Amount", num=True)],
                    rx.foreach(state.shown, _row),
                ),
                rx.cond(
                    state.sought != "",
                    blank(
                        "search-x",
                        rx.fragment("Nothing was found for “", state.sought, "”"),
                        "Names, e-mail addresses and ids of customers are searched, plans, numbers of invoices, "
                        "and references of payments.",
                    ),
                    blank(
                        "search",
                        "What are you looking for?",
                        "A customer's name brings its subscriptions, invoices and payments along.",
                    ),
                ),
            ),
            class_name="sheet",
        ),
    )


def _row(one: rx.Var[Found]) -> rx.Component:
    return rx.el.tr(
        row_heading(rx.link(one.name, href=one.href, class_name="row-link", unstyled=True)),
        cell(one.kind, label="Kind"),
        cell(one.about, kind="under"),
        cell(rx.cond(one.state != "", rx.el.span(one.state, class_name="badge")), label="State"),
        cell(rx.el.span(one.amount, class_name="money"), kind="num main"),
    )
