"""Which address is which call."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.billing.payments.providers.simulator import (
    accounts,
    balance,
    checkout,
    clocks,
    disputes,
    endpoints,
    methods,
    objects,
    payments,
    refunds,
    setups,
    shapes,
)
from core.billing.payments.providers.simulator.errors import Refusal, missing, unknown_address
from core.billing.payments.providers.simulator.parameters import Shape
from core.billing.payments.providers.simulator.simulation import Simulation
from core.billing.payments.providers.simulator.store import Json

Run = Callable[[Simulation, dict[str, Any], str], Json]

_PUBLIC_FIELDS = (
    "id", "object", "amount", "amount_details", "automatic_payment_methods", "canceled_at", "cancellation_reason",
    "capture_method", "client_secret", "confirmation_method", "created", "currency", "description",
    "last_payment_error", "livemode", "next_action", "payment_method", "payment_method_types", "processing",
    "receipt_email", "setup_future_usage", "shipping", "source", "status",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Call:
    """One endpoint: what it takes, what it does, and whether a publishable key may call it with a client secret."""

    shape: Shape
    run: Run
    required: tuple[str, ...] = ()
    publishable: bool = False


def find_call(method: str, path: str) -> tuple[Call, str]:
    """The call and the id in its path ("" where there is none)."""
    for known_method, pattern, call in _ROUTES:
        found = pattern.fullmatch(path)
        if found and known_method == method:
            return call, found.groupdict().get("id") or ""
    raise unknown_address(method, path)


def check_client_secret(simulation: Simulation, given: dict[str, Any], identifier: str, *, publishable: bool) -> None:
    """A publishable key proves itself by the intent's client secret; a secret key may give it, and then rightly."""
    given_secret = given.pop("client_secret", None)
    if given_secret is None and not publishable:
        return
    if given_secret is None:
        raise Refusal("Missing required param: client_secret.", code="parameter_missing", param="client_secret")
    kind = "setup_intent" if identifier.startswith("seti_") else "payment_intent"
    intent = simulation.get(kind, identifier)
    if given_secret != intent["client_secret"]:
        raise missing(kind, identifier)


def public_view(intent: Json) -> Json:
    """What a publishable key sees of an intent."""
    return {name: intent[name] for name in _PUBLIC_FIELDS if name in intent}


def _get(kind: str) -> Run:
    return lambda simulation, given, identifier: simulation.get(kind, identifier)


def _list(kind: str, url: str, **filters: str) -> Run:
    """Newest first. `filters`: parameter to the path of the field that it must equal."""

    def run(simulation: Simulation, given: dict[str, Any], identifier: str) -> Json:
        limit = given.get("limit", 10)
        if not 1 <= limit <= 100:
            raise Refusal("This value must be between 1 and 100.", code="parameter_invalid_integer", param="limit")
        where, values = ["1"], list[Any]()
        for name, field in filters.items():
            if name in given:
                where.append(f"json_extract(body, '$.{field}') = ?")
                values.append(given[name])
        for word, sign in (("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")):
            if word in given.get("created", {}):
                where.append(f"created {sign} ?")
                values.append(given["created"][word])
        if "payout" in given:
            where.append("id IN (SELECT substr(name, 8) FROM controls WHERE name LIKE 'payout %' AND value = ?)")
            values.append(f'"{given["payout"]}"')
        if "types" in given:
            where.append(f"json_extract(body, '$.type') IN ({','.join('?' * len(given['types']))})")
            values += given["types"]
        newest = "ending_before" not in given
        for name, sign in (("starting_after", "<"), ("ending_before", ">")):
            if name in given:
                sequence = simulation.store.sequence(given[name])
                if sequence is None:
                    raise missing(kind, given[name], param=name)
                where.append(f"sequence {sign} ?")
                values.append(sequence)
        found = simulation.store.select(
            kind, where=" AND ".join(where), values=tuple(values), limit=limit + 1, newest=newest
        )
        page = found[:limit] if newest else found[:limit][::-1]
        return objects.page(page, url=url, has_more=len(found) > limit)

    return run


def _route(method: str, path: str, call: Call) -> tuple[str, re.Pattern[str], Call]:
    return method, re.compile(path.replace("{id}", r"(?P<id>[A-Za-z0-9_]{1,255})")), call


def _plain(kind: str, url: str, *, shape: Shape = shapes.LIST_PLAIN, **filters: str) -> list[Any]:
    """Reading: one by id, and the list."""
    return [
        _route("GET", url, Call(shape=shape, run=_list(kind, url, **filters))),
        _route("GET", url + "/{id}", Call(shape=shapes.NOTHING, run=_get(kind))),
    ]


_INTENTS = "/v1/payment_intents"
_CHECKOUTS = "/v1/checkout/sessions"
_METHODS = "/v1/payment_methods"
_SETUPS = "/v1/setup_intents"
_CLOCKS = "/v1/test_helpers/test_clocks"
_OF_PAYMENT = {"charge": "charge", "payment_intent": "payment_intent"}

_ROUTES: list[tuple[str, re.Pattern[str], Call]] = [
    _route(
        "POST",
        _INTENTS,
        Call(
            shape=shapes.CREATE_INTENT,
            run=lambda s, given, _: payments.create(s, given),
            required=("amount", "currency"),
        ),
    ),
    _route(
        "GET",
        _INTENTS + "/{id}",
        Call(shape=shapes.RETRIEVE_INTENT, run=_get("payment_intent"), publishable=True),
    ),
    _route(
        "POST",
        _INTENTS + "/{id}",
        Call(shape=shapes.UPDATE_INTENT, run=lambda s, given, id_: payments.update(s, id_, given)),
    ),
    _route(
        "POST",
        _INTENTS + "/{id}/confirm",
        Call(
            shape=shapes.CONFIRM_INTENT,
            run=lambda s, given, id_: payments.confirm(s, id_, given),
            publishable=True,
        ),
    ),
    _route(
        "POST",
        _INTENTS + "/{id}/cancel",
        Call(shape=shapes.CANCEL_INTENT, run=lambda s, given, id_: payments.cancel(s, id_, given)),
    ),
    *_plain("payment_intent", _INTENTS, shape=shapes.LIST_INTENTS, customer="customer"),
    _route(
        "POST",
        _CHECKOUTS,
        Call(
            shape=shapes.CREATE_CHECKOUT,
            run=lambda s, given, _: checkout.create(s, given),
            required=("mode", "success_url"),
        ),
    ),
    _route(
        "POST",
        _CHECKOUTS + "/{id}/expire",
        Call(shape=shapes.NOTHING, run=lambda s, given, id_: checkout.expire(s, id_)),
    ),
    *_plain(
        "checkout.session",
        _CHECKOUTS,
        shape=shapes.LIST_CHECKOUTS,
        payment_intent="payment_intent",
        status="status",
    ),
    _route("POST", "/v1/refunds", Call(shape=shapes.CREATE_REFUND, run=lambda s, given, _: refunds.create(s, given))),
    _route(
        "POST",
        "/v1/refunds/{id}",
        Call(shape=shapes.UPDATE_METADATA, run=lambda s, given, id_: refunds.update(s, id_, given)),
    ),
    *_plain("refund", "/v1/refunds", shape=shapes.OF_PAYMENT, **_OF_PAYMENT),
    *_plain("charge", "/v1/charges", shape=shapes.LIST_CHARGES, customer="customer", payment_intent="payment_intent"),
    _route(
        "POST",
        "/v1/disputes/{id}",
        Call(shape=shapes.UPDATE_DISPUTE, run=lambda s, given, id_: disputes.update(s, id_, given)),
    ),
    _route(
        "POST",
        "/v1/disputes/{id}/close",
        Call(shape=shapes.NOTHING, run=lambda s, given, id_: disputes.close_dispute(s, id_, status="lost")),
    ),
    *_plain("dispute", "/v1/disputes", shape=shapes.OF_PAYMENT, **_OF_PAYMENT),
    *_plain("event", "/v1/events", shape=shapes.LIST_EVENTS, type="type"),
    _route(
        "POST",
        "/v1/customers",
        Call(shape=shapes.CREATE_CUSTOMER, run=lambda s, given, _: accounts.create_customer(s, given)),
    ),
    *_plain("customer", "/v1/customers", email="email"),
    _route(
        "GET",
        _METHODS,
        Call(shape=shapes.LIST_METHODS, run=_list("payment_method", _METHODS, customer="customer", type="type")),
    ),
    _route(
        "GET",
        _METHODS + "/{id}",
        Call(shape=shapes.NOTHING, run=lambda s, given, id_: accounts.payment_method(s, id_)),
    ),
    _route(
        "POST",
        _METHODS + "/{id}/attach",
        Call(
            shape=shapes.ATTACH,
            run=lambda s, given, id_: methods.attach(s, payments.use_card(s, id_), given),
            required=("customer",),
        ),
    ),
    _route(
        "POST",
        _METHODS + "/{id}/detach",
        Call(shape=shapes.NOTHING, run=lambda s, given, id_: methods.detach(s, id_)),
    ),
    _route("POST", _SETUPS, Call(shape=shapes.CREATE_SETUP, run=lambda s, given, _: setups.create(s, given))),
    _route(
        "GET",
        _SETUPS + "/{id}",
        Call(shape=shapes.RETRIEVE_INTENT, run=_get("setup_intent"), publishable=True),
    ),
    _route(
        "POST",
        _SETUPS + "/{id}/confirm",
        Call(
            shape=shapes.CONFIRM_SETUP,
            run=lambda s, given, id_: setups.confirm(s, id_, given),
            publishable=True,
        ),
    ),
    _route(
        "POST",
        _SETUPS + "/{id}/cancel",
        Call(shape=shapes.CANCEL_INTENT, run=lambda s, given, id_: setups.cancel(s, id_, given)),
    ),
    _route(
        "POST",
        _CLOCKS,
        Call(shape=shapes.CREATE_CLOCK, run=lambda s, given, _: clocks.create(s, given), required=("frozen_time",)),
    ),
    _route(
        "POST",
        _CLOCKS + "/{id}/advance",
        Call(
            shape=shapes.ADVANCE_CLOCK,
            run=lambda s, given, id_: clocks.advance(s, id_, given),
            required=("frozen_time",),
        ),
    ),
    *_plain(clocks.KIND, _CLOCKS),
    *_plain(
        "balance_transaction",
        "/v1/balance_transactions",
        shape=shapes.LIST_MOVEMENTS,
        currency="currency",
        source="source",
        type="type",
    ),
    _route(
        "POST",
        "/v1/payouts",
        Call(
            shape=shapes.CREATE_PAYOUT,
            run=lambda s, given, _: balance.payout(s, given),
            required=("currency",),
        ),
    ),
    *_plain("payout", "/v1/payouts", shape=shapes.LIST_PAYOUTS, status="status"),
    _route(
        "POST",
        "/v1/webhook_endpoints",
        Call(
            shape=shapes.CREATE_ENDPOINT,
            run=lambda s, given, _: endpoints.create(s, given),
            required=("url", "enabled_events"),
        ),
    ),
    _route(
        "POST",
        "/v1/webhook_endpoints/{id}",
        Call(shape=shapes.UPDATE_ENDPOINT, run=lambda s, given, id_: endpoints.update(s, id_, given)),
    ),
    _route(
        "DELETE",
        "/v1/webhook_endpoints/{id}",
        Call(shape=shapes.NOTHING, run=lambda s, given, id_: endpoints.delete(s, id_)),
    ),
    *_plain("webhook_endpoint", "/v1/webhook_endpoints"),
    _route("GET", "/v1/balance", Call(shape=shapes.NOTHING, run=lambda s, given, _: accounts.balance(s))),
    _route("GET", "/v1/account", Call(shape=shapes.NOTHING, run=lambda s, given, _: accounts.account())),
]
