"""Passing a request to the service of its group and its answer back, both piece by piece.

The caller's address is found as the API finds it (TRUSTED_PROXIES) and stands alone in X-Forwarded-For: the services
trust the gateway, and nobody before it can write what they read. Headers of the connection itself are not passed.
"""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import cast

import httpx
from starlette.types import Message, Receive, Scope, Send

from core.api.errors import BodyTooLarge
from core.api.gateway.errors import ServiceTooSlow, ServiceUnreachable
from core.api.groups import Group

Headers = list[tuple[bytes, bytes]]

_OF_THE_CONNECTION = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_OURS = frozenset(
    {b"host", b"expect", b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
) | {b"x-request-id"}


class CallerGone(Exception):
    """Nobody waits for the answer any more."""


class Services:
    """The groups' services: one pool of connections each."""

    def __init__(self, urls: Mapping[Group, str], *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        timeout = httpx.Timeout(timeout_seconds, connect=min(5.0, timeout_seconds))
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=4)
        # Their addresses are ours: no proxy of the environment's stands between.
        self._clients = {
            group: httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits, trust_env=False)
            for group, url in urls.items()
        }

    async def close(self) -> None:
        """Closes all connections."""
        for client in self._clients.values():
            await client.aclose()

    async def is_ready(self, group: Group) -> bool:
        """Whether the group's service says that it can serve."""
        try:
            answer = await self._clients[group].get("/readyz", timeout=3)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async def pass_on(
        self,
        group: Group,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        request_id: bytes,
        address: str,
        most_bytes: int,
    ) -> int:
        """The status that was answered.

        Raises ServiceUnreachable, ServiceTooSlow, BodyTooLarge while nothing is answered yet.
        """
        client = self._clients[group]
        given = cast("Headers", scope["headers"])
        request = client.build_request(
            scope["method"],
            _address(client, scope),
            headers=_headers_to(given, scope, request_id=request_id, address=address),
            content=_body(receive, most_bytes) if _has_body(given) else None,
        )
        try:
            answer = await client.send(request, stream=True, follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ServiceUnreachable(group) from error
        except httpx.TimeoutException as error:
            raise ServiceTooSlow(group, self._timeout_seconds) from error
        except httpx.HTTPError as error:
            raise ServiceUnreachable(group) from error
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status_code,
                    "headers": [pair for pair in _lowered(answer.headers.raw) if pair[0] not in _OF_THE_CONNECTION],
                }
            )
            # From here on an error breaks the answer off, so that nobody takes a part for the whole.
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            with contextlib.suppress(httpx.HTTPError):
                await answer.aclose()
        return answer.status_code


def _address(client: httpx.AsyncClient, scope: Scope) -> httpx.URL:
    path = cast("bytes", scope.get("raw_path") or scope["path"].encode())
    query = cast("bytes", scope["query_string"])
    # Byte for byte what came: a path that is decoded and encoded again could be another one.
    base = client.base_url.raw_path.rstrip(b"/")
    return client.base_url.copy_with(raw_path=base + path + (b"?" + query if query else b""))


def _headers_to(given: Headers, scope: Scope, *, request_id: bytes, address: str) -> Headers:
    named = {name.strip().lower() for key, value in given if key == b"connection" for name in value.split(b",")}
    dropped = _OF_THE_CONNECTION | _OURS | named
    passed = [(name, value) for name, value in given if name not in dropped]
    host = next((value for name, value in given if name == b"host"), b"")
    return [
        *passed,
        (b"x-request-id", request_id),
        (b"x-forwarded-for", address.encode()),
        (b"x-forwarded-proto", str(scope.get("scheme", "http")).encode()),
        *([(b"x-forwarded-host", host)] if host else []),
    ]


def _has_body(given: Headers) -> bool:
    return any(
        (name == b"content-length" and value.strip() != b"0") or name == b"transfer-encoding" for name, value in given
    )


async def _body(receive: Receive, most_bytes: int) -> AsyncGenerator[bytes]:
    seen = 0
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        if piece := message.get("body", b""):
            seen += len(piece)
            if seen > most_bytes:
                raise BodyTooLarge(most_bytes)
            yield piece
        if not message.get("more_body", False):
            return


def _lowered(raw: Headers) -> Headers:
    return [(name.lower(), value) for name, value in raw]
