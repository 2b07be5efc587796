"""GET /openapi.json and /docs. The document says what is true of every route, so that rooms only say what is theirs.

Added to each route: the errors of the guard and the edge, who may call it (from the access table), and the form of
errors. A room documents the errors of its own rules with `responses=refusals(...)` (foundation/refusals.py).
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from core.api import docs as docs_page
from core.api.access import ANY_SCOPE, Rule, find_rule
from core.api.errors import PROBLEM
from core.api.guard import guarded
from core.foundation.settings import Settings

_PROBLEM_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457). `code` is stable; errors of some codes have more members.",
    "required": ["type", "title", "status", "detail", "code", "requestId"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do."},
        "code": {"type": "string", "examples": ["invalid_input"]},
        "requestId": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
    "additionalProperties": True,
}
_COMMON: dict[int, str] = {
    400: "The address or the body cannot be read: `malformed_request`, `malformed_json`, `bad_request`.",
    401: "No credential, or one that does not hold: `unauthenticated`, `token_expired`, `token_invalid`, "
    "`api_key_invalid`.",
    403: "The caller may not: `forbidden`, `scope_required`, `tenant_forbidden`.",
    404: "Nothing by that id: `not_found`, `tenant_not_found`.",
    413: "More than MAX_BODY_BYTES: `body_too_large`.",
    415: "Not JSON: `unsupported_media_type`.",
    422: "A field is missing, malformed or out of range: `invalid_input`.",
    429: "The caller's limit is used up: `rate_limited`.",
    500: "Our fault: `internal`.",
    503: "A part that is needed does not answer, nothing was changed: `unavailable`.",
}

documents = APIRouter()


@documents.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The document."""
    content = await _described(request).document()
    return Response(content, media_type="application/json", headers={"Cache-Control": "public, max-age=300"})


@documents.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The document, readable."""
    content = await _described(request).page()
    return Response(
        content,
        media_type="text/html; charset=utf-8",
        headers={"Cache-Control": "public, max-age=300", "Content-Security-Policy": docs_page.POLICY},
    )


def describe(app: FastAPI, settings: Settings) -> None:
    """Serves the document of the routes that are there."""
    app.state.described = Described(app, settings)
    app.router.routes.extend(guarded([documents]))


class Described:
    """The routes of an application, described when somebody first asks: it takes a second or more, which no start of
    the API has to wait for. Whoever asks meanwhile waits too, and other requests are answered.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._title = app.title
        self._version = app.version
        self._routes = [route for route in app.router.routes if isinstance(route, APIRoute)]
        self._address = settings.public_api_url
        self._making = asyncio.Lock()

    async def document(self) -> bytes:
        """As JSON, with the address of this installation."""
        return orjson.dumps({**(await self._known())[0], "servers": [{"url": self._address}]})

    async def page(self) -> bytes:
        """As HTML."""
        return (await self._known())[1]

    async def _known(self) -> tuple[dict[str, Any], bytes]:
        async with self._making:
            key = (self._title, self._version, *(route.endpoint for route in self._routes))
            if key not in _KNOWN:
                _KNOWN[key] = await asyncio.to_thread(self._make)
            return _KNOWN[key]

    def _make(self) -> tuple[dict[str, Any], bytes]:
        document = _made(self._title, self._version, self._routes)
        return document, docs_page.page(document).encode()


_KNOWN: dict[tuple[object, ...], tuple[dict[str, Any], bytes]] = {}
"""What this process has described; of the same routes it is the same."""


def _described(request: Request) -> Described:
    return cast("Described", request.app.state.described)


def _made(title: str, version: str, described: list[APIRoute]) -> dict[str, Any]:
    document = get_openapi(
        title=title,
        version=version,
        summary="Credits, usage, subscriptions and payments of many tenants",
        description=_DESCRIPTION,
        routes=described,
        servers=[],
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM_SCHEMA
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    components["securitySchemes"] = {
        "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "POST /auth/login"},
        "apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "cbk_…", "description": "POST /auth/api-keys"},
    }
    for route in described:
        if route.include_in_schema:
            for method in route.methods or ():
                _complete(document["paths"][route.path][method.lower()], route, find_rule(method, route.path))
    return document


def _complete(operation: dict[str, Any], route: APIRoute, rule: Rule | None) -> None:
    assert rule is not None, "the guard has refused routes without a rule"
    operation["operationId"] = route.operation_id or route.name
    responses: dict[str, Any] = operation["responses"]
    statuses = {400, 429, 500, 503}
    if not rule.signed_out:
        operation["security"] = [{"accessToken": []}] + ([{"apiKey": []}] if rule.scope else [])
        operation["x-access"] = _words(rule)
        statuses |= {401, 403}
    if "{" in route.path or not rule.signed_out:
        statuses.add(404)
    if operation.get("parameters") or route.body_field is not None:
        statuses.add(422)
    if route.body_field is not None:
        statuses |= {413, 415}
    for status in statuses:
        given = responses.get(str(status))
        own = "" if given is None else str(given.get("description", ""))
        if given is not None and "content" in given and not _is_validation(given):
            continue
        if not own or own == "Validation Error":
            own = ""
        responses[str(status)] = _problem(" ".join(part for part in (own, _COMMON[status]) if part))
    for status, response in responses.items():
        if int(status) >= 400 and "content" not in response:
            response["content"] = _problem("")["content"]
        response.setdefault("headers", {}).update(_headers(int(status)))


def _is_validation(response: Mapping[str, Any]) -> bool:
    return "HTTPValidationError" in str(response)


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _headers(status: int) -> dict[str, Any]:
    found: dict[str, Any] = {"X-Request-Id": {"schema": {"type": "string"}}}
    if status in (429, 503):
        found["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer"}}
    return found


def _words(rule: Rule) -> dict[str, Any]:
    scope = "any" if rule.scope == ANY_SCOPE else rule.scope
    return {"roles": sorted(rule.roles), "installationRoles": sorted(rule.installation), "scope": scope}


_DESCRIPTION = """
Amounts of credits are decimal strings in the currency's unit; amounts of money are integers in its minor unit.
`tenantId` is the name a tenant registered with; all other ids are UUIDs. Times are ISO 8601 with an offset.
Lists take `limit` (1 to 200) and `cursor`, and give `nextCursor`, null at the end.
Users of the installation name the tenant with `?tenantId=` and, to change something, say why with `X-Tenant-Reason`.
"""
