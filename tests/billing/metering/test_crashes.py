"""A crash between any two statements of a batch leaves nothing behind, and the same batch again counts it once."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from core.billing.metering.events.checking import check_tenant
from core.foundation.clock import wall_now
from core.foundation.database import Database
from tests.billing.metering.conftest import Metering, event
from tests.billing.metering.test_nothing_uncounted import figures, tenant_of

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]
STATEMENTS = 8
"""At least so many does a batch have."""


async def test_the_connection_dies_before_every_statement_in_turn(
    metering: Metering, database: Database, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    await metering.meter("calls")
    await metering.meter("who", "unique", property="who")
    admin = await connect("admin")
    await admin.set_autocommit(True)
    execute, commit = psycopg.AsyncCursor.execute, psycopg.AsyncConnection.commit
    fatal, seen = 0, 0

    async def strike(connection: psycopg.AsyncConnection[Any]) -> None:
        nonlocal seen
        seen += 1
        if seen == fatal:
            await execute(admin.cursor(), "SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])

    async def executing(self: psycopg.AsyncCursor[Any], *arguments: Any, **options: Any) -> Any:
        await strike(self.connection)
        return await execute(self, *arguments, **options)

    async def committing(self: psycopg.AsyncConnection[Any]) -> None:
        await strike(self)
        await commit(self)

    stored, crashes = 0, 0
    while True:
        fatal, seen = fatal + 1, 0
        events = [event(who=f"{fatal}-{number}", externalId=f"c{fatal}-{number % 2}") for number in range(3)]
        with monkeypatch.context() as patched:
            patched.setattr(psycopg.AsyncCursor, "execute", executing)
            patched.setattr(psycopg.AsyncConnection, "commit", committing)
            answer = await metering.caller.post("/billing/usage/events", {"events": events})
        rows = await (await admin.execute("SELECT count(*) FROM usage_events")).fetchone()
        keys = await (await admin.execute("SELECT count(*) FROM usage_keys")).fetchone()
        sums = await (await admin.execute("SELECT coalesce(sum(events), 0) FROM usage_aggregates")).fetchone()
        if answer.status_code == 200:
            stored += 3
            assert (rows, keys, sums) == ((stored,), (stored,), (2 * stored,))
            if seen < fatal:
                break
            continue
        assert answer.status_code == 503, answer.text
        assert (rows, keys, sums) == ((stored,), (stored,), (2 * stored,))
        crashes += 1
        again = await metering.send(*events)
        assert again["accepted"] == 3
        stored += 3
        assert (await metering.send(*events))["duplicates"] == 3
    assert crashes >= STATEMENTS
    tenant_id = await tenant_of(database, "meters")
    assert await check_tenant(database, tenant_id, now=wall_now()) >= 1
    assert all(accepted == aggregated and not differing for accepted, aggregated, differing in await figures(database))
