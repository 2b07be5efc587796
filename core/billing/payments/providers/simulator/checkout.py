"""Checkout Sessions: a hosted page that makes the payment. docs.stripe.com/payments/checkout/how-checkout-works"""

from typing import Any
from urllib.parse import urlsplit

from core.billing.payments.providers.simulator import objects, payments, setups
from core.billing.payments.providers.simulator.amounts import check_amount
from core.billing.payments.providers.simulator.checkout_object import checkout_session
from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.parameters import one_of
from core.billing.payments.providers.simulator.simulation import Simulation, merge_metadata
from core.billing.payments.providers.simulator.store import Json, Store, child

_LONGEST = 24 * 3600
_SHORTEST = 30 * 60


def create(simulation: Simulation, given: dict[str, Any]) -> Json:
    one_of(given["mode"], ("payment", "setup"), "mode")
    one_of(given.get("ui_mode"), ("hosted_page",), "ui_mode")
    for name in ("success_url", "cancel_url"):
        _check_url(given.get(name), name)
    saves = given["mode"] == "setup"
    if saves:
        currency, total, name = _to_save(given)
    else:
        if "line_items" not in given:
            raise Refusal("Missing required param: line_items.", code="parameter_missing", param="line_items")
        currency, total, name = _sum_up(given["line_items"])
        check_amount(total, currency, param="line_items")
    session = checkout_session(
        objects.new_id("cs_test", 58),
        amount=total,
        currency=currency,
        expires_at=_expiry(given.get("expires_at"), simulation.now),
        now=simulation.now,
    )
    session |= {
        "metadata": merge_metadata({}, given.get("metadata") or {}),
        "url": f"{simulation.public_url}/c/pay/{session['id']}",
        **{
            field: given[field]
            for field in ("success_url", "cancel_url", "client_reference_id", "customer_email", "locale", "submit_type")
            if field in given
        },
    }
    if "customer" in given:
        session["customer"] = simulation.get("customer", given["customer"], param="customer")["id"]
    if "allowed_payment_method_types" in given:
        session["allowed_payment_method_types"] = given["allowed_payment_method_types"]
    if saves:
        asked = {"customer": given["customer"], **child(given, "setup_intent_data")}
        session |= {
            "mode": "setup",
            "amount_subtotal": None,
            "amount_total": None,
            "payment_status": "no_payment_required",
            "setup_intent": setups.create(simulation, asked)["id"],
        }
    # What Stripe's object does not show, but the page and the payment need.
    hidden = {"name": name, "intent": child(given, "payment_intent_data")}
    simulation.store.write_control(f"checkout {session['id']}", hidden)
    return simulation.save(session)


def expire(simulation: Simulation, identifier: str) -> Json:
    session = simulation.get("checkout.session", identifier)
    if session["status"] != "open":
        raise Refusal(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"{session['status']}.",
            executed=True,
        )
    return _close(simulation, session)


def expire_overdue(simulation: Simulation) -> None:
    """Closes every session whose time is over."""
    for session in simulation.store.select(
        "checkout.session",
        where="json_extract(body, '$.status') = 'open' AND json_extract(body, '$.expires_at') <= ?",
        values=(simulation.now,),
    ):
        _close(simulation, session)


def begin(simulation: Simulation, session: Json, card: str) -> Json:
    """The payer chose a card on the page: makes or reuses the intent and tries it. Raises Refusal as a decline."""
    if session["status"] != "open":
        raise Refusal("This Checkout Session is no longer open.", executed=True)
    if session["mode"] == "setup":
        setup = setups.confirm(
            simulation, session["setup_intent"], {"payment_method": card, "return_url": session["url"]}
        )
        return finish(simulation, session, setup)
    intent = _intent(simulation, session)
    intent["payment_method"] = payments.use_card(simulation, card)["id"]
    # The bank's page leads back to this session's own address, which then finishes it.
    intent = payments.attempt(simulation, intent, return_url=session["url"], unattended=False)
    return finish(simulation, session, intent)


def finish(simulation: Simulation, session: Json, intent: Json) -> Json:
    """Completes the session where its payment has succeeded."""
    if intent["status"] != "succeeded" or session["status"] != "open":
        return session
    session = session | {
        "status": "complete",
        **({"payment_status": "paid", "payment_intent": intent["id"]} if session["mode"] == "payment" else {}),
        "url": None,
        "customer_details": {
            "address": None,
            "business_name": None,
            "email": session["customer_email"] or "demo@example.com",
            "individual_name": None,
            "name": None,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
    }
    simulation.save(session)
    simulation.emit("checkout.session.completed", session)
    return session


def find_by_intent(store: Store, intent_id: str) -> Json | None:
    is_setup = intent_id.startswith("seti_")
    where = "json_extract(body, '$.setup_intent') = ?" if is_setup else "payment_intent = ?"
    found = store.select("checkout.session", where=where, values=(intent_id,), limit=1)
    return found[0] if found else None


def item_name(store: Store, session: Json) -> str:
    """What is bought, as the page shows it."""
    return str(_hidden(store, session)["name"])


def success_url(session: Json) -> str:
    """Where the payer goes; Stripe fills in the session's id where the address asks for it."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _hidden(store: Store, session: Json) -> Json:
    return store.read_control(f"checkout {session['id']}") or {"name": "Payment", "intent": {}}


def _intent(simulation: Simulation, session: Json) -> Json:
    if session["payment_intent"] is not None:
        return simulation.get("payment_intent", session["payment_intent"])
    intent = payments.create(
        simulation,
        {
            "amount": session["amount_total"],
            "currency": session["currency"],
            "allowed_payment_method_types": ["card"],
            **({"customer": session["customer"]} if session["customer"] else {}),
            **_hidden(simulation.store, session)["intent"],
        },
    )
    session["payment_intent"] = intent["id"]
    simulation.save(session)
    return intent


def _close(simulation: Simulation, session: Json) -> Json:
    session |= {"status": "expired", "url": None}
    simulation.save(session)
    if session["payment_intent"] is not None:
        intent = simulation.get("payment_intent", session["payment_intent"])
        if intent["status"].startswith("requires_"):
            payments.close(simulation, intent, reason="automatic")
    if session["setup_intent"] is not None:
        setups.cancel(simulation, session["setup_intent"], {})
    simulation.emit("checkout.session.expired", session)
    return session


def _to_save(given: dict[str, Any]) -> tuple[str, int, str]:
    """Currency, nothing to pay and a name of a page that only saves a card."""
    for name in ("customer", "currency"):
        if name not in given:
            raise Refusal(f"Missing required param: {name}.", code="parameter_missing", param=name)
    if "line_items" in given:
        raise Refusal("You can not pass `line_items` in `setup` mode.", param="line_items")
    return given["currency"].lower(), 0, "Save a card for later"


def _sum_up(items: list[dict[str, Any]]) -> tuple[str, int, str]:
    """Currency, total and a name of the lines."""
    currencies: set[str] = set()
    total = 0
    names: list[str] = []
    for index, item in enumerate(items):
        where = f"line_items[{index}]"
        price = child(item, "price_data")
        name = child(price, "product_data").get("name")
        for value, path in (
            (item.get("quantity"), "[quantity]"),
            (price.get("currency"), "[price_data][currency]"),
            (price.get("unit_amount"), "[price_data][unit_amount]"),
            (name, "[price_data][product_data][name]"),
        ):
            if value is None:
                raise Refusal(
                    f"Missing required param: {where}{path}.", code="parameter_missing", param=f"{where}{path}"
                )
        for value, least, path in (
            (item["quantity"], 1, "[quantity]"),
            (price["unit_amount"], 0, "[price_data][unit_amount]"),
        ):
            if value < least:
                raise Refusal(
                    f"This value must be greater than or equal to {least}.",
                    code="parameter_invalid_integer",
                    param=f"{where}{path}",
                )
        currencies.add(price["currency"].lower())
        total += price["unit_amount"] * item["quantity"]
        names.append(str(name) if item["quantity"] == 1 else f"{item['quantity']} x {name}")
    if len(currencies) != 1:
        raise Refusal("All line items must have one currency.", param="line_items")
    return currencies.pop(), total, ", ".join(names)


def _expiry(asked: int | None, now: int) -> int:
    if asked is None:
        return now + _LONGEST
    if not now + _SHORTEST <= asked + 60 or asked > now + _LONGEST + 60:
        raise Refusal(
            "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session "
            "creation.",
            param="expires_at",
        )
    return asked


def _check_url(url: str | None, param: str) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Refusal("Not a valid URL", code="url_invalid", param=param)
