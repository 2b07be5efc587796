"""Invoices and credit notes as files: shown inside their page, and kept."""

from __future__ import annotations

from urllib.parse import quote

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from console.client import ApiError, SignedOut
from console.session import session_id_of, sessions

PREFIX = "/documents/"
PATH = PREFIX + "{tenant}/{kind}/{document_id}.{suffix}"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; object-src 'self'; frame-ancestors 'self'"
"""A document loads nothing, and only our own pages frame it."""
KINDS, SUFFIXES = ("invoices", "credit-notes"), ("pdf", "xml")


async def show(request: Request) -> Response:
    """The document as the API gives it to whoever is signed in."""
    tenant_id, kind, document_id, suffix = (
        request.path_params[part] for part in ("tenant", "kind", "document_id", "suffix")
    )
    if kind not in KINDS or suffix not in SUFFIXES:
        return PlainTextResponse("There is no such document.\n", status_code=404)
    try:
        session = await sessions().fresh(session_id_of(request.headers.get("cookie", "")))
        api = sessions().client(session, tenant_id)
        answer = await api.document(f"/billing/{kind}/{quote(document_id, safe='')}/{suffix}")
    except SignedOut:
        return PlainTextResponse("Sign in again to see it.\n", status_code=401)
    except ApiError as error:
        return PlainTextResponse(f"{error.title}\n{error.advice}\n", status_code=error.status or 503)
    except RedisError:
        return PlainTextResponse("Redis is down: the console knows nobody.\n", status_code=503)
    kept = {name: answer.headers[name] for name in ("content-type", "content-disposition") if name in answer.headers}
    return Response(answer.content, headers=kept)
