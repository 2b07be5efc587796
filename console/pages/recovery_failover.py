"""Of the Disaster recovery page: what a failover would do now, what is missing, and how it is done."""

from __future__ import annotations

from typing import Any

import reflex as rx

from console.components.figure import instant
from console.components.notice import blank, notice
from console.components.runbook import runbook_button
from console.failing_over import Check, Failover
from console.recovering import Command


def failover(state: Any) -> rx.Component:
    """The plan as the worker made it, and the commands."""
    return rx.fragment(_plan(state.shown.plan, state), _commands(state.shown.failover))


def tone(text: rx.Var[str], kind: rx.Var[str], *, class_name: str = "state") -> rx.Component:
    """A word in the colour of what it means."""
    return rx.match(
        kind,
        ("good", rx.el.span(text, class_name=f"{class_name} good")),
        ("warn", rx.el.span(text, class_name=f"{class_name} warn")),
        ("bad", rx.el.span(text, class_name=f"{class_name} bad")),
        rx.el.span(text, class_name=class_name),
    )


def _plan(plan: rx.Var[Failover], state: Any) -> rx.Component:
    def check(one: rx.Var[Check]) -> rx.Component:
        return rx.el.li(
            tone(one.state, one.tone),
            rx.el.b(one.name),
            rx.el.p(one.says, rx.cond(one.do != "", rx.el.span(one.do, class_name="do"))),
        )

    return rx.el.section(
        rx.el.div(
            rx.el.h2("If it failed over now"),
            rx.cond(
                plan.known,
                rx.el.span("looked at ", instant(plan.seen), "; nothing was changed", class_name="note"),
            ),
            runbook_button("failover", state.read),
            class_name="sheet-head centered",
        ),
        rx.cond(
            plan.known,
            rx.fragment(
                rx.cond(plan.error != "", notice("warn", "Not seen since", plan.error)),
                rx.el.dl(
                    rx.el.div(rx.el.dt("Whether"), rx.el.dd(tone(plan.state, plan.tone, class_name="badge"))),
                    rx.el.div(rx.el.dt("From, to"), rx.el.dd(plan.who)),
                    rx.el.div(rx.el.dt("Would be lost"), rx.el.dd(plan.loss)),
                    class_name="inputs plan sheet-body",
                ),
                rx.el.ul(rx.foreach(plan.checks, check), class_name="readiness", aria_label="Checks of the plan"),
                rx.el.div(
                    rx.el.ol(rx.foreach(plan.steps, lambda one: rx.el.li(one)), class_name="plan-steps"),
                    class_name="sheet-body",
                ),
            ),
            blank(
                "git-fork",
                "No plan was made yet",
                "The worker makes one with each look, where standbys can be seen from it.",
            ),
        ),
        class_name="sheet",
        aria_label="Failover plan",
    )


def _commands(commands: rx.Var[list[Command]]) -> rx.Component:
    def line(one: rx.Var[Command]) -> rx.Component:
        return rx.el.div(rx.el.dt(rx.el.code(one.line)), rx.el.dd(one.does))

    return rx.el.section(
        rx.el.div(rx.el.h2("When it has to be done"), class_name="sheet-head"),
        rx.cond(
            commands.length() > 0,
            rx.el.div(
                rx.el.p(
                    "On the server, by somebody who looks on: nothing of it is started from here.", class_name="hint"
                ),
                rx.el.dl(rx.foreach(commands, line), class_name="inputs commands"),
                class_name="sheet-body stack",
            ),
            blank("terminal", "Nothing is known of it", "docs/recovery.md has the commands."),
        ),
        class_name="sheet",
    )
