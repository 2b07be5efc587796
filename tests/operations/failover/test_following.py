"""The application in a failover: API and worker as processes, charges without a pause, none lost, none twice."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from core.billing.credits import service as credits
from core.foundation import fence
from core.foundation.database import Database
from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings
from core.operations.failover.here import HOME
from tests.support.environment import STRIPE_WEBHOOK_SECRET
from tests.support.pair import Pair
from tests.support.processes import Process, answers
from tests.support.servers import Servers

START_MICRO = 5_000_000


def grant(settings: Settings, slug: str) -> None:
    async def give() -> None:
        database = Database(settings)
        try:
            with psycopg.connect(settings.owner_url) as owner:
                row = owner.execute(
                    "SELECT c.tenant_id, c.id FROM customers c JOIN tenants t ON t.id = c.tenant_id "
                    "WHERE t.slug = %s AND c.is_self",
                    [slug],
                ).fetchone()
                assert row
            async with database.tenant(row[0]) as session:
                await credits.top_up(
                    session,
                    tenant_id=row[0],
                    customer_id=row[1],
                    currency="USD",
                    amount_micro=START_MICRO,
                    kind="grant",
                    reference="load",
                    occurred_at=datetime.now(UTC),
                )
        finally:
            await database.dispose()

    asyncio.run(give())


class Charging:
    """Calls charged one after the other, each again with its key until it is answered."""

    def __init__(self, url: str, token: str) -> None:
        self.acknowledged: dict[str, Any] = {}
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=40)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Charging":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        self._client.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            key = uuid4().hex
            body = {"model": "gpt-4o", "inputTokens": 0, "outputTokens": 10, "idempotencyKey": key}
            for _ in range(20):
                answer = self._client.post("/api/usage/reconcile", json=body)
                if answer.status_code == 200:
                    self.acknowledged[key] = answer.json()
                    break
                assert answer.status_code == 503, answer.text
                time.sleep(0.1)


def test_charges_go_on_at_the_new_primary_and_the_worker_waits_there(
    pair: Pair, servers: Servers, start_process: Callable[..., Process]
) -> None:
    port = free_port()
    settings = pair.settings(
        port=port,
        redis_url=servers.cache.format(number=63),
        stripe_secret_key="sk_test_tests",
        stripe_webhook_secret=STRIPE_WEBHOOK_SECRET,
        stripe_api_base="http://127.0.0.1:9",
        rate_limit_max_requests=1_000_000,
        log_level="warning",
    )
    api, worker = start_process("api", settings, "api"), start_process("worker", settings, "worker")
    url = f"http://127.0.0.1:{port}"
    api.wait_until(answers(f"{url}/health"))
    made = httpx.post(
        f"{url}/auth/register", json={"email": "a@acme.test", "password": "Test123!", "tenantId": "acme"}, timeout=20
    )
    assert made.status_code == 201, made.text
    grant(settings, "acme")
    with Charging(url, made.json()["accessToken"]) as one, Charging(url, made.json()["accessToken"]) as two:
        _wait(lambda: min(len(one.acknowledged), len(two.acknowledged)) > 20)
        pair.failover().run()
        before = len(one.acknowledged)
        _wait(lambda: len(one.acknowledged) > before + 20)
    keys = [*one.acknowledged, *two.acknowledged]
    with pair.connect("east", "owner") as new:
        booked = [row[0] for row in new.execute("SELECT key FROM usage_keys").fetchall()]
        settled = new.execute("SELECT count(*), sum(amount_micro) FROM usage_events").fetchone()
        balance = new.execute("SELECT balance_micro FROM accounts WHERE kind = 'wallet'").fetchone()
    assert set(keys) <= set(booked)
    assert len(booked) == len(set(booked))
    assert settled == (len(booked), len(booked) * 100)
    assert balance == (START_MICRO - len(booked) * 100,)
    worker.wait_until(lambda: "worker_held" in worker.last_words(200))
    text = httpx.get(f"{url}/metrics", timeout=20).text
    assert _metric(text, "cloudbill_database_followed_total") == 1
    with pair.connect(HOME, "owner") as old:
        assert fence.refusals(old) >= _metric(text, "cloudbill_fenced_writes_total") >= 1
        (left,) = old.execute("SELECT count(*) FROM usage_keys").fetchone() or (0,)
    assert left < len(booked)


def _metric(text: str, name: str) -> float:
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)
