"""Many clients, one wallet: nothing passes its floor, each acknowledged call is booked once, no hold is left.

`CLOUDBILL_RACE_ATTEMPTS` (default 300; the proof's is 2,000) and `CLOUDBILL_RACE_CLIENTS` (64).
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from core.billing.credits.charges import Charges
from core.billing.credits.charging import Call
from core.billing.credits.errors import OutcomeUnknown
from core.foundation.errors import KeyInFlight, Unavailable
from core.foundation.runtime import Runtime
from tests.support.books import Books, open_books
from tests.support.callers import Caller

ATTEMPTS = int(os.environ.get("CLOUDBILL_RACE_ATTEMPTS", "300"))
CLIENTS = int(os.environ.get("CLOUDBILL_RACE_CLIENTS", "64"))
CALL = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}
COST_MICRO = 7_500
ROOM = 100


async def by_clients(attempt: Callable[[], Awaitable[Any]]) -> list[Any]:
    """`ATTEMPTS` attempts by `CLIENTS` clients at once."""
    left = iter(range(ATTEMPTS))

    async def client() -> list[Any]:
        return [await attempt() for _ in left]

    return [answer for answers in await asyncio.gather(*(client() for _ in range(CLIENTS))) for answer in answers]


async def test_a_wallet_with_credits_for_100_calls_pays_for_exactly_100(
    tenant: Caller, fund: Callable[..., Awaitable[None]]
) -> None:
    await fund(tenant, ROOM * COST_MICRO)

    async def attempt() -> int:
        body = {**CALL, "idempotencyKey": uuid4().hex, "userId": f"user-{uuid4().int % 7}"}
        return (await tenant.post("/api/usage/reconcile", body)).status_code

    statuses = await by_clients(attempt)

    assert (statuses.count(200), statuses.count(402)) == (ROOM, ATTEMPTS - ROOM)
    wallet = (await tenant.get("/billing/wallets/self")).json()
    assert (wallet["balance"], wallet["available"], wallet["held"], wallet["receivable"]) == ("0", "0", "0", "0")
    summary = (await tenant.get("/api/usage/summary")).json()
    assert (summary["calls"], summary["total"]) == (ROOM, "0.75")


async def test_reserving_and_settling_by_many_leaves_no_hold(
    tenant: Caller, fund: Callable[..., Awaitable[None]]
) -> None:
    await fund(tenant, ROOM * COST_MICRO)

    async def attempt() -> str:
        reserved = await tenant.post(
            "/api/usage/holds",
            {"model": "gpt-4o", "inputTokens": 1000, "maxOutputTokens": 500, "idempotencyKey": uuid4().hex},
        )
        if reserved.status_code == 402:
            return "refused"
        hold_id = reserved.json()["holdId"]
        if uuid4().int % 4 == 0:
            assert (await tenant.delete(f"/api/usage/holds/{hold_id}")).status_code == 200
            return "released"
        body = {**CALL, "holdId": hold_id, "idempotencyKey": uuid4().hex}
        settled = await tenant.post("/api/usage/reconcile", body)
        assert (settled.status_code, settled.json()["receivable"]) == (200, "0")
        return "settled"

    outcomes = await by_clients(attempt)

    settled = outcomes.count("settled")
    assert settled <= ROOM
    wallet = (await tenant.get("/billing/wallets/self")).json()
    assert (wallet["held"], wallet["receivable"]) == ("0", "0")
    assert wallet["balance"] == wallet["available"]
    assert round(float(wallet["balance"]) * 1_000_000) == (ROOM - settled) * COST_MICRO
    assert (await tenant.get("/api/usage/holds", status="open")).json()["data"] == []


async def test_one_key_sent_by_many_is_charged_once(funded_tenant: Caller) -> None:
    body = {**CALL, "idempotencyKey": "the-one"}

    async def attempt() -> tuple[int, str]:
        answer = await funded_tenant.post("/api/usage/reconcile", body)
        return answer.status_code, answer.json().get("transactionId") or answer.json()["code"]

    answers = set(await by_clients(attempt))

    assert len({answer for answer in answers if answer[0] == 200}) == 1
    assert {answer for answer in answers if answer[0] != 200} <= {(409, "idempotency_key_in_flight")}
    assert (await funded_tenant.get("/billing/wallets/self")).json()["balance"] == "4.9925"


async def test_one_key_sent_to_several_processes_is_charged_once(runtime: Runtime) -> None:
    """Two desks know nothing of each other: the database is what they have in common."""
    books = await open_books(runtime.database)
    await books.top_up(5_000_000)
    desks = [Charges(runtime.database) for _ in range(2)]
    for desk in desks:
        desk.start()

    for _ in range(20):
        key = uuid4().hex
        charged = await asyncio.gather(*(desk.settle(_call(books, key)) for desk in desks))
        assert charged[0].transaction_id == charged[1].transaction_id
        assert sorted(one.replayed for one in charged) == [False, True]
        assert charged[0].balance_micro == charged[1].balance_micro

    for desk in desks:
        await desk.close()
    assert await _balance(books) == 5_000_000 - 20 * COST_MICRO


async def test_a_locked_wallet_harms_nobody_else(
    runtime: Runtime, connect: Callable[[str], Awaitable[psycopg.AsyncConnection[Any]]]
) -> None:
    locked, free = await open_books(runtime.database), await open_books(runtime.database, "free")
    for books in (locked, free):
        await books.top_up(5_000_000)
    charges = Charges(runtime.database)
    charges.start()
    for books in (locked, free):
        await charges.settle(_call(books))
    holder = await connect("app")
    await holder.execute("SELECT set_config('app.tenant_id', %s, true)", [str(locked.tenant_id)])
    await holder.execute("SELECT FROM accounts FOR UPDATE")

    waiting = [asyncio.create_task(charges.settle(_call(locked))) for _ in range(5)]
    done = [await charges.settle(_call(free)) for _ in range(20)]

    assert not any(task.done() for task in waiting)
    assert done[-1].balance_micro == 5_000_000 - 21 * COST_MICRO
    await holder.rollback()
    charged = await asyncio.gather(*waiting)
    assert min(one.balance_micro for one in charged) == 5_000_000 - 6 * COST_MICRO
    await charges.close()


async def test_a_caller_that_goes_away_is_charged_all_the_same(runtime: Runtime) -> None:
    books = await open_books(runtime.database)
    await books.top_up(5_000_000)
    charges = Charges(runtime.database)
    charges.start()
    call = _call(books, "gone")
    task = asyncio.create_task(charges.settle(call))
    while not charges.waiting:
        await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await charges.close()
    assert await _balance(books) == 5_000_000 - COST_MICRO


async def test_connections_that_break_at_any_moment_charge_nobody_twice(
    runtime: Runtime, connect: Callable[[str], Awaitable[psycopg.AsyncConnection[Any]]]
) -> None:
    """Backends are terminated under load; whoever got no answer sends the same key again.

    At a random moment after each few answers: at a pace of its own the killer would be faster than a busy machine.
    """
    books = await open_books(runtime.database)
    await books.top_up(5_000_000)
    charges = Charges(runtime.database)
    charges.start()
    await charges.settle(_call(books, "first"))
    admin = await connect("admin")
    await admin.set_autocommit(True)
    chance = random.Random(7)
    answered = asyncio.Event()

    async def killer() -> None:
        while True:
            answered.clear()
            await answered.wait()
            await asyncio.sleep(chance.uniform(0, 0.03))
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'cloudbill charges'"
            )

    async def client(number: int) -> list[Any]:
        charged: list[Any] = []
        for attempt in range(6):
            call = _call(books, f"{number}-{attempt}")
            while True:
                try:
                    charged.append(await charges.settle(call))
                    answered.set()
                    break
                except (Unavailable, OutcomeUnknown, KeyInFlight):
                    await asyncio.sleep(0.01)
        return charged

    killing = asyncio.create_task(killer())
    answers = [one for many in await asyncio.gather(*(client(number) for number in range(16))) for one in many]
    killing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killing
    await charges.close()

    assert len({answer.transaction_id for answer in answers}) == 96
    assert await _balance(books) == 5_000_000 - 97 * COST_MICRO
    # Each first answer names the balance that its own transaction left.
    assert sorted(answer.balance_micro for answer in answers) == [
        5_000_000 - count * COST_MICRO for count in range(97, 1, -1)
    ]


def _call(books: Books, key: str | None = None) -> Call:
    return Call(
        tenant_id=books.tenant_id,
        model="gpt-4o",
        input_tokens=1000,
        cached_tokens=0,
        output_tokens=500,
        key=key or uuid4().hex,
    )


async def _balance(books: Books) -> int:
    from core.billing.credits import service

    async with books.database.tenant(books.tenant_id) as session:
        wallet = await service.wallet(session, tenant_id=books.tenant_id, customer_id=books.tenant_id, currency="USD")
    return wallet.balance_micro
