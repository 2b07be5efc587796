"""One tenant: how it stands, and its statement."""

from __future__ import annotations

import reflex as rx

from console import exporting, rights
from console.client import Client
from console.components.figure import amount, brief, dated, figure, figures, instant
from console.components.notice import blank, figure_bones, table_bones
from console.components.table import cell, export_button, heading, pager, table
from console.listing import Paged
from console.rows import Chain, LedgerPage, LedgerRow, TenantHead
from console.template import page
from console.viewer import ViewerState, asking

KINDS = [
    ("", "Everything"),
    ("usage", "Usage"),
    ("purchase", "Credits bought"),
    ("refund", "Refunds"),
    ("refund_reversal", "Refunds returned"),
    ("dispute", "Disputes"),
    ("dispute_reversal", "Disputes won"),
    ("receivable_payment", "Receivables paid"),
    ("adjustment", "Adjustments"),
    ("grant", "Credits granted"),
]

COLUMNS = {
    "When": "occurredAt",
    "What": "kind",
    "About": "description",
    "Currency": "currency",
    "Amount": "amount",
    "Balance": "balanceAfter",
    "Receivable": "receivable",
    "Transaction": "transactionId",
    "Recorded": "recordedAt",
}


class TenantState(rx.State):
    """What stands above every page of one tenant."""

    head: TenantHead = TenantHead()


async def enter(state: rx.State, api: Client, *, standing: bool = False) -> TenantHead:
    """The tenant's head for any of its pages; its clock, asked each time, is the `now` of what the page shows.

    The rest is asked once, or each time where the page shows how the wallet stands: a person has a hundred calls a
    minute for all pages together.
    """
    viewer = await state.get_state(ViewerState)
    names = {membership.tenant_id: membership.name for membership in viewer.memberships}
    tenant = await state.get_state(TenantState)
    if tenant.head.tenant_id != api.tenant_id:
        tenant.head = TenantHead()  # another's name must not stand over a tenant that there may not be
    if standing or not tenant.head.tenant_id:
        tenant.head = await api.tenant_head(names.get(api.tenant_id, ""))
    else:
        tenant.head.clock_iso, tenant.head.clock = await api.tenant_clock()
    return tenant.head


async def recall(state: rx.State, api: Client) -> TenantHead:
    """The head as it is on the page, without asking again; for what only turns or filters what is beneath it."""
    head = (await state.get_state(TenantState)).head
    return head if head.tenant_id == api.tenant_id else await enter(state, api)


class StatementState(Paged, rx.State):
    """One page of the ledger."""

    shown: LedgerPage = LedgerPage()
    chain: Chain = Chain()
    kind: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch the page at hand; another tenant's statement starts at its first page."""
        if self.of != api.tenant_id:
            self.kind, self.cursors = "", [""]
        head = await enter(self, api, standing=True)
        await self._show(api, head)
        self.chain = await api.chain()

    @rx.event
    @asking(rights.see_tenant)
    async def turn(self, api: Client):
        """Fetch nothing but another page of the ledger."""
        await self._show(api, await recall(self, api))

    async def _show(self, api: Client, head: TenantHead) -> None:
        self.shown = await api.ledger(head, kind=self.kind, cursor=self.cursors[-1])
        self.next_cursor = self.shown.next_cursor

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """Every posting of the kind that is shown, amounts in the currency."""
        head = await recall(self, api)
        asked = {"customerId": head.customer_id, "kind": self.kind}
        return await exporting.download(api, "/api/ledger", COLUMNS, "statement", **asked)

    @rx.event
    def choose(self, kind: str):
        """Show one kind of posting."""
        self.kind, self.cursors = kind, [""]
        return StatementState.turn


def title(page_name: str) -> rx.Var:
    """The browser tab's title, led by the tenant's name once it is known."""
    head = TenantState.head
    here = rx.State.router.url.path.startswith(f"/tenants/{head.tenant_id}")
    name = rx.cond(here, head.name, "")
    return rx.cond(name != "", f"{name} · {page_name} · CloudBill", f"{page_name} · CloudBill")


def tenant_heading(*actions: rx.Component) -> rx.Component:
    """Who this is."""
    head = TenantState.head
    return rx.el.header(
        rx.el.div(
            rx.el.h1(head.name, " ", rx.cond(head.is_test, rx.el.span("test", class_name="badge"))),
            rx.el.p(
                rx.el.span(head.tenant_id, class_name="mono"),
                rx.cond(head.owners != "", rx.fragment(" · ", head.owners)),
                rx.cond(head.is_test, rx.fragment(" · its clock: ", rx.el.span(head.clock, class_name="nowrap"))),
                class_name="sub",
            ),
        ),
        rx.el.div(*actions, class_name="page-actions") if actions else None,
        class_name="page-head",
    )


def standing() -> rx.Component:
    """The tenant's wallet in four figures."""
    head = TenantState.head
    owes = rx.cond(head.receivable.sign > 0, "bad", "")
    return figures(
        figure("Available", brief(head.available), "what calls may still cost", total=True),
        figure("Balance", brief(head.balance), "all that is settled"),
        figure("Held", brief(head.held), "reserved for running calls"),
        figure("Receivable", rx.el.span(brief(head.receivable), class_name=owes), "paid by the next top-up"),
    )


def bones() -> rx.Component:
    """Any of the tenant's pages on its way."""
    return rx.fragment(rx.el.header(rx.el.h1("Tenant"), class_name="visually-hidden"), figure_bones(4), table_bones(8))


@page(
    "/tenants/[tenant_slug]",
    title=title("Statement"),
    current="statement",
    state=StatementState,
    on_load=StatementState.load,
    bones=bones,
    tenant_name=TenantState.head.name,
)
def statement() -> rx.Component:
    """Standing and ledger."""
    return rx.fragment(
        tenant_heading(),
        standing(),
        rx.el.section(
            rx.el.div(
                rx.el.h2("Statement"),
                rx.el.div(
                    _kinds(),
                    rx.cond(StatementState.shown.rows.length() > 0, export_button(StatementState.export_csv)),
                    class_name="page-actions",
                ),
                class_name="sheet-head centered",
            ),
            rx.cond(StatementState.shown.rows.length() > 0, _table(), _nothing()),
            _chain(),
            class_name="sheet",
        ),
    )


def _kinds() -> rx.Component:
    return rx.el.div(
        rx.el.label("Show", html_for="kind", class_name="visually-hidden"),
        rx.el.select(
            *(rx.el.option(text, value=key) for key, text in KINDS),
            id="kind",
            value=StatementState.kind,
            on_change=StatementState.choose,
            class_name="input compact",
        ),
    )


def _table() -> rx.Component:
    state = StatementState
    currency = TenantState.head.currency
    return rx.fragment(
        table(
            "Settled postings, newest first",
            [
                heading(rx.cond(TenantState.head.is_test, "When, its clock, UTC", "When, UTC")),
                heading("What"),
                heading("About"),
                heading(f"Amount, {currency}", num=True),
                heading(f"Balance, {currency}", num=True),
            ],
            rx.foreach(state.shown.rows, _row),
        ),
        pager(
            rx.fragment("Newest first, page ", state.cursors.length()),
            previous=state.previous,
            following=state.following,
            first=state.cursors.length() <= 1,
            last=state.shown.next_cursor == "",
        ),
    )


def _row(row: rx.Var[LedgerRow]) -> rx.Component:
    about = f"Transaction {row.transaction_id}, recorded {row.recorded}"
    return rx.el.tr(
        cell(dated(row.occurred), kind="under"),
        cell(rx.el.span(row.kind, title=about), kind="lead nowrap"),
        cell(row.text, kind="quiet wide"),
        cell(amount(row.amount, signed=True), kind="num main"),
        cell(amount(row.balance_after), kind="num side"),
    )


def _nothing() -> rx.Component:
    return rx.cond(
        StatementState.kind != "",
        blank("filter-x", "Nothing of this kind", "Choose another kind of posting to see more."),
        blank("scroll-text", "Nothing was posted yet", "Credits bought and calls settled appear here, newest first."),
    )


def _chain() -> rx.Component:
    chain = StatementState.chain
    sealed = rx.fragment("Sealed in ", chain.blocks, " chained blocks, the last ", instant(chain.sealed), ": ")
    return rx.el.p(
        rx.cond(
            chain.last_hash != "",
            rx.fragment(sealed, rx.el.code(chain.last_hash[:16], title=chain.last_hash)),
            "Nothing is sealed yet; blocks are chained within a minute of a posting.",
        ),
        rx.cond(chain.unsealed > 0, rx.fragment(" · ", chain.unsealed, " to seal")),
        class_name="table-foot",
        style={"display": "block"},
    )
