"""What the console counts of itself, and GET /metrics. With METRICS_TOKEN set, only its bearer reads it."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Send

from console.place import place

disable_created_metrics()  # a time stamp for each series says nothing and doubles them

API_CALLS = Counter("cloudbill_console_api_calls_total", "Calls to the API, by how they ended.", ["outcome"])
API_SECONDS = Histogram(
    "cloudbill_console_api_call_seconds",
    "Time until the API answered or was given up, in seconds.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 8),
)
EVENT_FAILURES = Counter(
    "cloudbill_console_event_failures_total", "Events of pages that could not be handled, by why.", ["reason"]
)
SIGN_INS = Counter("cloudbill_console_sign_ins_total", "Sign-ins at the form, by how they ended.", ["outcome"])
CONNECTIONS = Gauge("cloudbill_console_connections", "Web sockets that browsers hold open; a tab has one.")

# Each shows its zero from the start, or the first failure would be no increase.
for _outcome in ("answered", "refused", "failed", "unreachable"):
    API_CALLS.labels(_outcome)
for _reason in ("api", "cache", "not_understood", "unforeseen"):
    EVENT_FAILURES.labels(_reason)
for _outcome in ("signed_in", "refused", "slowed_down", "unreachable", "no_cache"):
    SIGN_INS.labels(_outcome)


def outcome_of(status: int) -> str:
    """What the API's answer means to the console."""
    if status >= 500:
        return "failed"
    return "refused" if status >= 400 else "answered"


@asynccontextmanager
async def counting(send: Send) -> AsyncIterator[Send]:
    """Counts a web socket from when it is accepted until it has ended."""
    accepted = False

    async def sending(message: Message) -> None:
        nonlocal accepted
        if message["type"] == "websocket.accept" and not accepted:
            accepted = True
            CONNECTIONS.inc()
        await send(message)

    try:
        yield sending
    finally:
        if accepted:
            CONNECTIONS.dec()


async def show(request: Request) -> Response:
    """Counters and gauges of this process."""
    token = place().metrics_token
    given = request.headers.get("authorization", "").encode()
    if token and not hmac.compare_digest(given, f"Bearer {token}".encode()):
        problem = {
            "type": "about:blank",
            "title": "Sign in first",
            "status": 401,
            "code": "unauthenticated",
            "detail": "Give the metrics token as Authorization: Bearer …",
        }
        return JSONResponse(problem, 401, {"www-authenticate": "Bearer"}, "application/problem+json")
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})
