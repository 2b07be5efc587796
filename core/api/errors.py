"""Every error on the wire, in the form of RFC 9457: type, title, status, detail, code, requestId, and more.

What is not one of our own errors is translated here; what nobody foresaw is `internal`, with a log line and never a
traceback in the answer.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import orjson
import psycopg
import psycopg_pool
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from sqlalchemy import exc as sql
from starlette.exceptions import HTTPException
from starlette.routing import Route

from core.foundation.errors import CloudBillError, Unavailable
from core.foundation.fence import is_fenced
from core.foundation.fields import TITLES
from core.foundation.following import WritesPaused
from core.foundation.settings import SettingsInvalid
from core.foundation.telemetry import REQUEST_ID, log

PROBLEM = "application/problem+json"
FENCED = "cloudbill.fenced"
"""Left in the ASGI scope of a request that the write fence refused (patience.py)."""

_HTTP_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    431: "headers_too_large",
}
_HTTP_DETAILS = {
    404: "There is nothing at this address. GET /openapi.json lists what there is.",
    405: "This address takes other methods; the header Allow lists them.",
}
_LOG = log("api")
_RETRYABLE_STATES = ("08", "53", "57", "40001", "40P01", "55P03", "25006")
"""SQLSTATE classes and codes after which the same request may succeed: connections, resources, shutdown, conflicts."""


class MalformedJson(CloudBillError):
    """The body is not JSON."""

    status = 400
    code = "malformed_json"
    title = "The body is not valid JSON"

    def __init__(self, detail: str) -> None:
        super().__init__(f"The body is not valid JSON: {detail}.")


class MalformedRequest(CloudBillError):
    """The address or a header cannot be read."""

    status = 400
    code = "malformed_request"
    title = "The request cannot be read"


class BodyTooLarge(CloudBillError):
    """More than MAX_BODY_BYTES."""

    status = 413
    code = "body_too_large"
    title = "The body is too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body may have at most {limit_bytes} bytes.")


_HTTP_TITLES = {413: BodyTooLarge.title}
"""Where the framework passes on what is an error of ours."""


class WrongMediaType(CloudBillError):
    """A body that is not JSON."""

    status = 415
    code = "unsupported_media_type"
    title = "The body must be JSON"

    def __init__(self) -> None:
        super().__init__("Send the body as JSON with the header Content-Type: application/json.")


def problem(
    status: int,
    *,
    code: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """An error as it is sent."""
    document = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "requestId": REQUEST_ID.get(),
        **(extra or {}),
    }
    return Response(orjson.dumps(document, default=str), status, dict(headers or {}), PROBLEM)


def of_error(error: CloudBillError) -> Response:
    """One of our own errors as it is sent."""
    return problem(
        error.status, code=error.code, title=error.title, detail=error.detail, headers=error.headers, extra=error.extra
    )


def translate(error: Exception) -> CloudBillError | None:
    """What an error of a library means to the caller, or None where it is ours to mend."""
    if isinstance(error, CloudBillError):
        return error
    if isinstance(error, sql.TimeoutError | psycopg_pool.PoolTimeout):
        return Unavailable("All database connections are in use. Try again in a moment.")
    if is_fenced(error):
        return WritesPaused()
    if isinstance(error, sql.DBAPIError):
        if error.connection_invalidated:
            return Unavailable("The database does not answer. Try again in a moment.")
        return translate(error.orig) if isinstance(error.orig, Exception) else None
    if isinstance(error, psycopg.Error):
        state = error.sqlstate
        if state is None:
            lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
            return Unavailable("The database does not answer. Try again in a moment.") if lost else None
        if state.startswith(_RETRYABLE_STATES):
            return Unavailable("The database could not do this now. Try again in a moment.")
        return None
    if isinstance(error, RedisError):
        return Unavailable("The cache does not answer. Try again in a moment.")
    return None


def install(app: FastAPI) -> None:
    """Registers the translations; the last resort is in the edge, around everything."""
    app.add_exception_handler(CloudBillError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in (sql.SQLAlchemyError, psycopg.Error, psycopg_pool.PoolTimeout, RedisError, SettingsInvalid):
        app.add_exception_handler(kind, _library)


async def _ours(_request: Request, error: Exception) -> Response:
    return of_error(cast("CloudBillError", error))


async def _library(request: Request, error: Exception) -> Response:
    if is_fenced(error):
        request.scope[FENCED] = True
    return answer_to(error)


async def _http(request: Request, error: Exception) -> Response:
    error = cast("HTTPException", error)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_at(request))
    title = _HTTP_TITLES.get(error.status_code) or HTTPStatus(error.status_code).phrase
    detail = _HTTP_DETAILS.get(error.status_code) or str(error.detail)
    code = _HTTP_CODES.get(error.status_code, "http_error")
    return problem(error.status_code, code=code, title=title, detail=detail, headers=headers)


def _methods_at(request: Request) -> list[str]:
    # Starlette names the methods of the first route at this address only; the others may stand in routes of their own.
    path = request.url.path
    # An address without parameters is nobody's id.
    routes = [route for route in request.app.router.routes if isinstance(route, Route)]
    here = [route for route in routes if route.path == path] or [r for r in routes if r.path_regex.match(path)]
    return sorted({method for route in here for method in route.methods or ()})


async def _invalid(_request: Request, error: Exception) -> Response:
    entries = cast("RequestValidationError", error).errors()
    if entries and entries[0]["type"] == "json_invalid":
        return of_error(MalformedJson(f"{entries[0]['ctx']['error']} at byte {entries[0]['loc'][1]}"))
    found = [_line(entry) for entry in entries]
    first = found[0] if found else {"field": "body", "message": "is not valid"}
    code = entries[0]["type"] if entries and entries[0]["type"] in TITLES else "invalid_input"
    return problem(
        422,
        code=code,
        title=TITLES.get(code, "The request is not valid"),
        detail=f"{first['field']}: {first['message']}",
        extra={"errors": found},
    )


def answer_to(error: Exception) -> Response:
    """The answer to an error that no handler knows: translated, or `internal` with a log line."""
    known = translate(error)
    if known is not None:
        if known.status >= 500:
            _LOG.warning("unavailable", cause=type(error).__name__, detail=known.detail)
        return of_error(known)
    _LOG.error("unhandled_error", error=type(error).__name__, exc_info=error)
    return problem(
        500,
        code="internal",
        title="Something went wrong on our side",
        detail="The request failed and nothing was changed by its last step. Quote the requestId when you report it.",
    )


def _line(entry: Mapping[str, Any]) -> dict[str, str]:
    # The caller's value is left out on purpose: it may be a password.
    where = [str(part) for part in entry["loc"]]
    if len(where) > 1 and where[0] in ("body", "query", "path", "header"):
        where = where[1:]
    message = _length_of_text(entry) or _form_of_text(entry) or str(entry["msg"]).removeprefix("Value error, ")
    return {"field": ".".join(where), "message": _shown(message)}


def _length_of_text(entry: Mapping[str, Any]) -> str:
    """Pydantic counts the "items" of a text whose length is looked at after another check of it."""
    end, bound = {"too_short": ("least", "min_length"), "too_long": ("most", "max_length")}.get(entry["type"], ("", ""))
    if not end or not isinstance(entry.get("input"), str):
        return ""
    length = entry["ctx"][bound]
    return f"String should have at {end} {length} character{'' if length == 1 else 's'}"


_FORMS = {
    r"^[a-z0-9][a-z0-9-]{0,62}$": "at most 63 lower-case letters, digits and hyphens, the first no hyphen",
    r"^[a-z0-9][a-z0-9_.-]{0,62}$": "at most 63 lower-case letters, digits, hyphens, dots and underscores",
    r"^[a-z0-9][a-z0-9-]{1,62}$": "2 to 63 lower-case letters, digits and hyphens, the first no hyphen",
    r"^\+[1-9][0-9]{6,14}$": "with its country, such as +4930123456",
    r"^[a-z]{2}(-[A-Z]{2})?$": "a language such as de or en-GB",
    "^[A-Z]{3}$": "three capital letters, such as EUR",
    "^[A-Z]{2}$": "two capital letters, such as DE",
    r"^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$": "a BIC of 8 or 11 characters",
    r"^[A-Z0-9][A-Z0-9/-]{0,15}$": "at most 16 capital letters, digits, hyphens and slashes, such as INV-",
    r"^https?://[^\s]{3,200}$": "an address such as https://example.com",
    r"^#[0-9a-fA-F]{6}$": "a colour such as #1f4e79",
    r"\S": "something to read",
}
"""What a text has to look like, for a reader; a form that is not here is told as its pattern."""


def _form_of_text(entry: Mapping[str, Any]) -> str:
    form = _FORMS.get(entry["ctx"]["pattern"], "") if entry["type"] == "string_pattern_mismatch" else ""
    return form and f"Should be {form}"


def _shown(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
