"""While the write fence is closed the application waits and loses nothing; who waits too long is told to come again."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from core.api.app import create_app
from core.foundation import fence
from core.foundation.following import FENCED_WRITES
from core.foundation.settings import Settings
from tests.support import callers, lifespan
from tests.support.callers import Caller
from tests.support.processes import Process
from tests.support.servers import Servers

USAGE = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 0}


@pytest.fixture
def mover(servers: Servers, database_name: str) -> Iterator[psycopg.Connection[Any]]:
    """Who moves the fence."""
    with psycopg.connect(servers.url("mover", database_name), autocommit=True) as connection:
        yield connection


async def refused_once(mover: psycopg.Connection[Any], *, more_than: int) -> None:
    """Returns when the database has refused another write."""
    for _ in range(500):
        if await asyncio.to_thread(fence.refusals, mover) > more_than:
            return
        await asyncio.sleep(0.01)
    pytest.fail("nothing was refused")


async def test_charges_and_sessions_wait_for_the_fence_and_are_answered_as_if_nothing_had_been(
    funded_tenant: Caller, mover: psycopg.Connection[Any], api: httpx.AsyncClient
) -> None:
    met = FENCED_WRITES._value.get()
    epoch = fence.close(mover, reason="test")
    charge = asyncio.create_task(funded_tenant.post("/api/usage/reconcile", {**USAGE, "idempotencyKey": "k-1"}))
    await refused_once(mover, more_than=0)
    key = asyncio.create_task(
        funded_tenant.post("/auth/api-keys", {"name": "made meanwhile", "scopes": ["usage:read"]})
    )
    someone = asyncio.create_task(callers.sign_up(api, "globex"))
    await asyncio.sleep(0.2)
    assert [task.done() for task in (charge, key, someone)] == [False, False, False]
    assert (await funded_tenant.get("/auth/me")).status_code == 200  # what only reads is not kept waiting
    fence.open_(mover, epoch + 1, reason="test")
    assert (await charge).status_code == 200, (await charge).text
    assert (await charge).json()["replayed"] is False
    assert (await key).status_code == 201, (await key).text
    assert (await someone).tenant == "globex"
    assert FENCED_WRITES._value.get() - met == fence.refusals(mover)


async def test_a_session_that_is_refused_itself_is_run_again(
    funded_tenant: Caller, mover: psycopg.Connection[Any]
) -> None:
    epoch = fence.close(mover, reason="test")
    key = asyncio.create_task(funded_tenant.post("/auth/api-keys", {"name": "refused first", "scopes": ["usage:read"]}))
    await refused_once(mover, more_than=0)
    fence.open_(mover, epoch + 1, reason="test")
    assert (await key).status_code == 201, (await key).text
    listed = (await funded_tenant.get("/auth/api-keys")).json()
    assert [one["name"] for one in listed["data"]] == ["refused first"]


async def test_what_waits_too_long_is_told_to_come_again_with_the_same_key(
    make_settings: Callable[..., Settings], cache: Any, mover: psycopg.Connection[Any], fund: Callable[..., Any]
) -> None:
    application = create_app(make_settings(writes_paused_wait="300ms"))
    async with lifespan.started(application), lifespan.client_of(application) as api:
        owner = await callers.sign_up(api, "acme")
        await fund(owner, 5_000_000)
        epoch = fence.close(mover, reason="test")
        for path, body in (
            ("/api/usage/reconcile", {**USAGE, "idempotencyKey": "k-1"}),
            ("/auth/api-keys", {"name": "x", "scopes": ["usage:read"]}),
        ):
            answer = await owner.post(path, body)
            assert (answer.status_code, answer.json()["code"]) == (503, "writes_paused"), answer.text
            assert answer.headers["retry-after"] == "5"
        fence.open_(mover, epoch + 1, reason="test")
        answer = await owner.post("/api/usage/reconcile", {**USAGE, "idempotencyKey": "k-1"})
        assert (answer.status_code, answer.json()["replayed"]) == (200, False), answer.text


async def test_while_the_fence_is_held_charges_wait_in_the_database(
    funded_tenant: Caller, mover: psycopg.Connection[Any]
) -> None:
    with fence.held(mover):
        charge = asyncio.create_task(funded_tenant.post("/api/usage/reconcile", {**USAGE, "idempotencyKey": "k-1"}))
        await asyncio.sleep(0.6)
        assert not charge.done()
    assert (await charge).status_code == 200, (await charge).text
    assert fence.refusals(mover) == 0


def test_a_worker_waits_for_writes_and_goes_on(
    worker: Process, mover: psycopg.Connection[Any], settings: Settings
) -> None:
    def jobs() -> int:
        with psycopg.connect(settings.owner_url, autocommit=True) as connection:
            row = connection.execute("SELECT count(*) FROM procrastinate_workers").fetchone()
            assert row
            return row[0]

    worker.wait_until(lambda: jobs() == 1)
    epoch = fence.close(mover, reason="test")
    worker.wait_until(lambda: "worker_waits_for_writes" in worker.last_words())
    refused = fence.refusals(mover)
    fence.open_(mover, epoch + 1, reason="test")
    with psycopg.connect(settings.owner_url, autocommit=True) as connection:
        connection.execute("DELETE FROM procrastinate_workers")
    worker.wait_until(lambda: jobs() == 1)
    assert refused >= 1
