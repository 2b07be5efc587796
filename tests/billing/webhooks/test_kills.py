"""Purchases are paid while worker and API are killed again and again: nothing is lost, nothing is done twice."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from core.billing.payments.providers.simulator.main import Simulator
from core.foundation.embedded.ports import free_port
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from tests.billing.payments.conftest import make_client
from tests.support import callers, environment
from tests.support.environment import STRIPE_WEBHOOK_SECRET
from tests.support.processes import Process, answers
from tests.support.servers import Keeper

KILLS = int(os.environ.get("CLOUDBILL_PROOF_KILLS", "2"))
PURCHASES = 3 * KILLS

PATIENCE_SECONDS = 180
"""A guard against hanging; nothing here is measured."""


@pytest.fixture
def api_port() -> int:
    return free_port()


@pytest.fixture
def provider(api_port: int) -> Iterator[Simulator]:
    """Tells every event twice, in any order, to the API."""
    url = f"http://127.0.0.1:{api_port}/webhooks/stripe"
    with Simulator(webhook_url=url, webhook_secret=STRIPE_WEBHOOK_SECRET) as started:
        started.control("webhooks", copies=2, order="shuffled", seed=1)
        yield started


@pytest.fixture
def settings(make_settings: Callable[..., Settings], provider: Simulator, api_port: int) -> Settings:
    return make_settings(stripe_api_base=provider.url, port=api_port)


@pytest.fixture
def start(settings: Settings, keeper: Keeper, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def begin(name: str, module: str, *words: str) -> Process:
        argv = [sys.executable, "-m", module, *words]
        process = Process(name, argv, env=environment.of_process(settings), folder=tmp_path, keeper=keeper)
        started.append(process)
        process.start()
        return process

    yield begin
    for process in started:
        process.kill()


async def test_killed_at_any_point_each_purchase_is_credited_and_refunded_once(
    provider: Simulator, settings: Settings, runtime: Runtime, start: Callable[..., Process]
) -> None:
    api = start("api", "core.cli.main", "api")
    worker = start("worker", "tests.support.probe_worker")
    url = f"http://127.0.0.1:{settings.port}"
    api.wait_until(answers(f"{url}/health"))
    stripe_client = make_client(provider, "sk_test_tests")
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        tenant = await callers.sign_up(client, "acme")

        async def insist(send: Callable[[], Awaitable[httpx.Response]]) -> dict[str, Any]:
            """Until it is done, with the same key: as a caller does whose connection broke."""
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    try:
                        answer = await send()
                    except httpx.HTTPError:
                        await asyncio.sleep(0.1)
                        continue
                    if answer.status_code in (200, 201):
                        return answer.json()
                    assert answer.status_code in (409, 503), answer.text
                    await asyncio.sleep(0.2)

        async def story(number: int) -> dict[str, Any]:
            order = {"packageCode": "starter"}
            bought = await insist(lambda: tenant.post("/api/purchases", order, key=f"buy-{number}"))
            path = f"/api/purchases/{bought['purchaseId']}"
            await asyncio.to_thread(
                stripe_client.v1.payment_intents.confirm, bought["paymentIntentId"], {"payment_method": "pm_card_visa"}
            )
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await insist(lambda: tenant.get(path)))["status"] != "paid":
                    await asyncio.sleep(0.2)
            await insist(lambda: tenant.post(f"{path}/refunds", {"amountMinor": 100}, key=f"refund-{number}"))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (seen := await insist(lambda: tenant.get(path)))["refundedMinor"] != 100:
                    await asyncio.sleep(0.2)
            return seen

        async def assassin() -> None:
            for kill in range(KILLS):
                await asyncio.sleep(0.7)
                victim = api if kill % 3 == 2 else worker
                victim.kill()
                victim.start()

        # In waves, so that the kills fall among all of it.
        killing = asyncio.create_task(assassin())
        seen = await asyncio.gather(*(story(number) for number in range(PURCHASES)))
        await killing

    assert {purchase["status"] for purchase in seen} == {"paid"}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await open_work(runtime):
            await asyncio.sleep(0.2)
    async with runtime.database.reading() as session:
        rows = await session.execute(text("SELECT kind, count(*) FROM ledger_transactions GROUP BY kind"))
        assert dict(rows.all()) == {"purchase": PURCHASES, "refund": PURCHASES}
        balance = await session.scalar(text("SELECT balance_micro FROM accounts WHERE kind = 'wallet'"))
    assert balance == PURCHASES * 4_000_000
    refunds = [refund.amount for refund in stripe_client.v1.refunds.list({"limit": 100}).auto_paging_iter()]
    assert refunds == [100] * PURCHASES
    pages = stripe_client.v1.checkout.sessions.list({"limit": 100}).auto_paging_iter()
    assert {page.status for page in pages} == {"expired"}


async def open_work(runtime: Runtime) -> int:
    """Jobs of payments and events that have not ended."""
    async with runtime.database.reading() as session:
        jobs = await session.scalar(
            text("SELECT count(*) FROM procrastinate_jobs WHERE task_name LIKE 'payments:%' AND task_name <> :sweep"),
            {"sweep": "payments:sweep"},
        )
        events = await session.scalar(text("SELECT count(*) FROM provider_events WHERE state = 'received'"))
    return (jobs or 0) + (events or 0)
