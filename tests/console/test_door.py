"""Nobody comes in without signing in, no other site speaks in somebody's name, and nothing leads elsewhere."""

from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import quote

import httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGone

from console import door
from console.client import Connection
from console.place import Place
from console.session import COOKIE, Sessions
from core.api.app import create_app
from core.foundation.settings import Settings
from tests.console.conftest import CONSOLE
from tests.support import identity_provider, lifespan
from tests.support.callers import PASSWORD, Caller
from tests.support.identity_provider import IdentityProvider


async def test_a_stranger_is_asked_to_sign_in_and_led_back(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/tenants/acme/usage?span=7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/tenants/acme/usage%3Fspan%3D7")
    assert (await browser.get("/sign-in")).status_code == 200


async def test_the_browser_holds_a_random_name_and_no_token(signed_in: httpx.AsyncClient) -> None:
    value = signed_in.cookies[COOKIE]
    assert len(value) == 43
    assert "." not in value


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser: httpx.AsyncClient, tenant: Caller
) -> None:
    answer = await browser.post("/session", data={"email": tenant.email, "password": PASSWORD})
    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=lax" in attributes
    assert "path=/" in attributes


async def test_a_refusal_goes_back_to_the_form_with_its_reason(browser: httpx.AsyncClient, tenant: Caller) -> None:
    wrong = {"email": tenant.email, "password": "wrong"}
    answer = await browser.post("/session", data=wrong, headers={"referer": f"{CONSOLE}/sign-in?next=/tenants"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/tenants#refused")
    assert "set-cookie" not in answer.headers


async def test_somebody_signed_in_is_led_home(signed_in: httpx.AsyncClient) -> None:
    assert (await signed_in.get("/")).headers["location"] == "/tenants/acme"
    assert (await signed_in.get("/sign-in")).headers["location"] == "/tenants/acme"
    assert (await signed_in.get("/tenants/acme")).status_code == 200


async def test_signing_out_forgets_the_cookie_and_the_session(signed_in: httpx.AsyncClient) -> None:
    answer = await signed_in.post("/session/end")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in#signed-out")
    assert signed_in.cookies.get(COOKIE) is None
    assert (await signed_in.get("/tenants/acme")).status_code == 303


async def test_signing_in_again_ends_the_former_session(
    signed_in: httpx.AsyncClient, tenant: Caller, browser: httpx.AsyncClient
) -> None:
    former = signed_in.cookies[COOKIE]
    await browser.post("/session", data={"email": tenant.email, "password": PASSWORD})
    assert browser.cookies[COOKIE] != former
    browser.cookies.clear()
    assert (await browser.get("/tenants/acme", headers={"cookie": f"{COOKIE}={former}"})).status_code == 303


@pytest.mark.parametrize(
    "onward", ["//evil.test", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", "/sign-in", "evil"]
)
async def test_signing_in_never_leads_elsewhere(browser: httpx.AsyncClient, tenant: Caller, onward: str) -> None:
    form = {"email": tenant.email, "password": PASSWORD}
    asked = {"referer": f"{CONSOLE}/sign-in?next={quote(onward)}"}
    answer = await browser.post("/session", data=form, headers=asked)
    assert answer.headers["location"] == "/tenants/acme"


async def test_whoever_signed_in_goes_on_where_they_wanted_to(browser: httpx.AsyncClient, tenant: Caller) -> None:
    form = {"email": tenant.email, "password": PASSWORD}
    asked = {"referer": f"{CONSOLE}/sign-in?next=/tenants/acme/usage%3Fspan%3D7"}
    answer = await browser.post("/session", data=form, headers=asked)
    assert answer.headers["location"] == "/tenants/acme/usage?span=7"
    answer = await browser.get("/sign-in?next=/tenants/acme/holds")
    assert answer.headers["location"] == "/tenants/acme/holds"


async def test_a_session_that_ended_is_named_and_leads_back(
    signed_in: httpx.AsyncClient, sessions: Sessions, tenant: Caller
) -> None:
    await sessions.forget(signed_in.cookies[COOKIE])
    answer = await signed_in.get("/tenants/acme/holds")
    assert answer.headers["location"] == "/sign-in?next=/tenants/acme/holds#expired"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "http://console.test:8081"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_another_site_cannot_send_a_form(
    signed_in: httpx.AsyncClient, tenant: Caller, headers: dict[str, str]
) -> None:
    assert (await signed_in.post("/session/end", headers=headers)).status_code == 403
    wanted = {"email": tenant.email, "password": PASSWORD}
    assert (await signed_in.post("/session", data=wanted, headers=headers)).status_code == 403
    assert (await signed_in.get("/tenants/acme")).status_code == 200


async def test_another_site_cannot_open_a_socket(browser: httpx.AsyncClient) -> None:
    house: door.Door = browser._transport.app
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(b"host", b"console.test"), (b"origin", b"https://evil.test")]
    scope = {"type": "websocket", "path": "/_event", "query_string": b"", "headers": headers}
    await house(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 4403}]


async def test_our_own_pages_may_send_forms(browser: httpx.AsyncClient, tenant: Caller) -> None:
    headers = {"origin": "http://console.test", "sec-fetch-site": "same-origin"}
    answer = await browser.post("/session", data={"email": tenant.email, "password": PASSWORD}, headers=headers)
    assert answer.headers["location"] == "/tenants/acme"


async def test_pages_run_no_script_but_their_own(browser: httpx.AsyncClient) -> None:
    policy = (await browser.get("/sign-in")).headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "unsafe-eval" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_a_cache_that_is_down_is_named(browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        async def find(self, session_id: str | None) -> None:
            raise RedisGone

        async def are_reachable(self) -> bool:
            return False

    assert (await browser.get("/health")).json() == {"status": "healthy", "redis": True}
    monkeypatch.setattr(door, "sessions", Gone)
    assert (await browser.get("/health")).status_code == 503
    answer = await browser.get("/tenants")
    assert answer.status_code == 503
    assert "Redis is down" in answer.text
    assert "cloudbill status" in answer.text


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityProvider]:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    with identity_provider.running() as provider:
        yield provider


@pytest.fixture
async def linking(
    make_settings: Callable[..., Settings],
    cache: object,
    elsewhere: IdentityProvider,
    browser: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[httpx.AsyncClient]:
    """The API of an installation that Google signs people in to, and a console before it."""
    settings = make_settings(**elsewhere.settings(), api_url="http://api.test", console_url=CONSOLE)
    application = create_app(settings)
    redis = Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=True)
    place = Place(api_url="http://api.test", console_url=CONSOLE, redis_url="")
    async with lifespan.started(application), lifespan.client_of(application) as api:
        monkeypatch.setattr(door, "sessions", lambda: Sessions(redis, Connection(api)))
        monkeypatch.setattr(door, "place", lambda: place)
        yield api
    await redis.aclose()


async def _through(browser: httpx.AsyncClient, api: httpx.AsyncClient, onward: str = "") -> httpx.Response:
    """The way of a browser: from the console to the API, to Google, back to the API, back to the console."""
    begun = await browser.get("/session/with/google", headers={"referer": f"{CONSOLE}/sign-in?next={onward}"})
    started = await api.get(begun.headers["location"])
    async with httpx.AsyncClient() as plain:
        led = await plain.get(started.headers["location"])
    handed = await api.get(led.headers["location"])
    return await browser.get(handed.headers["location"])


async def _register(api: httpx.AsyncClient) -> None:
    started = await api.get("/auth/google/start?purpose=register&tenantId=acme")
    async with httpx.AsyncClient() as plain:
        led = await plain.get(started.headers["location"])
    assert "handover=" in (await api.get(led.headers["location"])).headers["location"]


async def test_an_account_elsewhere_opens_the_door(browser: httpx.AsyncClient, linking: httpx.AsyncClient) -> None:
    await _register(linking)
    answer = await _through(browser, linking, onward="/tenants/acme/usage")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tenants/acme/usage")
    assert (await browser.get("/tenants/acme")).status_code == 200
    assert all(".ey" not in value for value in browser.cookies.values())


async def test_an_account_that_nobody_linked_is_told_at_the_form(
    browser: httpx.AsyncClient, linking: httpx.AsyncClient
) -> None:
    answer = await _through(browser, linking, onward="/tenants")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/tenants#not-linked")


async def test_nobody_is_signed_in_by_an_address_that_somebody_else_sends(
    browser: httpx.AsyncClient, linking: httpx.AsyncClient
) -> None:
    await _register(linking)
    begun = await browser.get("/session/with/google")
    started = await linking.get(begun.headers["location"])
    async with httpx.AsyncClient() as plain:
        led = await plain.get(started.headers["location"])
    address = (await linking.get(led.headers["location"])).headers["location"]
    browser.cookies.clear()  # the browser of somebody else
    answer = await browser.get(address)
    assert answer.headers["location"] == "/sign-in#elsewhere"
    assert browser.cookies.get(COOKIE) is None


async def test_a_provider_without_a_client_leads_back_to_the_form(
    browser: httpx.AsyncClient, linking: httpx.AsyncClient
) -> None:
    answer = await browser.get("/session/with/microsoft")
    assert answer.headers["location"] == "/sign-in#elsewhere"
