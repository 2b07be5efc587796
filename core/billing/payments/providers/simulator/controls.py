"""Buttons that Stripe does not have, as JSON under /_simulator. For demos and tests.

GET  /_simulator                       the webhook controls and how many objects of each kind there are
POST /_simulator/reset                 {}: forget everything but the webhook endpoints
POST /_simulator/webhooks              {"delay_seconds", "copies", "drop_next", "drop_types", "order", "seed",
                                       "paused"}: replaces all controls; what is left out gets its default
POST /_simulator/webhooks/flush        {"order": "sent|reversed|shuffled", "copies": 1, "seed": 0}: sends what is
                                       pending, even while paused, and answers when all of it was tried
POST /_simulator/webhooks/deliver      {"events": [ids]}: delivers just these, in this order, repeats included
GET  /_simulator/deliveries[?state=]   every delivery, newest first: pending, delivered, failed, dropped
POST /_simulator/disputes              {"payment_intent" or "charge", "amount", "reason", "inquiry": false}
POST /_simulator/disputes/ID/close     {"status": "won|lost"}
POST /_simulator/refunds               {"payment_intent" or "charge", "amount"}: as from the provider's dashboard, so
                                       without any metadata of ours
POST /_simulator/bank/INTENT           {"agreed": true}: what the payer answers on the bank's page; setup intents too
POST /_simulator/cards/METHOD          {"card": "pm_card_visa"} or {"decline_code": "do_not_honor"}: what a saved card
                                       does from now on
POST /_simulator/payouts               {"currency": "usd", "amount"}: pays out; without an amount all that is there
POST /_simulator/checkout/SESSION      {"card": "pm_card_visa"}: pays on the Checkout page
POST /_simulator/faults                {"count": 1, "status": 500, "executed": true, "latency_seconds": 0}: the next
                                       requests are answered so, after the work was done, or before with executed false

A body must be application/json: a page of another origin cannot send that without being asked first.
"""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.billing.payments.providers.simulator import (
    balance,
    checkout,
    deliveries,
    disputes,
    faults,
    payments,
    refunds,
    setups,
)
from core.billing.payments.providers.simulator.cards import DECLINES, card_named
from core.billing.payments.providers.simulator.deliveries import Order, WebhookControls
from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.requests import Api
from core.billing.payments.providers.simulator.simulation import Simulation
from core.billing.payments.providers.simulator.store import Json

Given = TypeVar("Given", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Flush(_Body):
    order: Order = "sent"
    copies: int = Field(1, ge=1, le=20)
    seed: int = 0


class _Deliver(_Body):
    events: list[str]


class _OfPayment(_Body):
    payment_intent: str | None = None
    charge: str | None = None
    amount: int | None = Field(None, ge=1)


class _Dispute(_OfPayment):
    reason: str = "fraudulent"
    inquiry: bool = False


class _Close(_Body):
    status: Literal["won", "lost"]


class _Bank(_Body):
    agreed: bool


class _Turn(_Body):
    card: str | None = None
    decline_code: str | None = Field(None, pattern=r"[a-z_]{1,60}")


class _Payout(_Body):
    currency: str = "usd"
    amount: int | None = Field(None, ge=1)


class _Pay(_Body):
    card: str = "pm_card_visa"


class Controls:
    """The handlers; each answers JSON, refusals in Stripe's form."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._store = api.store

    def routes(self) -> list[Route]:
        post = ["POST"]
        return [
            Route("/_simulator", self._show),
            Route("/_simulator/deliveries", self._deliveries),
            Route("/_simulator/reset", self._reset, methods=post),
            Route("/_simulator/webhooks", self._webhooks, methods=post),
            Route("/_simulator/webhooks/flush", self._flush, methods=post),
            Route("/_simulator/webhooks/deliver", self._deliver, methods=post),
            Route("/_simulator/disputes", self._dispute, methods=post),
            Route("/_simulator/disputes/{id}/close", self._close_dispute, methods=post),
            Route("/_simulator/refunds", self._refund, methods=post),
            Route("/_simulator/bank/{id}", self._bank, methods=post),
            Route("/_simulator/cards/{id}", self._card, methods=post),
            Route("/_simulator/payouts", self._payout, methods=post),
            Route("/_simulator/checkout/{id}", self._pay, methods=post),
            Route("/_simulator/faults", self._fault, methods=post),
        ]

    async def _show(self, request: Request) -> Response:
        rows = self._store.connection.execute("SELECT kind, count(*) AS n FROM objects GROUP BY kind ORDER BY kind")
        states = self._store.connection.execute("SELECT state, count(*) AS n FROM deliveries GROUP BY state")
        return JSONResponse(
            {
                "webhooks": deliveries.read_controls(self._store).model_dump(),
                "objects": {row["kind"]: row["n"] for row in rows},
                "deliveries": {row["state"]: row["n"] for row in states},
            }
        )

    async def _deliveries(self, request: Request) -> Response:
        return JSONResponse({"data": deliveries.list_all(self._store, state=request.query_params.get("state"))})

    async def _reset(self, request: Request) -> Response:
        await _read(request, _Body)
        with self._store.transaction():
            self._store.clear()
        return JSONResponse({"reset": True})

    async def _webhooks(self, request: Request) -> Response:
        controls = await _read(request, WebhookControls)
        with self._store.transaction():
            deliveries.write_controls(self._store, controls)
        self._api.sender.wake()
        return JSONResponse(controls.model_dump())

    async def _flush(self, request: Request) -> Response:
        body = await _read(request, _Flush)
        batch = deliveries.list_pending(self._store, order=body.order, copies=body.copies, seed=body.seed)
        return JSONResponse({"data": await self._api.sender.send_now(batch)})

    async def _deliver(self, request: Request) -> Response:
        body = await _read(request, _Deliver)
        simulation = self._api.simulate(request)
        endpoints = self._store.select("webhook_endpoint", newest=False)
        with self._store.transaction():
            batch = [
                deliveries.add(
                    self._store, simulation.get("event", event)["id"], endpoint["id"], now=simulation.instant
                )
                for event in body.events
                for endpoint in endpoints
            ]
        return JSONResponse({"data": await self._api.sender.send_now(batch)})

    async def _dispute(self, request: Request) -> Response:
        body = await _read(request, _Dispute)
        simulation = self._api.simulate(request)
        with self._store.transaction():
            dispute = disputes.open_dispute(
                simulation,
                refunds.find_charge(simulation, _payment(body)),
                status="warning_needs_response" if body.inquiry else "needs_response",
                reason=body.reason,
                amount=body.amount,
            )
        return self._done(dispute)

    async def _close_dispute(self, request: Request) -> Response:
        body = await _read(request, _Close)
        with self._store.transaction():
            dispute = disputes.close_dispute(self._api.simulate(request), request.path_params["id"], status=body.status)
        return self._done(dispute)

    async def _refund(self, request: Request) -> Response:
        body = await _read(request, _OfPayment)
        given = _payment(body) | ({"amount": body.amount} if body.amount is not None else {})
        with self._store.transaction():
            refund = refunds.create(self._api.simulate(request), given)
        return self._done(refund)

    async def _bank(self, request: Request) -> Response:
        body = await _read(request, _Bank)
        simulation = self._api.simulate(request)
        with self._store.transaction():
            intent = simulation.get(_kind(request.path_params["id"]), request.path_params["id"])
            if intent["status"] != "requires_action":
                raise Refusal(f"The intent has a status of {intent['status']}: there is nothing to confirm.")
            intent = answer_bank(simulation, intent, agreed=body.agreed)
            session = checkout.find_by_intent(self._store, intent["id"])
            if session is not None:
                checkout.finish(simulation, session, intent)
        return self._done(intent)

    async def _card(self, request: Request) -> Response:
        body = await _read(request, _Turn)
        name = f"{DECLINES}{body.decline_code}" if body.decline_code else body.card
        if card_named(name) is None:
            raise Refusal("Give `card`, one of the test cards, or `decline_code`.", param="card")
        simulation = self._api.simulate(request)
        with self._store.transaction():
            method = simulation.get("payment_method", request.path_params["id"])
            self._store.write_control(f"card {method['id']}", name)
        return JSONResponse({"payment_method": method["id"], "behaves_as": name})

    async def _payout(self, request: Request) -> Response:
        body = await _read(request, _Payout)
        with self._store.transaction():
            made = balance.payout(self._api.simulate(request), body.model_dump(exclude_none=True))
        return self._done(made)

    async def _pay(self, request: Request) -> Response:
        body = await _read(request, _Pay)
        simulation = self._api.simulate(request)
        refused: Refusal | None = None
        with self._store.transaction():
            session = simulation.get("checkout.session", request.path_params["id"])
            try:
                session = checkout.begin(simulation, session, body.card)
            except Refusal as refusal:
                if not refusal.executed:
                    raise
                refused = refusal
        self._api.sender.wake()
        if refused is not None:
            return JSONResponse(refused.body, status_code=refused.status)
        return self._done(session)

    async def _fault(self, request: Request) -> Response:
        fault = await _read(request, faults.Fault)
        faults.plan(self._store, fault if fault.count else None)
        return JSONResponse(fault.model_dump())

    def _done(self, found: Json) -> Response:
        self._api.sender.wake()
        return JSONResponse(found)


def _kind(identifier: str) -> str:
    return "setup_intent" if identifier.startswith("seti_") else "payment_intent"


def answer_bank(simulation: Simulation, intent: Json, *, agreed: bool) -> Json:
    """What the payer answers on the bank's page, for an intent of either kind."""
    if intent["object"] == "setup_intent":
        return setups.answer_bank(simulation, intent, agreed=agreed)
    return payments.answer_bank(simulation, intent, agreed=agreed)


def _payment(body: _OfPayment) -> dict[str, Any]:
    return {name: value for name in ("payment_intent", "charge") if (value := getattr(body, name)) is not None}


async def _read(request: Request, kind: type[Given]) -> Given:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal("Send the body as application/json.", status=415)
    try:
        return kind.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        raise Refusal(f"{first['msg']}", param=".".join(str(part) for part in first["loc"])) from None
