"""Amounts, instants and the strip of headline figures."""

from __future__ import annotations

import reflex as rx

from console.figures import Moment, Money


def amount(money: rx.Var[Money], *, signed: bool = False) -> rx.Component:
    """An exact amount for a column: significant digits in ink, trailing zeros receding, the currency on hover."""
    tone = rx.cond(signed & (money.sign > 0), "money credit", "money") if signed else "money"
    return rx.el.span(
        rx.cond(signed & (money.sign > 0), "+", "") if signed else "",
        money.digits,
        rx.el.span(money.padding, class_name="padding"),
        rx.el.span(" ", money.currency, class_name="unit"),
        class_name=tone,
        title=money.exact,
    )


def owed(money: rx.Var[Money]) -> rx.Component:
    """A receivable, to the cent: nothing at all where nothing is owed."""
    return rx.cond(
        money.sign > 0,
        rx.el.span(money.short, class_name="money owed", title=money.exact),
        rx.el.span("–", class_name="quiet", aria_label="none"),
    )


def short(money: rx.Var[Money]) -> rx.Component:
    """An amount to the cent, for lists where amounts of all sizes stand beneath each other."""
    return rx.el.span(money.short, class_name="money", title=money.exact)


def brief(money: rx.Var[Money]) -> rx.Component:
    """An amount for a headline, exact on hover; smaller from ten millions on, so that it stays in its box."""
    size = rx.cond(money.brief.length() > len("9,999,999.99 USD"), "money long", "money")
    return rx.el.span(money.brief, class_name=size, title=money.exact)


def instant(moment: rx.Var[Moment], *, otherwise: str = "never") -> rx.Component:
    """When: how long ago in the text, the exact instant on hover and for machines."""
    shown = rx.el.time(moment.relative, date_time=moment.iso, title=moment.absolute, class_name="nowrap")
    return rx.cond(moment.iso != "", shown, rx.el.span(otherwise, class_name="quiet"))


def dated(moment: rx.Var[Moment]) -> rx.Component:
    """When, for a book: the exact instant (its column says UTC), and how long ago."""
    return rx.el.time(
        moment.exact,
        rx.el.span(" UTC", class_name="unit"),
        rx.el.span(moment.relative, class_name="ago"),
        date_time=moment.iso,
        title=moment.absolute,
        class_name="when nowrap",
    )


def figure(name: str, value: rx.Component | rx.Var, note: rx.Component | rx.Var | str = "", *, total: bool = False):
    """One headline figure; the total of a page carries a bookkeeper's double rule."""
    return rx.el.div(
        rx.el.dt(name),
        rx.el.dd(rx.el.span(value, class_name="sum"), class_name="value"),
        rx.el.dd(note, class_name="note") if note is not None else None,
        class_name="figure total" if total else "figure",
    )


def figures(*parts: rx.Component) -> rx.Component:
    """The strip of headline figures at the top of a page."""
    return rx.el.dl(*parts, class_name="sheet figures")
