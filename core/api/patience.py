"""A request whose write met a closed fence waits for the fence, and is answered as if nothing had been.

The database refused it, so it changed nothing: it is run again once writing is open here or elsewhere. One that had
committed something of a tenant before is run again only under its own key; otherwise its caller decides.
"""

from typing import cast
from uuid import UUID

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.api.errors import FENCED, of_error
from core.foundation.database import COMMITTED
from core.foundation.following import WritesPaused
from core.foundation.runtime import Runtime

_SAFE = ("GET", "HEAD")
_ROUNDS = 3


class Patience:
    """Pure ASGI around the routes."""

    def __init__(self, app: ASGIApp, *, owner: FastAPI) -> None:
        self._app = app
        self._owner = owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope)
        heard: list[Message] = []
        keyed = scope["method"] in _SAFE or any(name == b"idempotency-key" for name, _ in scope["headers"])
        for _ in range(_ROUNDS):
            committed: list[UUID] = []
            token = COMMITTED.set(committed)
            try:
                await self._app(scope, _replaying(heard, receive), _unless_fenced(scope, send))
            finally:
                COMMITTED.reset(token)
            if not scope.get(FENCED):
                return
            if committed and not keyed:
                break
            if not await cast("Runtime", self._owner.state.runtime).database.following.settled():
                break
            route = scope.get("route")
            scope.clear()
            scope.update(given)
            if route is not None:
                scope["route"] = route  # for the log, should nobody come to it again
        await of_error(WritesPaused())(scope, receive, send)


def _replaying(heard: list[Message], receive: Receive) -> Receive:
    """What was heard before comes again, and then what is new."""
    again = iter(tuple(heard))

    async def replay() -> Message:
        for message in again:
            return message
        message = await receive()
        heard.append(message)
        return message

    return replay


def _unless_fenced(scope: Scope, send: Send) -> Send:
    async def unless_fenced(message: Message) -> None:
        if not scope.get(FENCED):
            await send(message)

    return unless_fenced
