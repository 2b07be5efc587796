"""Rate limits: exact for a caller, counted for each caller apart, told in headers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from core.api.app import create_app
from core.api.limits import Limits
from core.foundation.settings import Settings
from tests.support import callers, lifespan
from tests.support.callers import Caller


@pytest.fixture
async def api(make_settings: Callable[..., Any], cache: Redis) -> AsyncIterator[httpx.AsyncClient]:
    application = create_app(make_settings(rate_limit_max_requests=100))
    async with lifespan.started(application), lifespan.client_of(application) as client:
        yield client


async def test_the_hundred_and_first_request_is_refused_and_says_when_to_come_back(tenant: Caller) -> None:
    answers = [await tenant.get("/auth/me") for _ in range(101)]
    assert [answer.status_code for answer in answers] == [200] * 100 + [429]
    first, last, refused = answers[0], answers[99], answers[100]
    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("100", "99")
    assert (last.headers["x-ratelimit-limit"], last.headers["x-ratelimit-remaining"]) == ("100", "0")
    assert [int(answer.headers["ratelimit-remaining"]) for answer in answers[:100]] == list(range(99, -1, -1))
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["content-type"] == "application/problem+json"
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 60
    assert refused.headers["ratelimit-reset"] == str(wait)
    assert abs(int(refused.headers["x-ratelimit-reset"]) - time.time() - wait) < 2


async def test_many_at_once_are_counted_exactly(tenant: Caller) -> None:
    answers = await asyncio.gather(*(tenant.get("/auth/me") for _ in range(130)))
    assert sum(answer.status_code == 200 for answer in answers) == 100
    assert sum(answer.status_code == 429 for answer in answers) == 30


async def test_callers_are_counted_apart(api: httpx.AsyncClient, tenant: Caller, other: Caller) -> None:
    for _ in range(101):
        await tenant.get("/auth/me")
    assert (await tenant.get("/auth/me")).status_code == 429
    assert (await other.get("/auth/me")).status_code == 200
    assert (await api.get("/.well-known/jwks.json")).status_code == 200  # signed out: the address


async def test_a_key_has_its_own_limit(tenant: Caller) -> None:
    key = await callers.issue_key(tenant, "usage:read", rateLimit=3)
    answers = [await key.get("/auth/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-limit"] == "3"


async def test_the_signed_out_are_counted_by_address_and_so_are_bad_credentials(api: httpx.AsyncClient) -> None:
    answers = [await api.get("/auth/me", headers={"Authorization": f"Bearer {number}"}) for number in range(60)]
    answers += [await api.get("/nothing") for _ in range(41)]
    assert [answer.status_code for answer in answers] == [401] * 60 + [404] * 40 + [429]


async def test_health_and_metrics_are_not_limited(api: httpx.AsyncClient) -> None:
    for _ in range(101):
        await api.get("/nothing")
    for path in ("/health", "/readyz", "/metrics", "/auth/health", "/api/v1/actuator/health"):
        answer = await api.get(path)
        assert answer.status_code == 200
        assert "ratelimit-limit" not in answer.headers
    assert (await api.get("/nothing")).status_code == 429


async def test_several_processes_together_never_admit_more(settings: Settings, cache: Redis) -> None:
    processes = [Limits(cache, window_ms=60_000) for _ in range(3)]

    async def ask(limits: Limits) -> bool:
        decided = limits.admit_now("user:1", 50) or await limits.admit("user:1", 50)
        return decided.admitted

    admitted = sum(await asyncio.gather(*(ask(processes[number % 3]) for number in range(120))))
    # Each of the others may keep the rest of its last lease, at most a tenth of the limit.
    assert 50 - 2 * 5 <= admitted <= 50


async def test_a_new_window_begins_when_the_old_one_is_over(settings: Settings, cache: Redis) -> None:
    limits = Limits(cache, window_ms=200)

    async def ask() -> bool:
        decided = limits.admit_now("user:1", 2) or await limits.admit("user:1", 2)
        return decided.admitted

    assert [await ask() for _ in range(3)] == [True, True, False]
    await asyncio.sleep(0.25)
    assert [await ask() for _ in range(3)] == [True, True, False]


async def test_a_refusal_needs_no_cache(settings: Settings, cache: Redis) -> None:
    limits = Limits(cache, window_ms=60_000)
    for _ in range(3):
        await limits.admit("user:1", 2)
    await cache.flushdb()
    refused = limits.admit_now("user:1", 2)
    assert refused is not None
    assert not refused.admitted
