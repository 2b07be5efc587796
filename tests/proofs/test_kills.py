"""API and worker killed under load: what was acknowledged is in the ledger once; every key answers the same."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest

from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings
from tests.proofs.conftest import Scale
from tests.support import environment
from tests.support.callers import Caller, sign_up
from tests.support.furnished import made
from tests.support.processes import Process, answers, cloudbill
from tests.support.servers import ROOT

TENANTS, CLIENTS = 3, 12
CALL = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}
STARTING_MICRO = 10_000_000_000


@dataclass
class Load:
    """Clients that reserve and settle without end, and remember every answer."""

    owners: list[Caller]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    acknowledged: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    sent: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    unanswered: int = 0

    async def client(self, number: int) -> None:
        """One client: every other call with a hold."""
        step = 0
        while not self.stopping.is_set():
            step += 1
            place = (number + step) % len(self.owners)
            key = f"client-{number}-{step}"
            body: dict[str, Any] = {**CALL, "idempotencyKey": key, "userId": f"user-{number % 4}"}
            try:
                if step % 2:
                    hold = await self.owners[place].post(
                        "/api/usage/holds", {"amount": "0.01", "idempotencyKey": key, "userId": body["userId"]}
                    )
                    if hold.status_code == 201:
                        body["holdId"] = hold.json()["holdId"]
                self.sent[place, key] = body
                answer = await self.owners[place].post("/api/usage/reconcile", body)
            except httpx.HTTPError:
                self.unanswered += 1
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == 200:
                self.acknowledged[place, key] = answer.json()
            else:
                assert answer.status_code in (409, 503), answer.text


@pytest.fixture
def settings(make_settings: Callable[..., Settings], port: int) -> Settings:
    """Tokens that outlast the proof; the API always on the same port."""
    return make_settings(jwt_expiration="12h", log_level="error", port=port)


@pytest.fixture
def port() -> int:
    """Where the API comes back each time."""
    return free_port()


@pytest.fixture
def processes(settings: Settings, start_process: Callable[..., Process]) -> dict[str, Process]:
    """API and worker, running."""
    started = {"api": start_process("api", settings, "api"), "worker": start_process("worker", settings, "worker")}
    started["api"].wait_until(answers(f"http://127.0.0.1:{settings.port}/health"))
    return started


async def test_killed_under_load(
    processes: dict[str, Process],
    settings: Settings,
    fund: Callable[..., Awaitable[None]],
    scale: Scale,
    say: Callable[[str], None],
    connect: Callable[..., Awaitable[psycopg.AsyncConnection[Any]]],
) -> None:
    kills = scale.count(2)
    url = f"http://127.0.0.1:{settings.port}"
    async with httpx.AsyncClient(base_url=url, timeout=15, trust_env=False) as client:
        owners = [await sign_up(client, f"tenant-{number}") for number in range(TENANTS)]
        for owner in owners:
            await fund(owner, STARTING_MICRO)
        load = Load(owners)
        clients = [asyncio.create_task(load.client(number)) for number in range(CLIENTS)]
        for _ in range(kills):
            before = len(load.acknowledged)
            while len(load.acknowledged) < before + 20:  # it is under load again
                await asyncio.sleep(0.05)
                assert not any(task.done() for task in clients), await asyncio.gather(*clients)
            await asyncio.sleep(scale.chance.uniform(0, 0.5))
            for name in scale.chance.sample(["api", "worker"], 2):
                await asyncio.to_thread(processes[name].kill)
                await asyncio.sleep(scale.chance.uniform(0, 0.2))
            for process in processes.values():
                process.start()
            await asyncio.to_thread(processes["api"].wait_until, answers(f"{url}/health"))
        load.stopping.set()
        await asyncio.gather(*clients)
        await check(load, connect)
        settle(settings)
        unanswered = len(load.sent) - len(load.acknowledged)
        say(
            f"API and worker killed {kills} times each under {CLIENTS} clients: {len(load.acknowledged)} acknowledged, "
            f"each in the ledger once; {unanswered} unanswered; every key answers the same"
        )


async def check(load: Load, connect: Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]) -> None:
    """Every key again: the same answer where there was one, one answer where there was none."""
    moving = {"replayed", "balance", "available"}
    final: dict[tuple[int, str], dict[str, Any]] = {}
    for (place, key), body in load.sent.items():
        again = await made(load.owners[place].post("/api/usage/reconcile", body))
        if known := load.acknowledged.get((place, key)):
            changed = {name for name in known if name not in moving and known[name] != again[name]}
            assert (again["replayed"], changed) == (True, set()), f"{key}: {known} is now {again}"
        final[place, key] = again
    assert len({answer["transactionId"] for answer in final.values()}) == len(final)
    admin = await connect("admin")
    for place, owner in enumerate(load.owners):
        keys = {key for where, key in final if where == place}
        rows = await admin.execute(
            "SELECT e.idempotency_key, count(*), -sum(n.amount_micro) FROM tenants t "
            "JOIN usage_events e ON e.tenant_id = t.id JOIN ledger_entries n ON n.tenant_id = t.id "
            "AND n.transaction_id = e.transaction_id JOIN accounts a ON a.tenant_id = t.id AND a.id = n.account_id "
            "WHERE t.slug = %s AND a.kind = 'wallet' GROUP BY 1",
            [owner.tenant],
        )
        assert {key: (int(times), int(micro)) for key, times, micro in await rows.fetchall()} == dict.fromkeys(
            keys, (1, 7_500)
        )
        for hold in (await made(owner.get("/api/usage/holds", status="open", limit=200)))["data"]:
            await made(owner.delete(f"/api/usage/holds/{hold['holdId']}"))  # those whose call never came
        wallet = await made(owner.get("/billing/wallets/self"))
        left = Decimal(STARTING_MICRO - 7_500 * len(keys)) / 1_000_000
        assert (Decimal(wallet["balance"]), Decimal(wallet["available"])) == (left, left)


def settle(settings: Settings) -> None:
    """The whole ledger, recomputed by the command that an operator would run."""
    done = subprocess.run(
        cloudbill("ledger", "verify"),
        cwd=ROOT,
        env=environment.of_process(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
