"""Headers of every answer: request id, security, CORS by allow-list; the caller's address behind proxies."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from core.api.addresses import Addresses, for_limits
from core.api.app import create_app
from core.foundation.settings import SettingsInvalid
from tests.support import lifespan

PAGE = "https://console.example.com"


@pytest.fixture
async def api(make_settings: Callable[..., Any], cache: Any) -> AsyncIterator[httpx.AsyncClient]:
    application = create_app(make_settings(cors_origin=f"{PAGE},https://other.example.com"))
    async with lifespan.started(application), lifespan.client_of(application) as client:
        yield client


async def test_the_request_id_is_taken_over_or_made(api: httpx.AsyncClient) -> None:
    answer = await api.get("/health", headers={"X-Request-Id": "my-request.7"})
    assert answer.headers["x-request-id"] == "my-request.7"
    for bad in ("", "a b", "x" * 129, "<script>", "ü"):
        answer = await api.get("/health", headers={"X-Request-Id": bad.encode()})
        assert len(answer.headers["x-request-id"]) == 36


@pytest.mark.parametrize("path", ["/health", "/nothing", "/auth/me", "/openapi.json"])
async def test_security_headers_are_on_every_answer(api: httpx.AsyncClient, path: str) -> None:
    headers = (await api.get(path)).headers
    assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_nothing_private_is_cached(api: httpx.AsyncClient) -> None:
    assert (await api.get("/auth/me")).headers["cache-control"] == "no-store"
    assert (await api.get("/.well-known/jwks.json")).headers["cache-control"] == "public, max-age=60"


async def test_a_page_on_the_list_may_read_answers_and_their_headers(api: httpx.AsyncClient) -> None:
    headers = (await api.get("/auth/me", headers={"Origin": PAGE})).headers
    assert headers["access-control-allow-origin"] == PAGE
    assert headers["vary"] == "Origin"
    exposed = headers["access-control-expose-headers"].split(", ")
    assert {"X-Request-Id", "Retry-After", "RateLimit-Remaining", "X-RateLimit-Remaining"} <= set(exposed)
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "null", f"{PAGE}.evil.com", "http://console.example.com"]
)
async def test_a_page_not_on_the_list_may_not(api: httpx.AsyncClient, origin: str) -> None:
    headers = (await api.get("/health", headers={"Origin": origin})).headers
    assert "access-control-allow-origin" not in headers
    preflight = await api.options("/auth/login", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert (preflight.status_code, preflight.json()["code"]) == (403, "origin_forbidden")
    assert "access-control-allow-origin" not in preflight.headers


async def test_preflight(api: httpx.AsyncClient) -> None:
    answer = await api.options(
        "/api/usage/reconcile",
        headers={
            "Origin": PAGE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE"
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]


async def test_without_a_list_no_page_may(make_settings: Callable[..., Any], cache: Any) -> None:
    application = create_app(make_settings())
    async with lifespan.started(application), lifespan.client_of(application) as api:
        assert "access-control-allow-origin" not in (await api.get("/health", headers={"Origin": PAGE})).headers


def test_forwarded_addresses_are_believed_from_trusted_proxies_only() -> None:
    behind = Addresses(["10.0.0.0/8", "192.0.2.1", "::1"])
    assert behind.of("203.0.113.9", b"1.2.3.4") == "203.0.113.9"
    assert behind.of("10.1.2.3", b"1.2.3.4") == "1.2.3.4"
    assert behind.of("10.1.2.3", b"6.6.6.6, 1.2.3.4, 10.9.9.9") == "1.2.3.4"
    assert behind.of("192.0.2.1", b"10.0.0.7") == "10.0.0.7"
    assert behind.of("10.1.2.3", b"nonsense, 10.0.0.7") == "10.0.0.7"
    assert behind.of("::1", b"2001:db8::7") == "2001:db8::7"
    assert behind.of(None, b"1.2.3.4") == "unknown"
    assert Addresses([]).of("10.1.2.3", b"1.2.3.4") == "10.1.2.3"
    with pytest.raises(SettingsInvalid, match="TRUSTED_PROXIES"):
        Addresses(["everybody"])


def test_an_ipv6_subscriber_is_one_caller() -> None:
    assert for_limits("2001:db8:1:2:aaaa::1") == for_limits("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert for_limits("::ffff:192.0.2.7") == for_limits("192.0.2.7") == "192.0.2.7"
