"""Each signal that an alarm listens to changes when the thing happens, and not before."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.foundation.database import Database
from core.foundation.settings import Settings
from tests.support.callers import Caller

Connect = Callable[[str], Awaitable[psycopg.AsyncConnection[Any]]]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def call() -> dict[str, Any]:
    return {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500, "idempotencyKey": uuid4().hex}


async def test_a_charge_that_cannot_be_booked_is_a_reconciliation_error(
    funded_tenant: Caller, connect: Connect
) -> None:
    name = "cloudbill_reconciliation_errors_total"
    before = counted(name, code="internal")
    assert (await funded_tenant.post("/api/usage/reconcile", call())).status_code == 200
    assert (await funded_tenant.post("/api/usage/reconcile", {**call(), "model": "none"})).status_code < 500
    assert counted(name, code="internal") == before

    owner = await connect("owner")
    await owner.execute("REVOKE EXECUTE ON FUNCTION write_ledger FROM cloudbill_app, PUBLIC")
    await owner.commit()
    answer = await funded_tenant.post("/api/usage/reconcile", call())

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert counted(name, code="internal") == before + 1


async def test_a_webhook_that_nobody_signed_is_counted(api: httpx.AsyncClient) -> None:
    before = counted("cloudbill_webhook_events_total", state="refused")

    answer = await api.post("/webhooks/stripe", content=b"{}", headers={"Stripe-Signature": "t=1,v1=00"})

    assert answer.status_code == 400
    assert counted("cloudbill_webhook_events_total", state="refused") == before + 1


async def test_a_sign_in_that_fails_is_counted(api: httpx.AsyncClient, tenant: Caller) -> None:
    def failures() -> float:
        return sum(
            sample.value
            for family in REGISTRY.collect()
            if family.name == "cloudbill_sign_in_failures"
            for sample in family.samples
            if sample.name.endswith("_total")
        )

    before = failures()
    assert (await api.post("/auth/login", json={"email": tenant.email, "password": "wrong"})).status_code == 401
    assert failures() == before + 1


async def test_a_pool_that_runs_dry_is_counted_by_its_role(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(make_settings(db_pool_min=1, db_pool_max=1))
    monkeypatch.setattr(database.app.pool, "_timeout", 0.1)
    before = counted("cloudbill_database_pool_exhausted_total", role="app")
    try:
        async with database.nobody() as first:
            await first.connection()
            with pytest.raises(PoolTimeout):
                async with database.nobody() as second:
                    await second.connection()
        assert counted("cloudbill_database_pool_exhausted_total", role="app") == before + 1
        async with database.nobody() as third:
            await third.connection()
        assert counted("cloudbill_database_pool_exhausted_total", role="app") == before + 1
    finally:
        await database.dispose()
