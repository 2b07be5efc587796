"""Accepting an invitation: the form of somebody who was invited. It works without JavaScript, as signing in does."""

from __future__ import annotations

from urllib.parse import urlencode

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from console.client import ApiRefused, ApiUnreachable
from console.place import place
from console.session import COOKIE, LIFE_SECONDS, session_id_of, sessions

PAGE = "/join"
REASONS = {
    "invitation_invalid": "invitation",
    "password_refused": "easy-password",
    "invalid_credentials": "known",
    "sign_in_slowed": "slow-down",
    "forbidden": "installation",
}
FIELDS = {"email": "email", "tenant": "tenantId", "word": "invitationToken", "name": "name", "password": "password"}


def link(*, email: str, tenant_id: str, word: str) -> str:
    """Where an invitation is accepted, for whoever is invited."""
    return f"{place().console_url}{PAGE}?{urlencode({'tenant': tenant_id, 'email': email, 'word': word})}"


async def join(request: Request) -> Response:
    """Register with the invitation and go on to the tenant; what is refused goes back to the form, named."""
    form = await request.form()
    given = {name: str(form.get(name) or "").strip() for name in FIELDS}
    given["password"] = str(form.get("password") or "")
    wanted = {FIELDS[name]: value for name, value in given.items() if value}
    try:
        session = await sessions().join(wanted, forwarded_for=forwarded_for(request))
        await sessions().close(session_id_of(request.headers.get("cookie", "")))
    except ApiUnreachable:
        return _again(given, "unreachable")
    except ApiRefused as refused:
        return _again(given, REASONS.get(refused.code, "refused"))
    except RedisError:
        return PlainTextResponse("Redis is down: nobody can sign in.\n", status_code=503)
    response = RedirectResponse(session.viewer.home, status_code=303)
    response.set_cookie(
        COOKIE, session.session_id, max_age=LIFE_SECONDS, httponly=True, samesite="lax", secure=place().secure
    )
    return response


def forwarded_for(request: Request) -> str:
    """Who asks, as a proxy says it: the API limits sign-ins by address, and ours would stand for everybody's."""
    peer = request.client.host if request.client else ""
    return ", ".join(filter(None, (request.headers.get("x-forwarded-for"), peer)))


def _again(given: dict[str, str], reason: str) -> Response:
    kept = {name: given[name] for name in ("tenant", "email", "word") if given[name]}
    return RedirectResponse(f"{PAGE}?{urlencode(kept)}#{reason}", status_code=303)
