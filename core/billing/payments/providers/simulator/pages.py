"""The pages a payer sees: Checkout, and the bank's confirmation. Plain HTML, no script, light and dark."""

import secrets
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from core.billing.payments.providers.simulator import checkout
from core.billing.payments.providers.simulator.amounts import show
from core.billing.payments.providers.simulator.cards import CHECKOUT_CARDS
from core.billing.payments.providers.simulator.controls import answer_bank
from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.requests import Api
from core.billing.payments.providers.simulator.store import Json, child

_FRAME = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_MAX_FORM = 10_000


class Pages:
    """GET shows, POST does and redirects."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._store = api.store

    def routes(self) -> list[Route]:
        return [
            Route("/c/pay/{id}", self._show_checkout),
            Route("/c/pay/{id}", self._pay, methods=["POST"]),
            Route("/bank/{id}", self._show_bank),
            Route("/bank/{id}", self._answer_bank, methods=["POST"]),
        ]

    async def _show_checkout(self, request: Request) -> Response:
        session = self._store.find("checkout.session", request.path_params["id"])
        if session is None:
            return _notice(
                "This payment page does not exist", "Ask for a new link where you wanted to pay.", status=404
            )
        if session["status"] != "open":
            return _closed(session)
        title = "Save a card" if session["mode"] == "setup" else f"Pay {_amount(session)}"
        return _page(title, self._form(session))

    async def _pay(self, request: Request) -> Response:
        choice = (await _read_form(request)).get("card", "")
        if choice not in CHECKOUT_CARDS:
            return _notice("Choose one of the cards", "Go back and try again.", status=400)
        simulation = self._api.simulate(request)
        with self._store.transaction():
            session = self._store.find("checkout.session", request.path_params["id"])
            if session is None or session["status"] != "open":
                return RedirectResponse(request.url.path, status_code=303)
            try:
                session = checkout.begin(simulation, session, CHECKOUT_CARDS[choice].name)
            except Refusal as refusal:
                if not refusal.executed:
                    raise
        self._api.sender.wake()
        if session["status"] == "complete":
            return RedirectResponse(checkout.success_url(session), status_code=303)
        intent = self._intent_of(session)
        if intent and intent["status"] == "requires_action":
            return RedirectResponse(intent["next_action"]["redirect_to_url"]["url"], status_code=303)
        # A declined card leaves the page open, with the reason on it.
        return RedirectResponse(request.url.path, status_code=303)

    async def _show_bank(self, request: Request) -> Response:
        intent = self._intent(request)
        if intent is None:
            return _notice("Nothing to confirm here", "This link does not belong to a payment.", status=404)
        if intent["status"] != "requires_action":
            return _notice("Already answered", "There is nothing left to confirm. You may close this page.")
        card = self._store.find("payment_method", intent["payment_method"])
        last4 = card["card"]["last4"] if card else "0000"
        asked = "save this card" if intent["object"] == "setup_intent" else f"pay {_amount(intent)}"
        return _page("Confirm with your bank", _bank_form(asked, last4))

    async def _answer_bank(self, request: Request) -> Response:
        agreed = (await _read_form(request)).get("answer") == "agree"
        simulation = self._api.simulate(request)
        with self._store.transaction():
            intent = self._intent(request)
            if intent is None or intent["status"] != "requires_action":
                return RedirectResponse(str(request.url.path) + "?" + request.url.query, status_code=303)
            return_url = child(intent["next_action"], "redirect_to_url").get("return_url")
            intent = answer_bank(simulation, intent, agreed=agreed)
            session = checkout.find_by_intent(self._store, intent["id"])
            if session is not None:
                session = checkout.finish(simulation, session, intent)
        self._api.sender.wake()
        if session is not None:
            complete = session["status"] == "complete"
            return RedirectResponse(checkout.success_url(session) if complete else session["url"], status_code=303)
        if return_url:
            return RedirectResponse(_with_outcome(return_url, intent, agreed=agreed), status_code=303)
        title = "Payment confirmed" if agreed else "Payment not confirmed"
        return _notice(title, "You may close this page.")

    def _intent(self, request: Request) -> Json | None:
        """The intent of the address, if the address also knows its client secret."""
        intent = self._store.find("payment_intent", request.path_params["id"]) or self._store.find(
            "setup_intent", request.path_params["id"]
        )
        given = request.query_params.get("client_secret", "")
        if intent is None or not secrets.compare_digest(given.encode(), intent["client_secret"].encode()):
            return None
        return intent

    def _intent_of(self, session: Json) -> Json | None:
        """What the page's payment or saving has come to."""
        return self._store.find("payment_intent", session["payment_intent"] or "") or self._store.find(
            "setup_intent", session["setup_intent"] or ""
        )

    def _form(self, session: Json) -> str:
        intent = self._intent_of(session) or {}
        failure = intent.get("last_payment_error") or intent.get("last_setup_error")
        saves = session["mode"] == "setup"
        verb, amount = ("Save", "card") if saves else ("Pay", _amount(session))
        legend = "Save a demo card" if saves else "Pay with a demo card"
        problem = f'<p class="problem" role="alert">{escape(failure["message"])}</p>' if failure else ""
        cards = "".join(
            f'<label class="card"><input type="radio" name="card" value="{choice}"{"" if index else " checked"}>'
            f'<span class="number">{card.number}</span><span class="tag {card.tone}">{card.does}</span></label>'
            for index, (choice, card) in enumerate(CHECKOUT_CARDS.items())
        )
        back = session["cancel_url"]
        cancel = f'<a class="back" href="{escape(back)}">Cancel and go back</a>' if back else ""
        return (
            f'<header><p class="item">{escape(checkout.item_name(self._store, session))}</p>'
            f'<h1 class="amount">{escape(f"{verb} a card" if saves else amount)}</h1></header>{problem}'
            f'<form method="post"><fieldset><legend>{legend}</legend>{cards}</fieldset>'
            f'<button type="submit">{verb} {escape(amount)}</button></form>{cancel}'
        )


def _bank_form(asked: str, last4: str) -> str:
    return (
        f'<header><p class="item">Your bank asks</p><h1>Do you agree to {escape(asked)}?</h1>'
        f'<p class="quiet">With the card ending in {escape(last4)}.</p></header>'
        '<form method="post" class="answers"><button type="submit" name="answer" value="agree">Agree</button>'
        '<button type="submit" name="answer" value="refuse" class="second">Refuse</button></form>'
    )


def _closed(session: Json) -> Response:
    if session["status"] == "complete":
        link = f'<a class="button" href="{escape(checkout.success_url(session))}">Continue</a>'
        return _page("Paid", f'<header><h1>Already paid</h1><p class="quiet">Thank you.</p></header>{link}')
    back = session["cancel_url"]
    link = f'<a class="button" href="{escape(back)}">Go back</a>' if back else ""
    text = "Nothing was charged. Start again where you wanted to pay."
    return _page("Expired", f'<header><h1>This page has expired</h1><p class="quiet">{text}</p></header>{link}')


def _notice(title: str, text: str, *, status: int = 200) -> Response:
    body = f'<header><h1>{escape(title)}</h1><p class="quiet">{escape(text)}</p></header>'
    return _page(title, body, status=status)


def _page(title: str, body: str, *, status: int = 200) -> Response:
    return HTMLResponse(_FRAME.substitute(title=escape(title), body=body), status_code=status, headers=_HEADERS)


def _amount(found: Json) -> str:
    amount = found["amount_total"] if found["object"] == "checkout.session" else found["amount"]
    return show(amount, found["currency"])


def _with_outcome(return_url: str, intent: Json, *, agreed: bool) -> str:
    """The address given at confirmation with what Stripe adds to it."""
    parts = urlsplit(return_url)
    added = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if agreed else "failed",
    }
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *added.items()])
    return urlunsplit(parts._replace(query=query))


async def _read_form(request: Request) -> dict[str, str]:
    body = await request.body()
    return dict(parse_qsl(body[:_MAX_FORM].decode(errors="replace")))
