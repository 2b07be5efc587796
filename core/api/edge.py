"""The edge around the routes: what happens to every request, in one pass, since each layer would cost its own.

request id -> address -> preflight -> readable? -> size -> credential -> rate limit -> route -> headers, metrics, log
"""

import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from fastapi import FastAPI, Response
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.api.addresses import Addresses, for_limits
from core.api.bodies import most_bytes, refuse_announced
from core.api.errors import BodyTooLarge, MalformedRequest, answer_to, of_error
from core.api.guard import MAX_BODY, REFUSAL
from core.api.headers import Cors, RawHeaders, completed, of_limit
from core.api.limits import Allowance, Limits
from core.foundation.clock import wall_now
from core.foundation.errors import CloudBillError, TooManyRequests, Unauthenticated
from core.foundation.ids import new_id
from core.foundation.settings import Settings
from core.foundation.telemetry import HTTP_REQUESTS, HTTP_SECONDS, RATE_LIMITED, REQUEST_ID, log
from core.identity.access import Principal
from core.identity.assembly import Identity
from core.identity.scope import ADDRESS, PRINCIPAL

_LOG = log("api")
_GOOD_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ENCODED_CONTROL = re.compile(rb"%(?:[01][0-9A-Fa-f]|7[Ff])")
_UNLIMITED = frozenset(
    {
        "/health",
        "/readyz",
        "/metrics",
        "/auth/health",
        "/billing/health",
        "/payment/health",
        "/notification/health",
        "/api/v1/actuator/health",
        "/api/v1/actuator/health/liveness",
        "/api/v1/actuator/health/readiness",
    }
)
_WEBHOOKS = "/webhooks/"
_WEBHOOKS_A_WINDOW = 6_000


class OriginForbidden(CloudBillError):
    """A preflight of a page that is not on the list."""

    status = 403
    code = "origin_forbidden"
    title = "Not an allowed origin"

    def __init__(self) -> None:
        super().__init__("Pages of this origin may not call the API. CORS_ORIGIN lists those that may.")


@dataclass(slots=True)
class _Exchange:
    """What is known of a request while it is answered."""

    request_id: bytes
    address: str
    origin: bytes | None
    added: RawHeaders = field(default_factory=RawHeaders)
    status: int = 0
    caller: Principal | None = None


class Edge:
    """Pure ASGI; `app` is what it surrounds, `owner` the application whose state holds identity and limits."""

    def __init__(self, app: ASGIApp, *, owner: FastAPI, settings: Settings) -> None:
        self._app = app
        self._owner = owner
        self._cors = Cors(settings.cors_origin)
        self._addresses = Addresses(settings.trusted_proxies)
        self._max_body = settings.max_body_bytes
        self._limit = settings.rate_limit_max_requests
        self._logged = settings.log_level in ("debug", "info")
        self._as_json = settings.log_format == "json"
        self._counters: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        exchange = self._open(scope, headers)
        token = REQUEST_ID.set(exchange.request_id.decode())

        without_body = scope["method"] == "HEAD"
        if without_body:
            scope["method"] = "GET"  # the same headers, and the body left out below

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = completed(list(message.get("headers", ())), exchange.added)
            elif without_body:
                message = {**message, "body": b""}
            await send(message)

        try:
            refusal = await self._admit(scope, headers, exchange)
            answering: ASGIApp = self._app if refusal is None else refusal
            await answering(scope, receive, send_completed)
        except Exception as error:
            if exchange.status:
                _LOG.error("answer_broken_off", error=type(error).__name__, exc_info=error)
                raise
            await answer_to(error)(scope, receive, send_completed)
        finally:
            self._close(scope, exchange, time.perf_counter() - started)
            REQUEST_ID.reset(token)

    def _open(self, scope: Scope, headers: dict[bytes, bytes]) -> _Exchange:
        given = headers.get(b"x-request-id", b"")
        request_id = given if _GOOD_REQUEST_ID(given) else str(new_id()).encode()
        peer = scope.get("client")
        address = self._addresses.of(peer[0] if peer else None, headers.get(b"x-forwarded-for"))
        origin = headers.get(b"origin")
        scope[ADDRESS] = address
        scope[MAX_BODY] = most_bytes(scope["path"], self._max_body)
        added = [(b"x-request-id", request_id), *self._cors.of_answer(origin)]
        return _Exchange(request_id, address, origin, added)

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes], exchange: _Exchange) -> Response | None:
        """None where the request may go on, else the answer that refuses it."""
        if scope["method"] == "OPTIONS" and exchange.origin is not None and b"access-control-request-method" in headers:
            return self._preflight(exchange)
        await self._know(scope, headers.get(b"authorization"), exchange)
        limited = await self._limited(scope, exchange)
        if limited is not None:
            return limited
        if _CONTROL.search(scope["path"]) or _ENCODED_CONTROL.search(scope["query_string"]):
            return of_error(MalformedRequest("The address must not contain control characters."))
        try:
            refuse_announced(headers.get(b"content-length"), scope[MAX_BODY])
        except BodyTooLarge as error:
            return of_error(error)
        return None

    def _preflight(self, exchange: _Exchange) -> Response:
        if exchange.origin is None or not self._cors.allows(exchange.origin):
            return of_error(OriginForbidden())
        exchange.added.extend(self._cors.of_preflight())
        return Response(status_code=204)

    async def _know(self, scope: Scope, authorization: bytes | None, exchange: _Exchange) -> None:
        """Leaves the caller in the scope, or why the credential does not hold; routes for anyone do not mind."""
        if authorization is None or scope["path"] == "/metrics":
            return
        kind, _, credential = authorization.decode("latin-1").partition(" ")
        credential = credential.strip()
        if kind.lower() != "bearer" or not credential:
            scope[REFUSAL] = Unauthenticated("Give the credential as Authorization: Bearer …")
            return
        known = cast("Identity", self._owner.state.identity).authenticator
        try:
            exchange.caller = known.remembered(credential) or await known.authenticate(credential)
            scope[PRINCIPAL] = exchange.caller
        except CloudBillError as refusal:
            scope[REFUSAL] = refusal

    async def _limited(self, scope: Scope, exchange: _Exchange) -> Response | None:
        path: str = scope["path"]
        if path in _UNLIMITED:
            return None
        caller, limit = self._caller(path, exchange)
        limits = cast("Limits", self._owner.state.limits)
        allowance = limits.admit_now(caller, limit) or await limits.admit(caller, limit)
        exchange.added.extend(of_limit(allowance, time.time()))
        if allowance.admitted:
            return None
        RATE_LIMITED.labels(caller.partition(":")[0]).inc()
        return of_error(_too_many(allowance))

    def _caller(self, path: str, exchange: _Exchange) -> tuple[str, int]:
        if path.startswith(_WEBHOOKS):
            return f"webhook:{for_limits(exchange.address)}", _WEBHOOKS_A_WINDOW
        who = exchange.caller
        if who is None:
            return f"address:{for_limits(exchange.address)}", self._limit
        return f"{who.kind}:{who.id}", who.rate_limit or self._limit

    def _close(self, scope: Scope, exchange: _Exchange, seconds: float) -> None:
        route = scope.get("route")
        path: str = route.path if route is not None else "unmatched"
        method: str = scope["method"] if route is not None else "ANY"
        key = (method, path, exchange.status)
        known = self._counters.get(key)
        if known is None:
            known = HTTP_REQUESTS.labels(method, path, exchange.status), HTTP_SECONDS.labels(method, path)
            self._counters[key] = known
        known[0].inc()
        known[1].observe(seconds)
        if self._logged and path not in _UNLIMITED:
            self._write(scope, exchange, path, seconds)

    def _write(self, scope: Scope, exchange: _Exchange, route: str, seconds: float) -> None:
        # Written directly: this line is the only one that each request pays for. No path, no query: the template.
        who = exchange.caller
        line: dict[str, Any] = {
            "event": "request",
            "level": "info",
            "at": wall_now(),
            "requestId": exchange.request_id.decode(),
            "method": scope["method"],
            "route": route,
            "status": exchange.status,
            "ms": round(seconds * 1000, 1),
            "caller": f"{who.kind}:{who.id}" if who else "signed_out",
            "tenant": str(who.tenant_id) if who and who.tenant_id else None,
        }
        if self._as_json:
            sys.stdout.write(orjson.dumps(line).decode() + "\n")
        else:
            sys.stdout.write(" ".join(f"{name}={value}" for name, value in line.items()) + "\n")


def _too_many(allowance: Allowance) -> TooManyRequests:
    return TooManyRequests(
        f"The limit of {allowance.limit} requests is used up. Try again in {allowance.reset_seconds} s.",
        retry_after=allowance.reset_seconds,
    )
