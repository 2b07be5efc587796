"""The picture at the head of a tenant's invoices: taken from a form of the browser's own, since it is a file."""

from __future__ import annotations

import base64
from urllib.parse import quote

from redis.exceptions import RedisError
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from console import selling
from console.client import ApiError, SignedOut
from console.session import session_id_of, sessions

PREFIX = "/branding/"
PATH = PREFIX + "{tenant}/logo"
MOST_BYTES = 200_000
"""What the API keeps; more is not read."""


async def put_logo(request: Request) -> Response:
    """Keep the picture, or with none in the form take it away; then back to the settings."""
    tenant = request.path_params["tenant"]
    back = f"/tenants/{quote(tenant, safe='')}/settings"
    try:
        session = await sessions().fresh(session_id_of(request.headers.get("cookie", "")))
        form = await request.form(max_files=1, max_fields=5)
        given = form.get("logo")
        logo: dict[str, str] | None = None
        if isinstance(given, UploadFile) and given.filename:
            content = await given.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                return RedirectResponse(f"{back}?logo=large", status_code=303)
            logo = {"type": given.content_type or "", "content": base64.b64encode(content).decode()}
        elif not form.get("remove"):
            return RedirectResponse(f"{back}?logo=none", status_code=303)
        await selling.put_logo(sessions().client(session, tenant), logo)
    except SignedOut:
        return RedirectResponse(f"/sign-in?next={quote(back)}#expired", status_code=303)
    except ApiError as error:
        reason = "forbidden" if error.status in (403, 404) else "refused" if error.status in (400, 422) else "down"
        return RedirectResponse(f"{back}?logo={reason}", status_code=303)
    except RedisError:
        return PlainTextResponse("Redis is down: the console knows nobody.\n", status_code=503)
    return RedirectResponse(f"{back}?logo=kept", status_code=303)
