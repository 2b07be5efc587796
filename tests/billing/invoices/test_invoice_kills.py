"""The run killed at its lines, and shared by several: nothing is lost, nothing is billed twice, numbers have no gap."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.billing.invoices.recomputing.recompute import Recomputed, recompute_all
from core.billing.subscriptions.periods import Cycle
from core.foundation.settings import Settings
from tests.billing.invoices.conftest import Shop, flat, metered
from tests.support import environment
from tests.support.callers import sign_in
from tests.support.furnished import made
from tests.support.servers import ROOT, Role

Connection = psycopg.AsyncConnection[Any]

CUSTOMERS = 4
CALLS, LATE = 10, 2
START = datetime(2026, 1, 31, 10, tzinfo=UTC)
PERIODS = Cycle(START, "month")


class Story:
    """Customers at 29.00 a month and 0.10 a call, month after month; of each month two calls come in after its bill."""

    def __init__(self, shop: Shop, settings: Settings, admin: Connection, folder: Path) -> None:
        self.shop = shop
        self.month = 0
        self._admin = admin
        self._folder = folder
        self._environment = environment.of_process(settings)
        self._customers: list[str] = []
        self._started: list[subprocess.Popen[str]] = []

    async def begin(self) -> None:
        """Everybody subscribes; of the first one something comes back each month, into its wallet."""
        shop = self.shop
        meter = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
        await made(shop.caller.post("/billing/meters", meter))
        await shop.plan(flat("29"), metered("0.10"))
        for number in range(CUSTOMERS):
            self._customers.append(await shop.customer(f"Customer {number}"))
            await shop.subscribe(self._customers[-1])
        await shop.move("2026-01-31T12:00:00Z")

    async def use(self) -> None:
        """A month's calls, and two of the month before it, which is billed."""
        # All kills take longer than a token lives.
        assert self.shop.caller.email
        self.shop.caller = await sign_in(self.shop.caller.client, self.shop.caller.email)
        for number, customer in enumerate(self._customers):
            sent: list[dict[str, Any]] = [{} for _ in range(CALLS)]
            if self.month:
                late = PERIODS.boundary(self.month) - timedelta(hours=1)
                sent += [{"occurredAt": late.isoformat()} for _ in range(LATE)]
            events = [
                {
                    "idempotencyKey": f"{self.month}-{number}-{place}",
                    "eventName": "calls",
                    "customerId": customer,
                    **one,
                }
                for place, one in enumerate(sent)
            ]
            answer = await made(self.shop.caller.post("/billing/usage/events", {"events": events}))
            assert answer["accepted"] == len(events), answer
        await self.shop.items(self._customers[0], -500)

    async def set_clock(self, at: datetime) -> None:
        """Without doing what is due."""
        await self._admin.execute(
            "UPDATE tenant_clocks SET now_at = %s WHERE tenant_id = %s", [at, self.shop.tenant_id]
        )

    def drain(self, **order: Any) -> subprocess.Popen[str]:
        """Does what is due in a process of its own."""
        started = subprocess.Popen(
            [sys.executable, "-m", "tests.support.invoicing_killed", str(self.shop.tenant_id), json.dumps(order)],
            cwd=ROOT,
            env=self._environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(started)
        return started

    def end(self) -> None:
        """Nothing of it is left running, whatever became of the test."""
        for process in self._started:
            process.kill()
            process.communicate()

    async def ended(self, process: subprocess.Popen[str]) -> int:
        """Its exit code: 0, or the kill's."""
        _, said = await asyncio.to_thread(process.communicate, timeout=120)
        self._started.remove(process)
        assert process.returncode in (0, -9), said
        return process.returncode

    async def counted(self, phase: str) -> dict[str, int]:
        """Does what is due, whole; how often each line was run."""
        kept = self._folder / f"{phase}.json"
        assert await self.ended(self.drain(count=str(kept))) == 0
        return json.loads(kept.read_text(encoding="utf-8"))

    async def renew(self) -> None:
        """The month is over: usage comes in first, then the clock stands half an hour after its end."""
        await self.use()
        self.month += 1
        await self.set_clock(PERIODS.boundary(self.month) + timedelta(minutes=30))

    async def grace_over(self) -> None:
        """The clock stands after the grace of the month's drafts."""
        await self.set_clock(PERIODS.boundary(self.month) + timedelta(hours=2))

    async def check(self) -> None:
        """All that was to be billed is, once; by hand."""
        months, late = self.month, CUSTOMERS * LATE * 10 * (self.month - 1)
        found = await self._rows(
            "SELECT l.kind, sum(l.amount_minor)::bigint FROM invoice_lines l WHERE l.tenant_id = %(t)s GROUP BY 1"
        )
        expected = {
            "recurring": CUSTOMERS * 2_900 * (months + 1),
            "usage": CUSTOMERS * CALLS * 10 * months,
            "one_off": -500 * months,
        }
        assert dict(found) == expected | ({"correction": late} if late else {})
        waiting = "SELECT count(*) FROM invoice_items WHERE tenant_id = %(t)s AND invoice_id IS NULL"
        assert await self._rows(waiting) == [(0,)]
        ((count, last, drafts),) = await self._rows(
            "SELECT count(sequence), max(sequence), count(*) FILTER (WHERE state = 'draft') FROM invoices "
            "WHERE tenant_id = %(t)s"
        )
        assert (count, drafts) == (last, 0)
        told = "SELECT count(*) FROM outbox_events WHERE tenant_id = %(t)s AND kind = 'invoice.finalized'"
        assert await self._rows(told) == [(count,)]
        # What went into the wallet and was used of it is what the invoices say.
        applied = "SELECT -coalesce(sum(applied_minor), 0)::bigint * 10000 FROM invoices WHERE tenant_id = %(t)s"
        wallets = (
            "SELECT coalesce(sum(balance_micro), 0)::bigint FROM accounts WHERE tenant_id = %(t)s AND kind = 'wallet'"
        )
        assert await self._rows(applied) == await self._rows(wallets)
        assert await self._rows("SELECT count(*) FROM parked_customers WHERE tenant_id = %(t)s") == [(0,)]
        result = Recomputed()
        assert [str(one) async for one in recompute_all(self.shop.runtime.database, result=result)] == []
        assert result.recomputed == count

    async def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        found = await self._admin.execute(statement, {"t": self.shop.tenant_id})  # pyright: ignore[reportArgumentType]  (our own text)
        return await found.fetchall()


@pytest.fixture
async def story(
    shop: Shop, settings: Settings, connect: Callable[[Role], Awaitable[Connection]], tmp_path: Path
) -> AsyncGenerator[Story]:
    """Begun on 31 January."""
    admin = await connect("admin")
    await admin.set_autocommit(True)
    story = Story(shop, settings, admin, tmp_path)
    await story.begin()
    try:
        yield story
    finally:
        story.end()


async def test_killed_at_any_of_its_lines_the_run_loses_and_doubles_nothing(
    story: Story, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    kills, chance = pytestconfig.getoption("--proof-count") or 2, random.Random(pytestconfig.getoption("--proof-seed"))
    await story.renew()
    await story.shop.move("2026-02-28T12:00:00Z")
    await story.renew()  # the second month has corrections
    billing = await story.counted("billing")
    await story.grace_over()
    final = await story.counted("final")
    phases: dict[str, list[str]] = {}
    for name, lines in (("billing", billing), ("final", final)):
        phases[name] = sorted(lines)
        chance.shuffle(phases[name])
    killed = {name: cycle(lines) for name, lines in phases.items()}
    done: set[str] = set()
    for number in range(kills):
        phase, lines = (("billing", billing), ("final", final))[number % 2]
        await (story.renew() if phase == "billing" else story.grace_over())
        at = next(killed[phase])
        if await story.ended(story.drain(at=at, time=chance.randint(1, lines[at]))) == -9:
            done.add(at)
        assert await story.ended(story.drain()) == 0
    if kills % 2:
        await story.grace_over()
        assert await story.ended(story.drain()) == 0
    assert len(done) >= kills // 2
    await story.check()
    whole = len(set(billing) | set(final))
    record_property(
        "result",
        f"killed {kills} times at {len(done)} of {whole} lines, over {story.month} months: "
        "all billed once, no number lost, recomputed to the cent",
    )


async def test_two_runs_side_by_side_share_the_work_and_bill_each_once(story: Story) -> None:
    await story.renew()
    assert [await story.ended(one) for one in [story.drain() for _ in range(2)]] == [0, 0]
    await story.grace_over()
    assert [await story.ended(one) for one in [story.drain() for _ in range(2)]] == [0, 0]
    await story.check()
