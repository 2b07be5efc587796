"""The console's sign-ins against the real API and the real cache, and its door without the pages behind it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from console import account, door
from console.client import Connection
from console.place import Place
from console.session import Sessions
from tests.support.callers import PASSWORD, Caller

CONSOLE = "http://console.test"


@pytest.fixture
async def sessions(api: httpx.AsyncClient, settings: object) -> AsyncIterator[Sessions]:
    """The console's sessions, kept as the console keeps them."""
    redis = Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=True)
    yield Sessions(redis, Connection(api))
    await redis.aclose()


@pytest.fixture
async def browser(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody's browser before the console's door; every page behind it answers with its own address."""
    for room in (door, account):
        monkeypatch.setattr(room, "sessions", lambda: sessions)

    async def page(request: object) -> PlainTextResponse:
        return PlainTextResponse(request.url.path)

    (tmp_path / "sign-in").mkdir()
    (tmp_path / "sign-in" / "index.html").write_text("<script>let built = 1</script><script src='/x.js'></script>")
    house = Starlette(routes=[*door.routes, Route("/{path:path}", page)])
    place = Place(api_url="http://api.test", console_url=CONSOLE, redis_url="")
    transport = httpx.ASGITransport(app=door.Door(house, place=place, pages=tmp_path))
    headers = {"accept": "text/html"}
    async with httpx.AsyncClient(transport=transport, base_url=CONSOLE, headers=headers) as client:
        yield client


@pytest.fixture
async def signed_in(browser: httpx.AsyncClient, tenant: Caller) -> httpx.AsyncClient:
    """The same browser once the owner of `acme` has signed in."""
    answer = await browser.post("/session", data={"email": tenant.email, "password": PASSWORD})
    assert answer.headers["location"] == "/tenants/acme"
    return browser
