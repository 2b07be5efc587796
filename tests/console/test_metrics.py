"""What happens to the console is counted, and /metrics says it to whoever may know."""

import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from console import door, metrics, viewer
from console.client import ApiUnreachable, Client, Connection
from console.place import Place
from console.session import COOKIE, Sessions
from core.foundation.embedded.ports import free_port
from tests.console.conftest import CONSOLE
from tests.support.callers import PASSWORD, Caller


async def scrape(browser: httpx.AsyncClient) -> dict[str, float]:
    """Every sample by its name and labels."""
    answer = await browser.get("/metrics", headers={"accept": "text/html"})
    assert answer.status_code == 200
    samples = re.findall(r"^([^#\s]+) (\S+)$", answer.text, re.M)
    return {name: float(value) for name, value in samples}


async def grown(browser: httpx.AsyncClient, before: dict[str, float]) -> dict[str, float]:
    """What of ours counts more than before; buckets and sums of times aside."""
    after = await scrape(browser)
    return {
        name.removeprefix("cloudbill_console_"): value - before[name]
        for name, value in after.items()
        if name.startswith("cloudbill_console_") and value != before[name]
        if not re.search(r"_(bucket|sum)\b", name)
    }


async def test_the_console_answers_a_scrape_as_the_api_does(browser: httpx.AsyncClient, api: httpx.AsyncClient) -> None:
    answer, other = await browser.get("/metrics"), await api.get("/metrics")
    assert answer.headers["content-type"] == other.headers["content-type"]
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", answer.text, re.M))
    assert {name: kind for name, kind in kinds.items() if name.startswith("cloudbill_console_")} == {
        "cloudbill_console_api_calls_total": "counter",
        "cloudbill_console_api_call_seconds": "histogram",
        "cloudbill_console_event_failures_total": "counter",
        "cloudbill_console_sign_ins_total": "counter",
        "cloudbill_console_connections": "gauge",
    }
    assert kinds["process_resident_memory_bytes"] == "gauge"


async def test_its_metrics_may_need_a_token(browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(api_url="", console_url=CONSOLE, redis_url="", metrics_token="scrape-me")
    monkeypatch.setattr(metrics, "place", lambda: place)
    refused = await browser.get("/metrics")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await browser.get("/metrics", headers={"authorization": "Bearer wrong"})).status_code == 401
    assert (await browser.get("/metrics", headers={"authorization": "Bearer scrape-me"})).status_code == 200
    assert "scrape-me" not in repr(place)


async def test_each_sign_in_is_counted_by_how_it_ended(
    browser: httpx.AsyncClient, tenant: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await scrape(browser)
    await browser.post("/session", data={"email": tenant.email, "password": PASSWORD})
    # The API is asked twice: for the tokens, and who that is.
    signed_in = {
        'sign_ins_total{outcome="signed_in"}': 1,
        'api_calls_total{outcome="answered"}': 2,
        "api_call_seconds_count": 2,
    }
    assert await grown(browser, before) == signed_in

    before = await scrape(browser)
    await browser.post("/session", data={"email": tenant.email, "password": "not this one"})
    refused = {
        'sign_ins_total{outcome="refused"}': 1,
        'api_calls_total{outcome="refused"}': 1,
        "api_call_seconds_count": 1,
    }
    assert await grown(browser, before) == refused

    before = await scrape(browser)
    nowhere = Connection.to(f"http://127.0.0.1:{free_port()}")
    real = door.sessions()
    monkeypatch.setattr(door, "sessions", lambda: Sessions(real._redis, nowhere))
    await browser.post("/session", data={"email": tenant.email, "password": PASSWORD})
    unreachable = {
        'sign_ins_total{outcome="unreachable"}': 1,
        'api_calls_total{outcome="unreachable"}': 1,
        "api_call_seconds_count": 1,
    }
    assert await grown(browser, before) == unreachable


async def test_an_answer_of_5xx_is_a_call_that_failed(browser: httpx.AsyncClient) -> None:
    async def broken(request: Request) -> Response:
        return PlainTextResponse("out of order", status_code=503)

    transport = httpx.ASGITransport(app=Starlette(routes=[Route("/readyz", broken)]))
    before = await scrape(browser)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
        with pytest.raises(ApiUnreachable):
            await Connection(http).ask("GET", "/readyz")
    assert await grown(browser, before) == {'api_calls_total{outcome="failed"}': 1, "api_call_seconds_count": 1}


@pytest.mark.parametrize(
    ("raised", "reason"),
    [(ApiUnreachable("", "", code="api_unreachable"), "api"), (KeyError("figure"), "not_understood")],
)
async def test_an_event_that_fails_is_counted_by_why(
    signed_in: httpx.AsyncClient,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    reason: str,
) -> None:
    monkeypatch.setattr(viewer, "sessions", lambda: sessions)

    async def load(self: Any, api: Client) -> None:
        raise raised

    async def shown(of: type) -> Any:
        return SimpleNamespace(show=lambda session, tenant_id: None)

    headers = SimpleNamespace(cookie=f"{COOKIE}={signed_in.cookies[COOKIE]}")
    page = SimpleNamespace(router=SimpleNamespace(headers=headers), get_state=shown, tenant_slug="acme")
    before = await scrape(signed_in)
    await viewer.asking(lambda viewer, tenant_id: True)(load)(page)
    assert await grown(signed_in, before) == {f'event_failures_total{{reason="{reason}"}}': 1}
    viewer.log_unforeseen(RuntimeError("nobody foresaw it"))
    assert (await grown(signed_in, before))['event_failures_total{reason="unforeseen"}'] == 1


async def test_a_web_socket_is_counted_while_it_is_open(browser: httpx.AsyncClient) -> None:
    seen: list[float] = []

    async def socket(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        seen.append((await scrape(browser))["cloudbill_console_connections"])
        raise ConnectionResetError  # a browser that is gone says no farewell

    house: door.Door = browser._transport.app
    monitored = door.Door(socket, place=house._place, pages=door.Path("/nonexistent"))
    before = (await scrape(browser))["cloudbill_console_connections"]

    async def send(message: Any) -> None:
        return None

    headers = [(b"host", b"console.test"), (b"origin", CONSOLE.encode())]
    scope = {"type": "websocket", "path": "/_event", "query_string": b"", "headers": headers}
    with pytest.raises(ConnectionResetError):
        await monitored(scope, send, send)
    assert seen == [before + 1]
    assert (await scrape(browser))["cloudbill_console_connections"] == before
