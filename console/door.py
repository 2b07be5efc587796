"""The console's door: who may come in, and the form that lets them.

`routes` are plain HTTP so that signing in and out works without JavaScript. `Door` stands before everything else:
it refuses what other sites send, asks strangers to sign in before any page is served, and sets the headers.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from redis.exceptions import RedisError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console import account, branding, documents, joining, metrics
from console.client import ApiRefused, ApiUnreachable
from console.joining import forwarded_for
from console.place import Place, place
from console.session import COOKIE, LIFE_SECONDS, Session, session_id_of, sessions

SIGN_IN, JOIN = "/sign-in", joining.PAGE
BEGUN = "cloudbill_begun"
"""The cookie of a browser that has gone to sign in elsewhere: a nonce, and where it wanted to go."""
NONCE_LENGTH = 32
REFUSED_ELSEWHERE = {"identity_unknown": "not-linked", "identity_email_taken": "not-linked"}
SAFE = ("GET", "HEAD", "OPTIONS")
NOT_PAGES = ("/assets/", "/session", "/_", "/ping", "/health", "/metrics")
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)

NO_REDIS = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>Redis is down · CloudBill</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;
padding:0 1.5rem}code{font-size:.95em}</style>
<h1>Redis is down</h1><p>The console keeps its sign-ins there, so it cannot show anything. No money, usage or ledger
entry is affected: those are in PostgreSQL, and the API goes on working.</p>
<p>Look with <code>cloudbill status</code>, start Redis again, and this page comes back by itself.</p></html>"""


def without_redis() -> Response:
    """Says plainly what is down."""
    return HTMLResponse(NO_REDIS, status_code=503, headers={"retry-after": "5"})


async def sign_in(request: Request) -> Response:
    """Take the sign-in form; a wrong password goes back to the form with the reason in the address's fragment."""
    form = await request.form()
    email, password = (str(form.get(name) or "") for name in ("email", "password"))
    onward = _asked_for(urlsplit(request.headers.get("referer", "")).query)
    try:
        session = await sessions().open(email.strip(), password, forwarded_for=forwarded_for(request))
        await sessions().close(session_id_of(request.headers.get("cookie", "")))
    except ApiUnreachable:
        metrics.SIGN_INS.labels("unreachable").inc()
        return _back_to_form("unreachable", onward)
    except ApiRefused as refused:
        slowed = refused.status == 429
        metrics.SIGN_INS.labels("slowed_down" if slowed else "refused").inc()
        return _back_to_form("slow-down" if slowed else "refused", onward)
    except RedisError:
        metrics.SIGN_INS.labels("no_cache").inc()
        return without_redis()
    return _let_in(session, onward)


async def begin_elsewhere(request: Request) -> Response:
    """Send the browser to sign in with an account elsewhere; only this browser can come back from there."""
    wanted = request.path_params["provider"]
    onward = _asked_for(urlsplit(request.headers.get("referer", "")).query)
    try:
        start = next((one["startUrl"] for one in await sessions().providers() if one["provider"] == wanted), "")
    except (ApiUnreachable, ApiRefused):
        return _back_to_form("unreachable", onward)
    if not start:
        return _back_to_form("elsewhere", onward)
    nonce = secrets.token_urlsafe(24)
    back = f"{place().console_url}/session/oauth?{urlencode({'nonce': nonce})}"
    response = RedirectResponse(f"{start}?{urlencode({'returnTo': back})}", status_code=303)
    response.set_cookie(
        BEGUN, f"{nonce}{onward}", max_age=600, path="/session", httponly=True, samesite="lax", secure=place().secure
    )
    return response


async def end_elsewhere(request: Request) -> Response:
    """Take what the API handed over to this browser."""
    kept = request.cookies.get(BEGUN, "")
    nonce, onward = kept[:NONCE_LENGTH], _own_path(kept[NONCE_LENGTH:])
    given = request.query_params
    is_ours = len(nonce) == NONCE_LENGTH and secrets.compare_digest(nonce, given.get("nonce", ""))
    if not is_ours or "handover" not in given:
        metrics.SIGN_INS.labels("refused").inc()
        reason = REFUSED_ELSEWHERE.get(given.get("error", ""), "elsewhere") if is_ours else "elsewhere"
        return _without_beginning(_back_to_form(reason, onward))
    try:
        session = await sessions().redeem(given["handover"])
        await sessions().close(session_id_of(request.headers.get("cookie", "")))
    except ApiUnreachable:
        metrics.SIGN_INS.labels("unreachable").inc()
        return _without_beginning(_back_to_form("unreachable", onward))
    except ApiRefused:
        metrics.SIGN_INS.labels("refused").inc()
        return _without_beginning(_back_to_form("elsewhere", onward))
    except RedisError:
        metrics.SIGN_INS.labels("no_cache").inc()
        return without_redis()
    return _without_beginning(_let_in(session, onward))


def _let_in(session: Session, onward: str) -> Response:
    metrics.SIGN_INS.labels("signed_in").inc()
    response = RedirectResponse(onward or session.viewer.home, status_code=303)
    response.set_cookie(
        COOKIE, session.session_id, max_age=LIFE_SECONDS, httponly=True, samesite="lax", secure=place().secure
    )
    return response


def _without_beginning(response: Response) -> Response:
    response.delete_cookie(BEGUN, path="/session", httponly=True, samesite="lax", secure=place().secure)
    return response


async def sign_out(request: Request) -> Response:
    """End the session here and at the API."""
    try:
        await sessions().close(session_id_of(request.headers.get("cookie", "")))
    except RedisError:
        return without_redis()
    response = RedirectResponse(f"{SIGN_IN}#signed-out", status_code=303)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=place().secure)
    return response


async def health(request: Request) -> Response:
    """Whether somebody could sign in and see something: the console answers, and its Redis does."""
    redis = await sessions().are_reachable()
    return JSONResponse({"status": "healthy" if redis else "unhealthy", "redis": redis}, 200 if redis else 503)


routes = [
    Route(documents.PATH, documents.show, methods=["GET"]),
    Route(branding.PATH, branding.put_logo, methods=["POST"]),
    Route("/session/join", joining.join, methods=["POST"]),
    Route("/session/password", account.change_password, methods=["POST"]),
    Route("/health", health, methods=["GET"]),
    Route("/metrics", metrics.show, methods=["GET"]),
    Route("/session", sign_in, methods=["POST"]),
    Route("/session", sign_out, methods=["DELETE"]),
    Route("/session/end", sign_out, methods=["POST"]),
    Route("/session/with/{provider}", begin_elsewhere, methods=["GET"]),
    Route("/session/oauth", end_elsewhere, methods=["GET"]),
]


def _back_to_form(reason: str, onward: str) -> Response:
    query = f"?next={quote(onward)}" if onward else ""
    return RedirectResponse(f"{SIGN_IN}{query}#{reason}", status_code=303)


def _asked_for(query: str) -> str:
    """Where somebody wanted to go; the form's own address says it, so it is known without a script."""
    return _own_path(parse_qs(query).get("next", [""])[0])


def _own_path(onward: str) -> str:
    """A path of this console, or nothing: never an address that leads elsewhere."""
    parts = urlsplit(onward)
    own = onward.startswith("/") and not onward.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return onward if own and parts.path != SIGN_IN else ""


def inline_script_hashes(pages: Iterable[Path]) -> list[str]:
    """What `script-src` must allow for these built pages: the scripts the build itself put into them."""
    scripts = {script for page in pages for script in INLINE_SCRIPT.findall(page.read_text())}
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return sorted(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


class Door:
    """Stands before the whole console."""

    def __init__(self, app: ASGIApp, *, place: Place, pages: Path) -> None:
        self._app, self._place = app, place
        self._built = {f"/{page.parent.relative_to(pages)}" for page in pages.rglob("index.html")}
        script_hashes = inline_script_hashes(pages.rglob("*.html"))
        self._policy = "; ".join(
            (
                "default-src 'self'",
                " ".join(("script-src 'self'", *script_hashes)),
                "style-src 'self' 'unsafe-inline'",
                "img-src 'self' data:",
                "connect-src 'self' ws: wss:",
                "object-src 'none'",
                "base-uri 'self'",
                "form-action 'self'",
                "frame-ancestors 'none'",
            )
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, redirect or let through."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._is_foreign(scope, headers):
            await self._refuse(scope, receive, send)
            return
        if scope["type"] == "websocket":
            async with metrics.counting(send) as counted:
                await self._app(scope, receive, counted)
            return
        answer = await self._instead_of_page(scope, headers)
        if scope["path"] in self._built:
            # Served as it was asked for; the file server would redirect to an absolute address, wrong behind TLS.
            scope = {**scope, "path": scope["path"] + "/"}
        await (answer or self._app)(scope, receive, self._with_headers(scope, send))

    def _is_foreign(self, scope: Scope, headers: Headers) -> bool:
        """Whether another site sent this: a socket or a form with our cookie but not from our pages."""
        if scope["type"] == "http" and scope["method"] in SAFE:
            return False
        if origin := headers.get("origin"):
            return urlsplit(origin).netloc not in (headers.get("host"), self._place.public_host)
        return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4403})
            return
        await PlainTextResponse("This came from another site.\n", status_code=403)(scope, receive, send)

    async def _instead_of_page(self, scope: Scope, headers: Headers) -> Response | None:
        """A redirect where this person should be elsewhere; nothing where the page may be served."""
        path: str = scope["path"]
        wants_page = "text/html" in headers.get("accept", "") and not path.startswith(NOT_PAGES)
        if scope["method"] not in ("GET", "HEAD") or not wants_page:
            return None
        try:
            session_id = session_id_of(headers.get("cookie", ""))
            session = await sessions().find(session_id)
        except RedisError:
            return without_redis()
        onward = _elsewhere(path, scope["query_string"].decode("latin-1"), session, expired=bool(session_id))
        return RedirectResponse(onward, status_code=303) if onward else None

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "same-origin"
                framed = scope["path"].startswith(documents.PREFIX)
                headers["content-security-policy"] = documents.POLICY if framed else self._policy
                hashed = scope["path"].startswith("/assets/") and message["status"] == 200
                headers["cache-control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
                if self._place.secure:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        return sending


def _elsewhere(path: str, query: str, session: Session | None, *, expired: bool) -> str:
    trimmed = path.rstrip("/") or "/"
    if session is None:
        wanted = path + (f"?{query}" if query else "")
        onward = f"?next={quote(wanted)}" if trimmed != "/" else ""
        return "" if trimmed in (SIGN_IN, JOIN) else SIGN_IN + onward + ("#expired" if expired else "")
    if trimmed == SIGN_IN:
        return _asked_for(query) or session.viewer.home
    if trimmed == JOIN:
        return ""
    if trimmed == "/" and session.viewer.home != "/":
        return session.viewer.home
    return ""
