"""What is down is said: 503 with Retry-After, readiness, and limits that go on without the cache."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from core.api.app import create_app
from core.foundation.database import UnsafeRole
from core.foundation.settings import Settings
from core.foundation.telemetry import RATE_LIMIT_FALLBACK
from tests.api.proxy import proxy_to
from tests.support import callers, lifespan


async def test_a_database_that_goes_away_is_503_and_comes_back(
    make_settings: Callable[..., Any], settings: Settings, cache: Any
) -> None:
    async with proxy_to(settings.app_url) as proxy:
        application = create_app(make_settings(database_app_url=proxy.through(settings.app_url)))
        async with lifespan.started(application), lifespan.client_of(application) as api:
            owner = await callers.sign_up(api, "acme")
            await proxy.cut()
            for answer in (
                await owner.get("/auth/members"),
                await api.post("/auth/login", json={"email": "a@example.com", "password": "Test123!"}),
                await api.get("/auth/members", headers={"Authorization": "Bearer cbk_abc_def"}),
            ):
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                assert answer.headers["retry-after"] == "2"
            ready = await api.get("/readyz")
            assert ready.status_code == 503
            assert ready.json() == {
                "status": "not_ready",
                "checks": {"database": "unhealthy", "cache": "healthy", "migrations": "unhealthy"},
            }
            actuator = await api.get("/api/v1/actuator/health/readiness")
            assert (actuator.status_code, actuator.json()) == (503, {"status": "DOWN"})
            assert (await api.get("/health")).json() == {"status": "healthy", "service": "cloudbill"}
            assert (await api.get("/api/v1/actuator/health/liveness")).json() == {"status": "UP"}
            await proxy.open()
            assert (await owner.get("/auth/members")).status_code == 200
            assert (await api.get("/readyz")).status_code == 200


async def test_a_pool_that_is_used_up_is_503(
    make_settings: Callable[..., Any], cache: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = create_app(make_settings(db_pool_min=1, db_pool_max=1))
    async with lifespan.started(application), lifespan.client_of(application) as api:
        owner = await callers.sign_up(api, "acme")
        database = application.state.runtime.database
        monkeypatch.setattr(database.app.pool, "_timeout", 0.2)
        async with database.nobody() as session:
            await session.connection()
            answer = await owner.get("/auth/members")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert (await owner.get("/auth/members")).status_code == 200


async def test_without_the_cache_requests_are_served_and_limited_by_the_process(
    make_settings: Callable[..., Any], settings: Settings, cache: Any
) -> None:
    async with proxy_to(settings.cache_url) as proxy:
        changes = {"redis_url": proxy.through(settings.cache_url), "rate_limit_max_requests": 20}
        application = create_app(make_settings(**changes))
        async with lifespan.started(application), lifespan.client_of(application) as api:
            owner = await callers.sign_up(api, "acme")
            for _ in range(5):
                assert (await owner.get("/auth/me")).status_code == 200
            await proxy.cut()
            before = RATE_LIMIT_FALLBACK.labels("requests")._value.get()
            statuses = [(await owner.get("/auth/me")).status_code for _ in range(16)]
            assert statuses == [200] * 15 + [429]
            assert RATE_LIMIT_FALLBACK.labels("requests")._value.get() > before
            ready = await api.get("/readyz")
            assert ready.status_code == 200
            assert ready.json() == {
                "status": "degraded",
                "checks": {"database": "healthy", "cache": "unhealthy", "migrations": "healthy"},
            }
            assert (await callers.sign_in(api, "owner@acme.test")).tenant == "acme"


async def test_a_role_that_row_security_does_not_bind_is_not_served_with(make_settings: Callable[..., Any]) -> None:
    settings = make_settings()
    application = create_app(make_settings(database_app_url=settings.owner_url))
    with pytest.raises((UnsafeRole, RuntimeError), match="owns tables"):
        async with asyncio.timeout(10), lifespan.started(application):
            pass


async def test_a_schema_that_is_not_the_newest_is_not_ready(
    make_settings: Callable[..., Any], cache: Any, connect: Callable[..., Any]
) -> None:
    application = create_app(make_settings())
    async with lifespan.started(application), lifespan.client_of(application) as api:
        admin = await connect("admin")
        await admin.execute("UPDATE alembic_version SET version_num = '0000'")
        await admin.commit()
        answer = await api.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["migrations"]) == (503, "unhealthy")
