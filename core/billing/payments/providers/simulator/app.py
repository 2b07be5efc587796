"""The ASGI application: API, controls, pages, health; the webhook sender runs beside it."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.billing.payments.providers.simulator import checkout, objects
from core.billing.payments.providers.simulator.controls import Controls
from core.billing.payments.providers.simulator.errors import Refusal, unknown_address
from core.billing.payments.providers.simulator.pages import Pages
from core.billing.payments.providers.simulator.requests import Api
from core.billing.payments.providers.simulator.simulation import Simulation
from core.billing.payments.providers.simulator.store import Store
from core.billing.payments.providers.simulator.webhooks import Sender

_LOG = logging.getLogger("cloudbill.stripe_simulator")
_EXPIRY_SECONDS = 5.0


def create_app(store: Store, *, public_url: str | None = None) -> Starlette:
    """`public_url` is the address that browsers reach it by; None takes each request's own."""
    sender = Sender(store)
    api = Api(store, sender, public_url=public_url)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        tasks = [asyncio.create_task(sender.run()), asyncio.create_task(_expire(store, sender, public_url))]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        store.close()

    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/favicon.ico", _no_icon),
            *Pages(api).routes(),
            *Controls(api).routes(),
            Route("/{path:path}", api.answer, methods=["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"]),
        ],
        exception_handlers={Refusal: _refuse, 405: _wrong_method},
        lifespan=lifespan,
    )


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "healthy", "stripeVersion": objects.API_VERSION})


async def _no_icon(request: Request) -> Response:
    return Response(status_code=204)


async def _refuse(request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise refusal
    return JSONResponse(refusal.body, status_code=refusal.status)


async def _wrong_method(request: Request, _: Exception) -> Response:
    return await _refuse(request, unknown_address(request.method, request.url.path))


async def _expire(store: Store, sender: Sender, public_url: str | None) -> None:
    """Closes Checkout Sessions when their time is over."""
    while True:
        instant = time.time()
        simulation = Simulation(store=store, now=int(instant), instant=instant, public_url=public_url or "")
        try:
            with store.transaction():
                checkout.expire_overdue(simulation)
        except sqlite3.Error:
            _LOG.exception("overdue Checkout Sessions could not be closed")
        if simulation.told:
            sender.wake()
        await asyncio.sleep(_EXPIRY_SECONDS)
