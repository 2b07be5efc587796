"""A job lives and dies with its cause, is tried again, is parked when hopeless, and outlives its worker."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.foundation import job_queue
from core.foundation.database import Database
from core.foundation.errors import NotFound
from core.foundation.ids import new_id
from core.foundation.job_queue import JobNotParked
from core.foundation.jobs import BackOff, Permanent, defer
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from core.operations.jobs import measuring
from core.worker import tending
from core.worker.app import run_until_idle
from tests.support import environment, probe_worker
from tests.support.processes import Process
from tests.support.servers import Keeper


async def listed(database: Database, state: str | None = None) -> list[job_queue.QueuedJob]:
    async with database.reading() as session:
        found, _ = await job_queue.list_jobs(session, state=state, before=None, limit=200)
    return found


async def test_a_job_exists_only_if_its_cause_commits(runtime: Runtime) -> None:
    database = runtime.database

    async def cause_and_fail() -> None:
        async with database.nobody() as session:
            await defer(session, "probe:note", word="never")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await cause_and_fail()
    async with database.nobody() as session:
        await defer(session, "probe:note", word="committed")

    await run_until_idle(runtime)

    assert probe_worker.ran == ["committed"]
    assert await listed(database) == []


async def test_of_one_queueing_lock_one_job_waits_and_the_transaction_goes_on(database: Database) -> None:
    async with database.nobody() as session:
        for _ in range(3):
            await defer(session, "probe:note", queueing_lock="once", word="one")
        await defer(session, "probe:note", word="other")

    assert [job.arguments for job in await listed(database)] == [{"word": "other"}, {"word": "one"}]


async def test_a_failed_job_waits_for_its_next_attempt_and_shows_why_without_secrets(runtime: Runtime) -> None:
    async with runtime.database.nobody() as session:
        await defer(session, "probe:fail", queueing_lock="with a lock", cause="broken")

    await run_until_idle(runtime)

    (job,) = await listed(runtime.database)
    assert (job.state, job.attempts, job.last_error) == ("queued", 1, "ValueError")
    assert job.scheduled_at is not None
    assert job.scheduled_at > datetime.now(UTC) - timedelta(seconds=5)

    # Another of its kind may wait meanwhile: the retry gave up its queueing lock.
    async with runtime.database.nobody() as session:
        await defer(session, "probe:fail", queueing_lock="with a lock", cause="broken")
    assert len(await listed(runtime.database, "queued")) == 2


async def test_a_hopeless_job_is_parked_holds_up_nobody_and_can_be_replayed(runtime: Runtime) -> None:
    probe_worker.ran.clear()
    async with runtime.database.nobody() as session:
        await defer(session, "probe:refuse", cause="hopeless")
        await defer(session, "probe:note", word="behind it")

    await run_until_idle(runtime)

    assert probe_worker.ran == ["behind it"]
    (parked,) = await listed(runtime.database, "parked")
    assert (parked.attempts, parked.last_error) == (1, "hopeless can never be done")
    await tending.tend_queue(runtime)
    assert measuring.JOBS_PARKED._value.get() == 1

    probe_worker.healed.add("hopeless")
    async with runtime.database.nobody() as session:
        await job_queue.replay(session, parked.job_id)
    await run_until_idle(runtime)

    assert await listed(runtime.database) == []
    async with runtime.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM job_errors")) == 0


async def test_only_a_parked_job_can_be_replayed(runtime: Runtime) -> None:
    async with runtime.database.nobody() as session:
        await defer(session, "probe:note", word="waits")
    (waiting,) = await listed(runtime.database)

    async with runtime.database.nobody() as session:
        with pytest.raises(JobNotParked):
            await job_queue.replay(session, waiting.job_id)
        with pytest.raises(NotFound):
            await job_queue.replay(session, 2**40)


async def test_a_task_that_nobody_knows_is_parked(runtime: Runtime) -> None:
    async with runtime.database.nobody() as session:
        await defer(session, "probe:unheard_of", word="x")

    await run_until_idle(runtime)

    (parked,) = await listed(runtime.database, "parked")
    assert parked.last_error == "no worker knows this task"


def test_waits_double_up_to_the_longest() -> None:
    back_off = BackOff(attempts=20, first=timedelta(seconds=1), longest=timedelta(minutes=10))

    for failures, seconds in ((0, 1), (1, 2), (5, 32), (15, 600), (10_000, 600)):
        wait = back_off.wait_after(failures)
        assert timedelta(seconds=seconds / 2) <= wait <= timedelta(seconds=seconds * 1.5)


def test_hopeless_or_used_up_means_parked() -> None:
    from procrastinate.jobs import Job

    def job(attempts: int) -> Job:
        return Job(id=1, queue="default", task_name="x", lock=None, queueing_lock=None, attempts=attempts)

    back_off = BackOff(attempts=3)
    assert back_off.get_retry_decision(exception=ValueError(), job=job(1)) is not None
    assert back_off.get_retry_decision(exception=ValueError(), job=job(2)) is None
    assert back_off.get_retry_decision(exception=Permanent(), job=job(0)) is None
    assert back_off.get_retry_decision(exception=asyncio.CancelledError(), job=job(2)) is not None


async def test_jobs_of_a_dead_worker_are_taken_up_by_one_of_the_living(database: Database) -> None:
    async with database.nobody() as session:
        await defer(session, "probe:note", queueing_lock="mine", word="lost")
        await session.execute(
            text(
                "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '21 s') "
                "RETURNING id) UPDATE procrastinate_jobs SET status = 'doing', worker_id = dead.id FROM dead"
            )
        )
        # The next of its kind has been queued since.
        await defer(session, "probe:note", queueing_lock="mine", word="next")

    async def take_up() -> int:
        async with database.nobody() as session:
            return await job_queue.take_up_stalled(session, silent_for=timedelta(seconds=20), attempts=20)

    assert sorted(await asyncio.gather(take_up(), take_up(), take_up())) == [0, 0, 1]
    assert {job.state for job in await listed(database)} == {"queued"}


async def test_a_job_that_kills_its_worker_each_time_is_parked(database: Database) -> None:
    async with database.nobody() as session:
        await defer(session, "probe:note", word="deadly")
        await session.execute(text("UPDATE procrastinate_jobs SET status = 'doing', attempts = 19"))
        await job_queue.take_up_stalled(session, silent_for=timedelta(seconds=20), attempts=20)

    (parked,) = await listed(database, "parked")
    assert parked.last_error == "the worker died in each of 20 attempts"


KILLS = int(os.environ.get("CLOUDBILL_PROOF_KILLS", "2"))
JOBS = 20 + 30 * KILLS
PATIENCE_SECONDS = 120
"""A guard against hanging; nothing here is measured."""


@pytest.fixture
def probe(settings: Settings, keeper: Keeper, tmp_path: Path) -> Any:
    process = Process(
        "probe-worker",
        [sys.executable, "-m", "tests.support.probe_worker"],
        env=environment.of_process(settings),
        folder=tmp_path,
        keeper=keeper,
    )
    yield process
    process.kill()


async def wallet_of_a_new_tenant(connect: Callable[[str], Awaitable[Any]]) -> tuple[UUID, UUID]:
    tenant_id, customer_id = new_id(), new_id()
    connection = await connect("app")
    await connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
    await connection.execute(
        "INSERT INTO tenants (id, slug, name, currency, is_test, created_at) VALUES (%s, %s, 'x', 'USD', false, now())",
        [tenant_id, f"t-{uuid4().hex[:8]}"],
    )
    await connection.execute(
        "INSERT INTO customers (tenant_id, id, external_id, is_self, created_at) VALUES (%s, %s, 'self', true, now())",
        [tenant_id, customer_id],
    )
    await connection.commit()
    return tenant_id, customer_id


async def test_killed_again_and_again_the_worker_loses_nothing_and_does_nothing_twice(
    runtime: Runtime, connect: Callable[[str], Awaitable[Any]], probe: Process
) -> None:
    tenant_id, customer_id = await wallet_of_a_new_tenant(connect)
    async with runtime.database.nobody() as session:
        for number in range(JOBS):
            await defer(
                session,
                "probe:give",
                tenant_id=str(tenant_id),
                customer_id=str(customer_id),
                reference=f"gift-{number}",
            )

    async def done() -> int:
        async with runtime.database.reading() as session:
            return await session.scalar(text("SELECT count(*) FROM ledger_transactions")) or 0

    for kill in range(KILLS):
        probe.start()
        while await done() < JOBS * (kill + 1) // (KILLS + 1):
            await asyncio.sleep(0.005)
            assert probe.running, probe.last_words()
        probe.kill()

    assert await listed(runtime.database, "running") != []
    probe.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await listed(runtime.database):
            await asyncio.sleep(0.05)

    assert await done() == JOBS
    async with runtime.database.reading() as session:
        balance = await session.scalar(text("SELECT balance_micro FROM accounts WHERE kind = 'wallet'"))
    assert balance == JOBS * 1_000_000
    assert await runtime.cache.exists("worker:heartbeat") == 1
    assert probe.stop() == 0


async def test_the_worker_outlives_its_connections_to_the_database(
    runtime: Runtime, connect: Callable[[str], Awaitable[Any]], probe: Process
) -> None:
    tenant_id, customer_id = await wallet_of_a_new_tenant(connect)
    probe.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await runtime.cache.exists("worker:heartbeat"):
            await asyncio.sleep(0.05)

    admin = await connect("admin")
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE 'cloudbill%%' AND datname = %s",
        [admin.info.dbname],
    )
    await admin.commit()
    await runtime.cache.delete("worker:heartbeat")
    async with runtime.database.nobody() as session:
        await defer(
            session, "probe:give", tenant_id=str(tenant_id), customer_id=str(customer_id), reference="afterwards"
        )

    async with asyncio.timeout(PATIENCE_SECONDS):
        while await listed(runtime.database) or not await runtime.cache.exists("worker:heartbeat"):
            await asyncio.sleep(0.05)
    assert probe.running


async def test_asked_to_stop_the_worker_ends_what_it_does_and_leaves_the_rest(
    runtime: Runtime, connect: Callable[[str], Awaitable[Any]], probe: Process
) -> None:
    tenant_id, customer_id = await wallet_of_a_new_tenant(connect)
    async with runtime.database.nobody() as session:
        for number in range(200):
            await defer(
                session, "probe:give", tenant_id=str(tenant_id), customer_id=str(customer_id), reference=str(number)
            )
    probe.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(await listed(runtime.database)) == 200:
            await asyncio.sleep(0.02)

    assert probe.stop() == 0
    assert await listed(runtime.database, "running") == []
    assert 0 < len(await listed(runtime.database, "queued")) < 200
