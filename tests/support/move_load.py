"""Reconciles without end against whichever of two databases takes writes, each key until it is answered.

    python -m tests.support.move_load OLD_APP NEW_APP OLD_OPERATOR TENANTS LOG [--workers 4 --group 16]

Each line of LOG: `a <key> <tenant> <seconds of Unix>` once a key is acknowledged, or `split <seconds>` when both
databases took writes at once. Ends when its standard input closes; then nothing is in flight.
"""

import argparse
import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from core.billing.credits.booking import CommitUnknown, Request, book
from core.billing.credits.charging import Call, Charged
from core.billing.credits.resolving import Resolver
from core.billing.credits.standing import PricedTerms
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.settings import load_settings

OPTIONS = "-c lock_timeout=30000 -c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c jit=off"


class Load:
    """The clients, and what they know of the two sides."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.urls: list[str] = [options.old, options.new]
        self.group: int = options.group
        self.tenants = [UUID(part) for part in options.tenants.split(",")]
        self.prefix: str = options.prefix
        self.log = Path(options.log).open("a", buffering=1)  # noqa: SIM115 - closed at the end of the run
        self.serving = 0
        self.stopping = asyncio.Event()
        self.terms: dict[UUID, PricedTerms] = {}
        self.users: int = options.users
        self.rest: float = options.rest
        self.was = ["?", "?"]

    async def watch(self) -> None:
        """Which side is open, asked again and again."""
        connections: list[psycopg.AsyncConnection[Any] | None] = [None, None]
        begun = False
        while not self.stopping.is_set():
            states: list[str] = []
            for side in (0, 1):
                try:
                    connection = connections[side] or await psycopg.AsyncConnection.connect(
                        self.urls[side], autocommit=True, connect_timeout=3
                    )
                    connections[side] = connection
                    row = await (await connection.execute("SELECT state FROM write_standing()")).fetchone()
                    states.append(row[0] if row else "?")
                except psycopg.Error:
                    connections[side] = None
                    states.append("?")
            begun = begun or "closed" in states or "standby" in states
            if begun and states == ["open", "open"] and self.was == states:
                self.log.write(f"split {time.time()}\n")
            self.was = states
            if states[0] == "open":
                self.serving = 0
            elif states[1] == "open":
                self.serving = 1
            await asyncio.sleep(0.05)
        for connection in connections:
            if connection:
                await connection.close()

    async def client(self, number: int) -> None:
        connection: psycopg.AsyncConnection[Any] | None = None
        of_side = -1
        step = 0
        while not self.stopping.is_set():
            step += 1
            tenant = self.tenants[(number + step) % len(self.tenants)]
            calls = [
                Call(
                    tenant_id=tenant,
                    model="gpt-4o",
                    input_tokens=1000,
                    cached_tokens=0,
                    output_tokens=500,
                    key=f"{self.prefix}-{number}-{step}-{one}",
                    user_id=f"user-{(number * 7 + one) % self.users}",
                )
                for one in range(self.group)
            ]
            waiting = calls
            while waiting and not self.stopping.is_set():
                try:
                    if connection is None or of_side != self.serving:
                        if connection:
                            await connection.close()
                        of_side = self.serving
                        connection = await psycopg.AsyncConnection.connect(
                            self.urls[of_side], autocommit=True, connect_timeout=5, options=OPTIONS
                        )
                    asked = [Request(call, self.terms[tenant]) for call in waiting]
                    outcomes = await book(connection, asked, now=wall_now())
                except (CommitUnknown, psycopg.Error, TimeoutError, OSError):
                    if connection:
                        await connection.close()
                    connection = None
                    if self.stopping.is_set():
                        break
                    await asyncio.sleep(0.02)
                    continue
                now = time.time()
                left: list[Call] = []
                for call, outcome in zip(waiting, outcomes, strict=True):
                    if isinstance(outcome, Charged):
                        self.log.write(f"a {call.key} {tenant} {now:.3f}\n")
                    else:
                        sys.stderr.write(f"{call.key}: {outcome!r}\n")
                        left.append(call)
                waiting = left
                if self.rest:
                    await asyncio.sleep(self.rest)
                if left:
                    await asyncio.sleep(0.05)
        if connection:
            with suppress(Exception):
                await connection.close()

    async def run(self, database: Database, workers: int) -> None:
        resolver = Resolver(database)
        for tenant in self.tenants:
            self.terms[tenant] = await resolver.terms_of(tenant)
        await database.dispose()
        tasks = [asyncio.create_task(self.watch())]
        tasks += [asyncio.create_task(self.client(number)) for number in range(workers)]
        self.log.write("ready\n")
        await asyncio.to_thread(sys.stdin.read)
        self.stopping.set()
        await asyncio.gather(*tasks)
        self.log.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("old", "new", "operator", "tenants", "log"):
        parser.add_argument(name)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--group", type=int, default=16)
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--rest", type=float, default=0.0, help="seconds between a client's groups")
    parser.add_argument("--prefix", default="load")
    options = parser.parse_args()
    settings = load_settings(
        database_app_url=options.old, database_operator_url=options.operator, redis_url="redis://127.0.0.1:9/0"
    )
    load = Load(options)
    asyncio.run(load.run(Database(settings), options.workers))


if __name__ == "__main__":
    main()
