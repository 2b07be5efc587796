"""A bill's lines, each with the way its amount was found, and what is to pay."""

from __future__ import annotations

import reflex as rx

from console.bills import Bill, BillLine, Step, Sum


def bill(shown: rx.Var[Bill]) -> rx.Component:
    """Lines that open, then the sums; the total carries a bookkeeper's double rule."""
    return rx.el.div(
        rx.foreach(shown.lines, _line),
        rx.el.dl(
            rx.foreach(shown.sums, lambda one: _sum(one, "bill-sum")),
            _sum(shown.total, "bill-sum total"),
            class_name="bill-sums",
        ),
        class_name="bill",
    )


def _line(line: rx.Var[BillLine]) -> rx.Component:
    head = [
        rx.el.span(line.name, rx.cond(line.about != "", rx.el.span(line.about, class_name="below")), class_name="grow"),
        rx.el.span(line.amount, class_name="money"),
    ]
    opener = rx.icon("chevron-right", size=15, aria_hidden=True, class_name="opener")
    opened = rx.el.details(
        rx.el.summary(opener, *head),
        rx.el.dl(
            rx.foreach(line.steps, _step),
            rx.el.div(
                rx.el.dt(
                    rx.cond(line.part != "", rx.fragment(line.part, " of it, ")),
                    "rounded once, ",
                    line.rounded,
                ),
                rx.el.dd(line.amount),
                class_name="sum",
            ),
            class_name="arithmetic",
        ),
        class_name="bill-line",
    )
    return rx.cond(line.steps.length() > 0, opened, rx.el.div(*head, class_name="bill-line plain"))


def _step(step: rx.Var[Step]) -> rx.Component:
    return rx.el.div(rx.el.dt(step.text), rx.el.dd(step.amount))


def _sum(one: rx.Var[Sum], kind: str) -> rx.Component:
    return rx.el.div(rx.el.dt(one.name), rx.el.dd(one.amount, class_name="money"), class_name=kind)
