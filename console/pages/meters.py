"""What meters count of a tenant's customers, this month and just now."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx

from console import exporting, metered, rights
from console.client import ApiRefused, Client
from console.components.figure import dated
from console.components.form import select_field, text_field
from console.components.listed import form_dialog, primary
from console.components.notice import blank, command
from console.components.table import cell, export_button, heading, row_heading, table
from console.figures import parse_instant
from console.listing import Addressed
from console.metered import Counted, Event, Meter
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import ViewerState, asking

AGGREGATIONS = [
    ("count", "How many there are"),
    ("sum", "The sum of a property"),
    ("max", "The largest value"),
    ("unique", "How many different values"),
    ("latest", "The latest value"),
]


class MetersState(Addressed, rx.State):
    """The meters, what the chosen one counted, and the last events."""

    shown: list[Meter] = []
    meter: Meter = Meter()
    counted: list[Counted] = []
    newest: list[Event] = []
    may_sell: bool = False
    adding: bool = False
    refused: str = ""
    _key: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch them; the first meter where the address names none."""
        self.read_address()
        head = await enter(self, api)
        self.may_sell = (await self.get_state(ViewerState)).may_sell
        self.shown = await metered.meters(api)
        code = self.chosen.get("meter", "")
        self.meter = next((one for one in self.shown if one.code == code), (self.shown or [Meter()])[0])
        self.counted = await metered.counted(api, self.meter.code) if self.meter.code else []
        self.newest = await metered.newest(api, now=parse_instant(head.clock_iso))

    @rx.event
    def look_at(self, code: str):
        """Another meter."""
        return MetersState.choose("meter", code)

    @rx.event
    def ask(self, is_open: bool):
        """Open or close the form."""
        self.adding, self.refused, self._key = is_open, "", f"console-{uuid4()}"

    @rx.event
    @asking(rights.sell)
    async def add(self, api: Client, form: dict[str, str]):
        """Make a meter, and look at it."""
        try:
            code = await metered.create_meter(api, form, key=self._key)
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        self.adding = False
        return MetersState.choose("meter", code)

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """What the meter counted of each customer, for a spreadsheet."""
        entries = await api.every_own("/billing/usage/customers", meter=self.meter.code)
        name = exporting.filename(f"usage-{self.meter.code}")
        return rx.download(data=exporting.fields_as_csv(metered.COLUMNS, entries), filename=name)


@page(
    "/tenants/[tenant_slug]/meters",
    title=title("Meters"),
    current="meters",
    state=MetersState,
    on_load=MetersState.load,
    bones=bones,
    live=True,
    tenant_name=TenantState.head.name,
)
def meters() -> rx.Component:
    """A meter's customers, and what arrives."""
    state = MetersState
    return rx.fragment(
        tenant_heading(rx.cond(state.may_sell, primary("New meter", state.ask(True)))),
        _dialog(),
        rx.cond(
            state.shown.length() > 0,
            rx.fragment(_counted(), _arrived()),
            rx.el.section(
                blank(
                    "gauge",
                    "No meter yet",
                    rx.fragment("A meter says which events count, and how: ", command("POST /billing/meters"), "."),
                ),
                class_name="sheet",
            ),
        ),
    )


def _dialog() -> rx.Component:
    state = MetersState
    return form_dialog(
        "New meter",
        "It counts the events of one name; those of the last 35 days too, unless they are very many.",
        rx.el.div(
            text_field("name", "Name", required=True),
            text_field("code", "Code", hint="Made of the name when empty; it stays."),
            text_field("eventName", "Name of the events", required=True),
            select_field("aggregation", "Counted by", AGGREGATIONS),
            text_field("property", "Of their property", hint="Such as bytes; not for a count."),
            text_field("where", "Only where the property", hint="Such as region; empty: all events."),
            text_field(
                "values",
                "Is",
                hint='One or more, with commas between: eu, us. A number as text: "1". Empty: any.',
            ),
            text_field("dimensions", "Apart by", hint="Properties with commas between, such as model, region."),
            class_name="fields",
        ),
        submit="Make the meter",
        on_submit=state.add,
        is_open=state.adding,
        on_open=state.ask,
        refused=state.refused,
        refused_title="This meter cannot be made",
        width="640px",
    )


def _counted() -> rx.Component:
    state = MetersState
    chooser = rx.el.select(
        rx.foreach(state.shown, lambda meter: rx.el.option(meter.name, value=meter.code)),
        value=state.meter.code,
        on_change=state.look_at,
        class_name="input compact",
        aria_label="Meter",
    )
    return rx.el.section(
        rx.el.div(
            rx.el.h2("This month by customer"),
            rx.el.div(
                chooser, rx.cond(state.counted.length() > 0, export_button(state.export_csv)), class_name="page-actions"
            ),
            class_name="sheet-head centered",
        ),
        rx.el.p(
            rx.el.code(state.meter.code), " ", state.meter.counts, " of events ", rx.el.code(state.meter.event),
            rx.cond(state.meter.filters.length() > 0, rx.fragment(" where ", state.meter.filters.join(" and "))),
            rx.cond(state.meter.dimensions != "", rx.fragment(", apart by ", state.meter.dimensions)),
            ".",
            class_name="sheet-body small-print",
        ),
        rx.cond(
            state.counted.length() > 0,
            table(
                "Customers, the most first",
                [heading("Customer"), heading("Events", num=True), heading("Quantity", num=True)],
                rx.foreach(state.counted, _row),
            ),
            blank("gauge", "Nothing counted this month", "Events of this month appear here within a second."),
        ),
        class_name="sheet",
    )  # fmt: skip


def _row(row: rx.Var[Counted]) -> rx.Component:
    address = f"/tenants/{TenantState.head.tenant_id}/customers/{row.customer_id}"
    bar = rx.el.div(rx.el.i(style={"width": f"{row.percent}%"}), class_name="bar second", aria_hidden=True)
    return rx.el.tr(
        row_heading(rx.link(row.name, href=address, class_name="row-link", unstyled=True), bar),
        cell(row.events, kind="num", label="Events"),
        cell(row.quantity, kind="num main"),
    )


def _arrived() -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("Just arrived"), class_name="sheet-head centered"),
        rx.cond(
            MetersState.newest.length() > 0,
            table(
                "Events, newest first",
                [heading("Occurred, UTC"), heading("Event"), heading("Properties"), heading("Quantity", num=True)],
                rx.foreach(MetersState.newest, _event),
            ),
            blank("inbox", "No event yet", rx.fragment("They arrive by ", command("POST /billing/usage/events"), ".")),
        ),
        class_name="sheet",
    )


def _event(row: rx.Var[Event]) -> rx.Component:
    return rx.el.tr(
        cell(dated(row.occurred), kind="under"),
        row_heading(
            rx.el.span(row.name, title=f"Event {row.event_id}"),
            rx.cond(row.counts, rx.fragment(), rx.fragment(" ", rx.el.span("corrected", class_name="badge warn"))),
        ),
        cell(row.properties, kind="quiet wide"),
        cell(row.quantity, kind="num main"),
    )
