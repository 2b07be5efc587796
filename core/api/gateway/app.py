"""`cloudbill gateway`: one address before the services of the four groups.

It finds the group by the path, gives the request an id, finds the caller's address and passes both on. It keeps no
limits of its own: the services count a caller together in the cache, so that each request counts once.
"""

import asyncio
import hmac
import re
import sys
import time
from typing import Any, cast

import orjson
from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.api.addresses import Addresses
from core.api.bodies import most_bytes, refuse_announced
from core.api.errors import of_error
from core.api.gateway.errors import NoSuchPath, ServiceUnreachable
from core.api.gateway.passing import CallerGone, Services
from core.api.groups import GROUPS, Group, group_of, is_of_each_process
from core.api.headers import Cors, RawHeaders, completed
from core.foundation.clock import wall_now
from core.foundation.errors import CloudBillError, Unauthenticated
from core.foundation.ids import new_id
from core.foundation.settings import Settings, SettingsInvalid, load_settings
from core.foundation.telemetry import REQUEST_ID, configure_logs, log

PASSED = Counter("cloudbill_gateway_requests_total", "Requests at the gateway.", ["group", "status"])
SECONDS = Histogram("cloudbill_gateway_seconds", "How long services take to answer, as the gateway sees it.", ["group"])

_LOG = log("gateway")
_GOOD_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}").fullmatch


def create_gateway(settings: Settings | None = None) -> ASGIApp:
    """The ASGI application; granian calls it without arguments, and then the environment rules."""
    chosen = settings or load_settings()
    if settings is None:
        configure_logs(chosen)
    return Gateway(chosen)


def services_of(settings: Settings) -> dict[Group, str]:
    """Where each group is served. Raises SettingsInvalid that names what is missing."""
    given: dict[Group, str | None] = {
        "auth": settings.auth_service_url,
        "billing": settings.billing_service_url,
        "payment": settings.payment_service_url,
        "notification": settings.notification_service_url,
    }
    if missing := [f"{group.upper()}_SERVICE_URL" for group, url in given.items() if not url]:
        raise SettingsInvalid(f"The gateway needs {', '.join(missing)}, such as http://127.0.0.1:3001")
    return {group: url for group, url in given.items() if url}


class Gateway:
    """Pure ASGI."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._urls = services_of(settings)
        self._addresses = Addresses(settings.trusted_proxies)
        self._cors = Cors(settings.cors_origin)
        self._services: Services | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._services = self._open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._services.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _open(self) -> Services:
        return Services(self._urls, timeout_seconds=self._settings.gateway_timeout.total_seconds())

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = dict(cast("RawHeaders", scope["headers"]))
        given = headers.get(b"x-request-id", b"")
        request_id = given if _GOOD_REQUEST_ID(given) else str(new_id()).encode()
        peer = scope.get("client")
        address = self._addresses.of(peer[0] if peer else None, headers.get(b"x-forwarded-for"))
        token = REQUEST_ID.set(request_id.decode())
        group: Group | None = None
        status = 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async def send_own(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(b"x-request-id", request_id), *self._cors.of_answer(headers.get(b"origin"))]
                message["headers"] = completed(list(message.get("headers", ())), added)
            await send_noted(message)

        try:
            path: str = scope["path"]
            group = group_of(path)
            if group is not None and self._services is not None:
                # Here already: a service that refuses while it is still written to closes, and its answer may be lost.
                most = most_bytes(path, self._settings.max_body_bytes)
                refuse_announced(headers.get(b"content-length"), most)
                await self._services.pass_on(
                    group, scope, receive, send_noted, request_id=request_id, address=address, most_bytes=most
                )
            else:
                own = await self._own(path, headers)
                await own(scope, receive, send_own)
        except CallerGone:
            status = status or 499
        except CloudBillError as error:
            if status:
                raise
            _LOG.warning("not_passed", group=group, code=error.code, cause=type(error.__cause__).__name__)
            await of_error(error)(scope, receive, send_own)
        finally:
            self._close(scope, group, status, request_id, time.perf_counter() - started)
            REQUEST_ID.reset(token)

    async def _own(self, path: str, headers: dict[bytes, bytes]) -> Response:
        if not is_of_each_process(path):
            raise NoSuchPath
        if path == "/health" or path.endswith("/liveness"):
            known = {"status": "UP"} if path.startswith("/api") else {"status": "healthy", "service": "gateway"}
            return _json(200, known)
        if path == "/metrics":
            return self._metrics(headers)
        services = self._services
        if services is None:
            raise ServiceUnreachable("auth")
        ready = dict(zip(GROUPS, await asyncio.gather(*map(services.is_ready, GROUPS)), strict=True))
        status = 200 if all(ready.values()) else 503
        if path.startswith("/api"):
            return _json(status, {"status": "UP" if status == 200 else "DOWN"})
        checks = {group: "healthy" if good else "unhealthy" for group, good in ready.items()}
        return _json(status, {"status": "ready" if status == 200 else "not_ready", "checks": checks})

    def _metrics(self, headers: dict[bytes, bytes]) -> Response:
        word = self._settings.metrics_token
        if word is not None:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, f"Bearer {word.get_secret_value()}".encode()):
                raise Unauthenticated("Give the metrics token as Authorization: Bearer …")
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _close(self, scope: Scope, group: Group | None, status: int, request_id: bytes, seconds: float) -> None:
        PASSED.labels(group or "none", str(status)).inc()
        if group is not None:
            SECONDS.labels(group).observe(seconds)
        if self._settings.log_level not in ("debug", "info") or is_of_each_process(scope["path"]):
            return
        line: dict[str, Any] = {
            "event": "passed",
            "level": "info",
            "at": wall_now(),
            "requestId": request_id.decode(),
            "method": scope["method"],
            "group": group,
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        if self._settings.log_format == "json":
            sys.stdout.write(orjson.dumps(line).decode() + "\n")
        else:
            sys.stdout.write(" ".join(f"{name}={value}" for name, value in line.items()) + "\n")


def _json(status: int, document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
