"""What Reflex has no element for: forms and links of browsers, a ticker, a fresh start, the way back, words typed."""

from __future__ import annotations

import reflex as rx
from reflex_components_core.el.elements.base import BaseHTML


class PlainForm(BaseHTML):
    """A form the browser itself submits; Reflex's own prevents that."""

    tag = "form"

    action: rx.Var[str]
    method: rx.Var[str]
    enc_type: rx.Var[str]


class Ticker(rx.Component):
    """Calls back every `seconds` while the tab is visible; 0 rests."""

    library = rx.asset("ticker.js").importable_path
    tag = "Ticker"

    seconds: rx.Var[int]
    on_tick: rx.EventHandler[rx.event.no_args_event_spec]


class Reload(rx.Component):
    """Loads the page anew as soon as it is shown; what stands in its forms is kept for the same person."""

    library = rx.asset("reload.js").importable_path
    tag = "Reload"

    email: rx.Var[str]


class Typed(rx.Component):
    """Puts back what somebody had typed when their sign-in ran out."""

    library = rx.asset("typed.js").importable_path
    tag = "Typed"

    email: rx.Var[str]


class ReturnFocus(rx.Component):
    """Puts the keyboard back to where it was when a dialog closes."""

    library = rx.asset("focus.js").importable_path
    tag = "ReturnFocus"


class PlainLink(BaseHTML):
    """A link the browser itself follows: within the page, so that the keyboard's place moves along."""

    tag = "a"

    href: rx.Var[str]


plain_form = PlainForm.create
plain_link = PlainLink.create
ticker = Ticker.create
fresh_start = Reload.create
return_focus = ReturnFocus.create
typed = Typed.create
