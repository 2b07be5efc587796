"""A test tenant's clock moves forward in steps, and what falls due is done on the way, tenant by tenant."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.billing.clocks import service
from core.billing.clocks.errors import NotATestTenant, TestClockBackwards
from core.foundation import due
from core.foundation.database import Database
from core.foundation.errors import InvalidInput
from tests.support.books import Books, open_books

START = datetime(2026, 1, 1, tzinfo=UTC)


async def _holds(database: Database, tenant_id: UUID) -> list[tuple[str, datetime | None]]:
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT state, closed_at FROM holds WHERE tenant_id = :t ORDER BY expires_at"), {"t": tenant_id}
        )
        return [(row.state, row.closed_at) for row in rows]


async def _held(database: Database, tenant_id: UUID) -> int:
    async with database.reading() as session:
        held = await session.scalar(text("SELECT sum(held_micro) FROM accounts WHERE tenant_id = :t"), {"t": tenant_id})
        return int(held)


async def _with_holds(database: Database, slug: str, *, clock: datetime | None) -> Books:
    """Three holds of 1.00 that expire one, two and three hours after the start."""
    books = await open_books(database, slug, clock=clock)
    await books.top_up(5_000_000)
    for hours in (1, 2, 3):
        await books.hold(1_000_000, now=START, expires_in=timedelta(hours=hours))
    return books


async def test_each_hold_expires_at_its_own_instant_on_the_way(database: Database) -> None:
    books = await _with_holds(database, "acme", clock=START)
    moved = await service.move(database, tenant_id=books.tenant_id, to=START + timedelta(hours=2, minutes=30))
    assert (moved.now, moved.drained["holdsExpired"]) == (START + timedelta(hours=2, minutes=30), 2)
    assert await _holds(database, books.tenant_id) == [
        ("expired", START + timedelta(hours=1)),
        ("expired", START + timedelta(hours=2)),
        ("open", None),
    ]
    assert await _held(database, books.tenant_id) == 1_000_000
    again = await service.move(database, tenant_id=books.tenant_id, to=moved.now)
    assert (again.now, sum(again.drained.values())) == (moved.now, 0)


async def test_tenants_live_at_different_times_at_once(database: Database) -> None:
    several = [await _with_holds(database, f"tenant-{number}", clock=START) for number in range(4)]
    moved = await asyncio.gather(
        *(
            service.move(database, tenant_id=books.tenant_id, to=START + timedelta(hours=number))
            for number, books in enumerate(several)
        )
    )
    assert [one.drained["holdsExpired"] for one in moved] == [0, 1, 2, 3]
    async with database.reading() as session:
        clocks = await session.execute(text("SELECT now_at FROM tenant_clocks ORDER BY now_at"))
        assert list(clocks.scalars()) == [START + timedelta(hours=number) for number in range(4)]


async def test_moves_of_one_tenant_take_turns_and_never_go_back(database: Database) -> None:
    books = await _with_holds(database, "acme", clock=START)
    results = await asyncio.gather(
        *(service.move(database, tenant_id=books.tenant_id, to=START + timedelta(hours=hours)) for hours in (3, 1, 2)),
        return_exceptions=True,
    )
    moved = [one for one in results if isinstance(one, service.Moved)]
    assert all(isinstance(one, service.Moved | TestClockBackwards) for one in results)
    assert sum(one.drained["holdsExpired"] for one in moved) == 3
    async with database.reading() as session:
        assert await session.scalar(text("SELECT now_at FROM tenant_clocks")) == START + timedelta(hours=3)


async def test_what_a_clock_refuses(database: Database) -> None:
    books = await open_books(database, "acme", clock=START)
    with pytest.raises(TestClockBackwards):
        await service.move(database, tenant_id=books.tenant_id, to=START - timedelta(microseconds=1))
    with pytest.raises(InvalidInput, match="at most 731 days"):
        await service.move(database, tenant_id=books.tenant_id, to=START + timedelta(days=732))
    real = await open_books(database, "real")
    with pytest.raises(NotATestTenant):
        await service.move(database, tenant_id=real.tenant_id, to=START + timedelta(days=1))


async def test_a_crash_on_the_way_leaves_a_clock_that_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = await _with_holds(database, "acme", clock=START)
    run = service.HoldExpiry.run

    async def crash(self: Any, session: Any, *, tenant_id: UUID, now: datetime) -> int:
        done = await run(self, session, tenant_id=tenant_id, now=now)
        if now == START + timedelta(hours=2):
            raise ConnectionError
        return done

    with monkeypatch.context() as patched:
        patched.setattr(service.HoldExpiry, "run", crash)
        with pytest.raises(ConnectionError):
            await service.move(database, tenant_id=books.tenant_id, to=START + timedelta(hours=4))
    # The step that failed was undone whole: neither its work nor its move of the clock happened.
    async with database.reading() as session:
        assert await service.find_clock(session, books.tenant_id) == START + timedelta(hours=1)
    assert [state for state, _ in await _holds(database, books.tenant_id)] == ["expired", "open", "open"]

    moved = await service.move(database, tenant_id=books.tenant_id, to=START + timedelta(hours=4))
    assert (moved.now, moved.drained["holdsExpired"]) == (START + timedelta(hours=4), 2)
    assert await _held(database, books.tenant_id) == 0


async def test_the_sweep_goes_by_each_tenants_own_clock(database: Database) -> None:
    asleep = await _with_holds(database, "asleep", clock=START)
    awake = await _with_holds(database, "awake", clock=None)
    assert await service.drain_all(database, wall_now=START + timedelta(hours=2)) == 2
    assert await _held(database, asleep.tenant_id) == 3_000_000
    assert await _held(database, awake.tenant_id) == 1_000_000


async def test_work_that_makes_no_progress_ends_with_an_error(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck:
        name = "stuck"

        async def next_due(self, session: Any, tenant_id: UUID) -> datetime:
            return START

        async def tenants_due(self, session: Any, *, now: datetime) -> list[UUID]:
            return []

        async def run(self, session: Any, *, tenant_id: UUID, now: datetime) -> int:
            return 0

    monkeypatch.setattr(due, "_registered", {"stuck": Stuck()})
    books = await open_books(database, "acme", clock=START)
    with pytest.raises(service.NoProgress):
        await service.move(database, tenant_id=books.tenant_id, to=START + timedelta(days=1))
