"""The coupons of the catalog: their list, the form of a new one, out of use and back."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import reflex as rx

from console import couponing, rights
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.form import instant_field, select_field, text_field
from console.components.listed import form_dialog
from console.components.notice import blank
from console.components.table import cell, heading, row_heading, table, unseen
from console.couponing import CouponRow
from console.viewer import PageState, asking

DURATIONS = [("once", "One invoice"), ("repeating", "Several periods"), ("forever", "Ever")]
USES = [("", "In use"), ("archived", "Out of use")]


class Couponing(PageState, mixin=True):
    """The coupons, and the one that is being made. Its page has an event `load`."""

    coupons: list[CouponRow] = []
    use: str = ""
    adding: bool = False
    refused: str = ""
    _key: str = ""

    @rx.event
    def ask(self, is_open: bool):
        """Open or close the form."""
        self.adding, self.refused, self._key = is_open, "", f"console-{uuid4()}"

    @rx.event
    @asking(rights.sell)
    async def add(self, api: Client, form: dict[str, str]):
        """Make a coupon."""
        try:
            await couponing.create_coupon(api, form, key=self._key)
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        self.adding = False
        return type(self).load

    @rx.event
    @asking(rights.sell)
    async def put_away(self, api: Client, code: str):
        """Out of use, or back where it is out of it."""
        await couponing.archive_coupon(api, code, archived=self.use != "archived")
        return type(self).load


def dialog(state: Any) -> rx.Component:
    """The form."""
    return form_dialog(
        "New coupon",
        "It takes off a percentage or an amount.",
        rx.el.div(
            text_field("name", "Name", required=True),
            text_field("code", "Code", required=True, hint="What customers redeem: small letters, digits, hyphens."),
            text_field("percent", "Percent off", numeric=True),
            text_field("amount", "Or an amount off", hint="With its currency, such as 5.00 USD."),
            select_field("duration", "For", DURATIONS),
            text_field("periods", "Periods", numeric=True, hint="Only where it is for several."),
            instant_field("redeemBy", "Redeemed until (UTC)", hint="Empty: without end."),
            text_field("maxRedemptions", "At most redeemed", numeric=True, hint="Empty: without end."),
            text_field("plans", "Only for plans", hint="Their codes, with spaces between; empty: for all."),
            class_name="fields",
        ),
        submit="Make the coupon",
        on_submit=state.add,
        is_open=state.adding,
        on_open=state.ask,
        refused=state.refused,
        refused_title="This coupon cannot be made",
        width="640px",
    )


def listed(state: Any) -> rx.Component:
    """The list, or why it is empty."""
    headings = [
        heading("Coupon"),
        heading("Name"),
        heading("For"),
        heading("Until"),
        heading("Redeemed", num=True),
        heading("Takes off", num=True),
        unseen("Deeds"),
    ]
    rows = rx.foreach(state.coupons, lambda row: _row(row, state))
    return rx.cond(
        state.coupons.length() > 0,
        table("Coupons, newest first", headings, rows),
        rx.cond(
            state.use == "archived",
            blank("archive", "Nothing is out of use", "Coupons that nobody new can redeem are kept here."),
            blank("ticket-percent", "No coupon yet", "A coupon takes a percentage or an amount off."),
        ),
    )


def _row(row: rx.Var[CouponRow], state: Any) -> rx.Component:
    away = rx.el.button(
        rx.cond(state.use == "archived", "Put back", "Take out of use"),
        class_name="button small",
        type="button",
        on_click=state.put_away(row.code),
        aria_label=rx.cond(state.use == "archived", f"Put {row.code} back in use", f"Take {row.code} out of use"),
    )
    return rx.el.tr(
        row_heading(rx.el.span(row.code, class_name="mono")),
        cell(row.name, kind="quiet under"),
        cell(row.lasts, label="For"),
        cell(instant(row.until, otherwise="no end"), label="Until"),
        cell(row.redeemed, kind="num", label="Redeemed"),
        cell(rx.el.span(row.takes, class_name="money"), kind="num main"),
        cell(rx.cond(state.may_sell, away), kind="num action"),
    )
