"""The API killed while batches of events come in: what was acknowledged is stored and counted once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest

from core.billing.metering.events.checking import check_hour
from core.foundation.database import Database
from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings
from tests.proofs.conftest import Scale
from tests.support.callers import Caller, sign_up
from tests.support.furnished import made
from tests.support.processes import Process, answers

CLIENTS = 4


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Tokens that outlast the proof; the API always on the same port."""
    return make_settings(jwt_expiration="12h", log_level="error", port=free_port())


async def test_killed_while_events_come_in(
    settings: Settings,
    start_process: Callable[..., Process],
    database: Database,
    scale: Scale,
    say: Callable[[str], None],
    connect: Callable[..., Awaitable[psycopg.AsyncConnection[Any]]],
) -> None:
    kills = scale.count(2)
    url = f"http://127.0.0.1:{settings.port}"
    process = start_process("api", settings, "api")
    process.wait_until(answers(f"{url}/health"))
    sent: list[list[dict[str, Any]]] = []
    acknowledged = 0
    stopping = asyncio.Event()

    async def send(owner: Caller, number: int) -> None:
        nonlocal acknowledged
        step = 0
        while not stopping.is_set():
            step += 1
            events = [
                {
                    "idempotencyKey": f"{number}-{step}-{place}",
                    "eventName": "call",
                    "externalId": f"customer-{place % 5}",
                    "properties": {"n": place},
                }
                for place in range(50)
            ]
            sent.append(events)
            while not stopping.is_set():
                try:
                    answer = await owner.post("/billing/usage/events", {"events": events})
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    acknowledged += 1
                    break
                assert answer.status_code == 503, answer.text

    async with httpx.AsyncClient(base_url=url, timeout=15, trust_env=False) as client:
        owner = await sign_up(client, "meters")
        for aggregation in ("count", "sum", "unique"):
            body = {"code": aggregation, "name": aggregation, "aggregation": aggregation, "eventName": "call"}
            await made(owner.post("/billing/meters", body if aggregation == "count" else {**body, "property": "n"}))
        clients = [asyncio.create_task(send(owner, number)) for number in range(CLIENTS)]
        for _ in range(kills):
            before = acknowledged
            while acknowledged < before + 5:
                await asyncio.sleep(0.02)
                assert not any(task.done() for task in clients), await asyncio.gather(*clients)
            await asyncio.sleep(scale.chance.uniform(0, 0.2))
            await asyncio.to_thread(process.kill)
            process.start()
            await asyncio.to_thread(process.wait_until, answers(f"{url}/health"))
        stopping.set()
        await asyncio.gather(*clients)
        for events in sent:  # whatever was answered before: every event is there once now
            answer = await made(owner.post("/billing/usage/events", {"events": events}))
            assert answer["accepted"] + answer["duplicates"] == 50
    admin = await connect("admin")
    rows = await (
        await admin.execute("SELECT count(*), count(DISTINCT idempotency_key), min(tenant_id::text) FROM usage_events")
    ).fetchone()
    assert rows
    assert rows[:2] == (50 * len(sent), 50 * len(sent))
    hours = await (
        await admin.execute("SELECT extract(epoch FROM bucket)::bigint / 3600, tenant_id FROM usage_touched")
    ).fetchall()
    checks = [await check_hour(database, tenant_id, hour) for hour, tenant_id in hours]
    assert [check.differing for check in checks] == [()] * len(checks)
    assert sum(check.aggregated for check in checks) == 3 * 50 * len(sent)
    say(f"API killed {kills} times while {len(sent)} batches of 50 events came in: each event stored and counted once")
