"""One's own password: the form of whoever is signed in. It is taken by the browser's own request, as signing in is."""

from __future__ import annotations

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from console.client import ApiRefused, ApiUnreachable, SignedOut
from console.joining import forwarded_for
from console.place import place
from console.session import COOKIE, LIFE_SECONDS, session_id_of, sessions

PAGE = "/account"
REASONS = {"invalid_credentials": "wrong", "password_refused": "easy"}


async def change_password(request: Request) -> Response:
    """Change it at the API and go on with what that issued; what is refused goes back to the form, named."""
    form = await request.form()
    current, new, again = (str(form.get(name) or "") for name in ("current", "new", "again"))
    if new != again:
        return _back("differ")
    try:
        session = await sessions().change_password(
            session_id_of(request.headers.get("cookie", "")), current, new, forwarded_for=forwarded_for(request)
        )
    except SignedOut:
        return RedirectResponse(f"/sign-in?next={PAGE}#expired", status_code=303)
    except ApiUnreachable:
        return _back("unreachable")
    except ApiRefused as refused:
        return _back("slow-down" if refused.status == 429 else REASONS.get(refused.code, "refused"))
    except RedisError:
        return PlainTextResponse("Redis is down: nobody can sign in.\n", status_code=503)
    response = _back("changed")
    response.set_cookie(
        COOKIE, session.session_id, max_age=LIFE_SECONDS, httponly=True, samesite="lax", secure=place().secure
    )
    return response


def _back(said: str) -> Response:
    return RedirectResponse(f"{PAGE}?said={said}", status_code=303)
