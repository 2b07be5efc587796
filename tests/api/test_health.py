"""Health, readiness and metrics, in the words that callers already use."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.api.app import create_app
from tests.support import lifespan
from tests.support.callers import Caller


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/health", "cloudbill"),
        ("/auth/health", "auth"),
        ("/billing/health", "billing"),
        ("/payment/health", "payment"),
        ("/notification/health", "notification"),
    ],
)
async def test_each_group_says_that_it_is_served(api: httpx.AsyncClient, path: str, service: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 200
    assert answer.json() == {"status": "healthy", "service": service}


async def test_ready(api: httpx.AsyncClient) -> None:
    answer = await api.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"database": "healthy", "cache": "healthy", "migrations": "healthy"},
    }


@pytest.mark.parametrize("path", ["/health", "/readyz", "/api/v1/actuator/health"])
async def test_a_monitor_may_ask_for_the_headers_only(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.head(path)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["", "/liveness", "/readiness"])
async def test_actuator(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"/api/v1/actuator/health{path}")
    assert (answer.status_code, answer.json()) == (200, {"status": "UP"})


async def test_metrics_name_routes_by_their_template(api: httpx.AsyncClient, tenant: Caller) -> None:
    await tenant.delete("/auth/api-keys/00000000-0000-7000-8000-000000000000")
    await api.get("/nothing/of/the/kind")
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = answer.text.splitlines()
    assert any(
        line.startswith(
            'cloudbill_http_requests_total{method="DELETE",route="/auth/api-keys/{api_key_id}",status="404"}'
        )
        for line in lines
    )
    assert any(line.startswith('cloudbill_http_requests_total{method="ANY",route="unmatched"') for line in lines)
    for name in (
        "cloudbill_sign_ins_total",
        'cloudbill_sign_in_failures_total{reason="credentials"}',
        'cloudbill_rate_limit_fallback_total{limit="requests"}',
        'cloudbill_rate_limit_fallback_total{limit="sign_in"}',
        'cloudbill_database_pool_connections{role="app",state="most"}',
        "cloudbill_http_request_seconds_bucket",
    ):
        assert any(line.startswith(name) for line in lines), name
    assert "of/the/kind" not in answer.text


async def test_metrics_may_need_a_token(make_settings: Callable[..., Any], cache: Any) -> None:
    application = create_app(make_settings(metrics_token="scrape-me"))
    async with lifespan.started(application), lifespan.client_of(application) as api:
        refused = await api.get("/metrics")
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert (await api.get("/metrics", headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await api.get("/metrics", headers={"Authorization": "Bearer scrape-me"})).status_code == 200
