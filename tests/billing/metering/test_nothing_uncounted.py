"""What is counted as events come in is what counting them anew finds, whatever happened in between."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from core.billing.metering.events import checking
from core.billing.metering.events.checking import check_hour, check_tenant
from core.billing.metering.events.tallies import hour_of
from core.foundation.clock import wall_now
from core.foundation.database import Database
from tests.billing.metering.conftest import Metering, event
from tests.support.furnished import made

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]


async def tenant_of(database: Database, slug: str) -> UUID:
    async with database.reading() as session:
        return (await session.execute(text("SELECT id FROM tenants WHERE slug = :slug"), {"slug": slug})).scalar_one()


def instant(chance: random.Random) -> str:
    """Some minute of four hours of six days."""
    return f"2027-03-{chance.randint(5, 10):02}T{chance.choice((0, 9, 10, 11)):02}:0{chance.randrange(10)}:00Z"


async def figures(database: Database) -> list[tuple[Any, ...]]:
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT accepted, aggregated, differing FROM usage_checks ORDER BY bucket, id")
        )
        return [tuple(row) for row in rows]


@pytest.mark.parametrize("seed", range(3))
async def test_counted_as_they_come_in_is_counted_anew(clocked: Metering, database: Database, seed: int) -> None:
    chance = random.Random(seed)
    since = {"countsFrom": "2027-03-01T00:00:00Z"}
    await clocked.meter("calls", dimensions=["region", "tier"], **since)
    for aggregation in ("sum", "max", "unique", "latest"):
        await clocked.meter(aggregation, aggregation, property="n", dimensions=["region"], **since)
    sent: list[dict[str, Any]] = []
    ids: list[str] = []
    for step in range(12):
        events = [
            event(
                externalId=f"c{chance.randrange(3)}",
                occurredAt=instant(chance),
                **{
                    name: value
                    for name, value in {
                        "n": chance.choice((1, 2, "0.5", 0.25, 7)),
                        "region": chance.choice(("eu", "us", 1, True, None)),
                        "tier": chance.choice((1, 1.0, "1")),
                    }.items()
                    if chance.random() < 0.9 or name == "n"
                },
            )
            for _ in range(chance.randrange(1, 25))
        ]
        answer = await clocked.send(*events, *chance.sample(sent, min(5, len(sent))))
        sent += events
        ids += [line["usageEventId"] for line in answer["data"] if line["status"] == "accepted"]
        if step % 3 == 0:
            wrong = ids.pop(chance.randrange(len(ids)))
            replacement = {"idempotencyKey": f"new-{step}", "properties": {"n": "9.75", "region": "ap"}}
            body = {"kind": "replace", "reason": "wrong", "replacement": replacement}
            if chance.random() < 0.5:
                body = {"kind": "void", "reason": "wrong"}
            await made(clocked.caller.post(f"/billing/usage/events/{wrong}/amendments", body))
        if step == 5:
            body = {"reason": "late", "events": [event(n=3, occurredAt="2027-03-06T09:00:00Z") for _ in range(5)]}
            backfill = await made(clocked.caller.post("/billing/usage/backfills", body, key="late"))
        if step == 8:
            await made(
                clocked.caller.post(f"/billing/usage/backfills/{backfill['backfillId']}/revert", {"reason": "no file"})
            )
        if step == 9:
            change = {"filters": [{"property": "region", "operator": "in", "values": ["eu", 1]}]}
            await made(clocked.caller.patch(f"/billing/meters/{clocked.meters['calls']}", change))
    tenant_id = await tenant_of(database, "clocked")
    assert await check_tenant(database, tenant_id, now=wall_now()) > 3
    checks = await figures(database)
    assert all(accepted == aggregated and differing == 0 for accepted, aggregated, differing in checks)
    assert sum(accepted for accepted, _, _ in checks) > 100
    assert await check_tenant(database, tenant_id, now=wall_now()) == 0
    # A period cut anywhere is the sum of its parts.
    for code in ("calls", "sum"):
        whole = float(
            await clocked.quantity(code, "c1", **{"from": "2027-03-05T00:00:00Z", "to": "2027-03-11T00:00:00Z"})
        )
        cut = f"2027-03-0{chance.randint(6, 9)}T{chance.choice(('09', '10'))}:0{chance.randrange(10)}:00.5Z"
        first = float(await clocked.quantity(code, "c1", **{"from": "2027-03-05T00:00:00Z", "to": cut}))
        second = float(await clocked.quantity(code, "c1", **{"from": cut, "to": "2027-03-11T00:00:00Z"}))
        assert whole == first + second


async def test_an_aggregate_that_was_altered_is_named_and_counted(
    clocked: Metering, database: Database, connect: Connect
) -> None:
    await clocked.meter("calls")
    await clocked.meter("who", "unique", property="who")
    await clocked.send(event(who="a"), event(who="b", externalId="bob"))
    tenant_id = await tenant_of(database, "clocked")
    hour = hour_of(datetime(2027, 3, 10, 12, tzinfo=UTC))
    assert (await check_hour(database, tenant_id, hour)).differing == ()
    admin = await connect("admin")
    await admin.set_autocommit(True)
    await admin.execute("UPDATE usage_aggregates SET events = 2 WHERE meter_id = %s", [clocked.meters["calls"]])
    await admin.execute("DELETE FROM usage_distinct WHERE value = '\"b\"'")
    found = await check_hour(database, tenant_id, hour)
    assert (found.accepted, found.aggregated, len(found.differing)) == (4, 6, 3)
    assert await check_tenant(database, tenant_id, now=wall_now()) == 1
    async with database.reading() as session:
        await checking.measure(session, now=wall_now())
    assert checking.DIFFERING.collect()[0].samples[0].value == 1
    assert {one.labels["side"]: one.value for one in checking.CHECKED.collect()[0].samples} == {
        "accepted": 4,
        "aggregated": 6,
    }


async def test_hours_written_after_a_check_are_checked_again(clocked: Metering, database: Database) -> None:
    await clocked.meter("calls")
    tenant_id = await tenant_of(database, "clocked")
    for number in (1, 2):
        await clocked.send(event())
        assert await checking.check_all(database, now=wall_now()) == 1
        assert (await figures(database))[-1] == (number, number, 0)
    assert await check_tenant(database, tenant_id, now=wall_now()) == 0
