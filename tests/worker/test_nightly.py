"""What the worker tidies up at night, and what it leaves alone."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg

from core.foundation.clock import wall_now
from core.foundation.jobs import defer
from core.foundation.runtime import Runtime
from core.worker.app import run_until_idle
from tests.support.callers import Caller

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]


async def run_now(runtime: Runtime, task: str) -> None:
    async with runtime.database.nobody() as session:
        await defer(session, task, timestamp=0)
    await run_until_idle(runtime)


async def test_answers_of_more_than_thirty_days_are_forgotten(
    runtime: Runtime, tenant: Caller, other: Caller, connect: Connect
) -> None:
    for caller in (tenant, other):
        for key in ("old", "new"):
            answer = await caller.request(
                "POST",
                "/billing/subscriptions",
                json={"planId": "starter", "tenantId": caller.tenant},
                headers={"Idempotency-Key": key},
            )
            assert answer.status_code == 201, answer.text
    async with await connect("admin") as connection:
        await connection.execute(
            "UPDATE idempotency_keys SET created_at = now() - interval '31 days' WHERE key = 'old'"
        )

    await run_now(runtime, "records:remove_over_time")

    async with await connect("admin") as connection:
        left = await (await connection.execute("SELECT key, count(*) FROM idempotency_keys GROUP BY key")).fetchall()
    assert left == [("new", 2)]


async def test_sign_ins_whose_tokens_expired_long_ago_are_forgotten(
    runtime: Runtime, tenant: Caller, other: Caller, connect: Connect
) -> None:
    long_ago = wall_now() - timedelta(days=31)
    async with await connect("admin") as connection:
        await connection.execute(
            "UPDATE refresh_tokens SET expires_at = %s WHERE sign_in_id IN (SELECT s.id FROM sign_ins s "
            "JOIN tenants t ON t.id = s.tenant_id WHERE t.slug = %s)",
            (long_ago, tenant.tenant),
        )

    await run_now(runtime, "records:remove_over_time")

    async with await connect("admin") as connection:
        left = await (
            await connection.execute("SELECT t.slug FROM sign_ins s JOIN tenants t ON t.id = s.tenant_id")
        ).fetchall()
    assert left == [(other.tenant,)]


async def test_a_year_of_partitions_lies_ahead_each_with_row_security(runtime: Runtime, connect: Connect) -> None:
    last = f"usage_events_{wall_now() + timedelta(days=360):%Y_%m}"
    async with await connect("admin") as connection:
        await connection.execute(f"DROP TABLE IF EXISTS {last}")

    await run_now(runtime, "metering:make_partitions")

    async with await connect("admin") as connection:
        row = await (
            await connection.execute(
                "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = %s", (last,)
            )
        ).fetchone()
    assert row == (True, True)
