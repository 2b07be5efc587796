"""The guard in front of every route: the credential, the right, and the form of the body, before anything is read.

Each route of the rooms is rebuilt once with its row of the access table, so a request pays for no look-up.
"""

import copy
from collections.abc import AsyncGenerator, Iterable
from typing import Any, cast

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute, request_response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from core.api.access import ANY_SCOPE, Rule, find_rule
from core.api.errors import BodyTooLarge, WrongMediaType
from core.foundation.errors import CloudBillError, Forbidden, Unauthenticated
from core.identity.access import Principal
from core.identity.scope import PRINCIPAL

REFUSAL = "cloudbill.refusal"
"""Where the edge leaves why a given credential does not hold."""

MAX_BODY = "cloudbill.max_body"
"""Where the edge leaves how many bytes a body may have."""


class RouteWithoutRule(Exception):
    """A route that nobody decided about."""


class ScopeRequired(Forbidden):
    """The key was made for something else."""

    code = "scope_required"
    title = "The key may not do this"


class StrictRequest(Request):
    """Reads JSON as the standard has it (no NaN, no Infinity, no lone surrogates) and no more than is allowed."""

    async def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(await self.body())

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces; the length is counted, since a chunked body does not announce it."""
        limit: int = self.scope.get(MAX_BODY, 1_000_000)
        seen = 0
        async for piece in super().stream():
            seen += len(piece)
            if seen > limit:
                # The framework passes this one through; any other error while reading becomes a 400.
                raise HTTPException(413, BodyTooLarge(limit).detail)
            yield piece


def guarded(routers: Iterable[APIRouter]) -> list[APIRoute]:
    """The routes of the rooms, each behind its rule. Raises RouteWithoutRule."""
    return [guard(route) for router in routers for route in router.routes if isinstance(route, APIRoute)]


def guard(original: APIRoute) -> APIRoute:
    """A copy of the route behind its rule."""
    methods = original.methods or set[str]()
    rules = {find_rule(method, original.path) for method in methods} or {None}
    rule = rules.pop()
    if rules or rule is None:
        raise RouteWithoutRule(f"{', '.join(methods)} {original.path} needs a row in core/api/access.py")
    route = copy.copy(original)
    handler = original.get_route_handler()

    async def answer(request: Request) -> Response:
        return await handler(StrictRequest(request.scope, request.receive))

    route.app = _behind(rule, request_response(answer), takes_body=original.body_field is not None)
    return route


def _behind(rule: Rule, inner: ASGIApp, *, takes_body: bool) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not rule.signed_out:
            caller = cast("Principal | None", scope.get(PRINCIPAL))
            if caller is None:
                refusal = cast("CloudBillError | None", scope.get(REFUSAL))
                raise refusal or Unauthenticated(
                    "Give an access token or an API key in the header Authorization: Bearer …"
                )
            if not rule.allows(caller):
                raise _refused(rule, caller)
        if takes_body and not _is_json(scope):
            raise WrongMediaType
        await inner(scope, receive, send)

    return app


def _refused(rule: Rule, caller: Principal) -> Forbidden:
    if caller.scopes is None:
        who = caller.installation_role or caller.role
        return Forbidden(f"The role {who} may not do this.")
    if caller.kind == "foreign" and not rule.customers:
        return ScopeRequired("A customer's token may only reserve, settle and read that customer's usage.")
    if rule.scope is None or rule.scope == ANY_SCOPE:
        return ScopeRequired("No key may do this; sign in as a user.")
    return ScopeRequired(f"The key needs the scope {rule.scope}.", requiredScope=rule.scope)


def _is_json(scope: Scope) -> bool:
    headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
    kind = length = b""
    chunked = False
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-length":
            length = value
        elif name == b"transfer-encoding":
            chunked = True
    if kind == b"application/json":
        return True
    if not kind:
        return not chunked and length in (b"", b"0")
    media = kind.partition(b";")[0].strip().lower()
    return media == b"application/json" or (media.startswith(b"application/") and media.endswith(b"+json"))
