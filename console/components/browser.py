"""What Reflex has no element for: a form and a link that the browser itself handles, a ticker, a fresh start."""

from __future__ import annotations

import reflex as rx
from reflex_components_core.el.elements.base import BaseHTML


class PlainForm(BaseHTML):
    """A form the browser itself submits; Reflex's own prevents that."""

    tag = "form"

    action: rx.Var[str]
    method: rx.Var[str]


class Ticker(rx.Component):
    """Calls back every `seconds` while the tab is visible; 0 rests."""

    library = rx.asset("ticker.js").importable_path
    tag = "Ticker"

    seconds: rx.Var[int]
    on_tick: rx.EventHandler[rx.event.no_args_event_spec]


class Reload(rx.Component):
    """Loads the page anew as soon as it is shown."""

    library = rx.asset("reload.js").importable_path
    tag = "Reload"


class PlainLink(BaseHTML):
    """A link the browser itself follows: within the page, so that the keyboard's place moves along."""

    tag = "a"

    href: rx.Var[str]


plain_form = PlainForm.create
plain_link = PlainLink.create
ticker = Ticker.create
fresh_start = Reload.create
