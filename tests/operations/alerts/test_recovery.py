"""A held worker, a drill that is overdue or failed, a replica that could not take over: each fires, and ends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from core.operations.alerts.watching import Watch
from core.operations.recovery import evidence, holding, looking, signals
from core.operations.recovery.holding import hold_copy
from tests.support.callers import Caller
from tests.support.furnished import made
from tests.support.servers import Servers

OURS = {"worker-held", "replicas", "drill-failed", "drill-overdue", "recovery-unseen"}


async def firing(operator: Caller) -> set[str]:
    found = (await made(operator.get("/operations/alerts", state="firing")))["data"]
    return {alert["name"] for alert in found} & OURS


async def store(runtime: Runtime, part: str, document: dict[str, Any] | None, error: str | None, at: datetime) -> None:
    async with runtime.database.nobody() as session:
        await session.execute(looking._STORE, {"part": part, "document": document, "error": error, "at": at})


async def test_a_held_worker_fires_until_it_is_released(
    runtime: Runtime, operator: Caller, servers: Servers, database_name: str
) -> None:
    watch, now = Watch(runtime), datetime.now(UTC)
    assert hold_copy(servers.url("owner", database_name), reason="restored as x", state_of=now)
    await watch.look(now)
    await watch.look(now + timedelta(seconds=20))
    assert await firing(operator) == {"worker-held"}
    (hold,) = await holding.list_open(runtime.database)
    await holding.release(runtime.database, hold, how="by hand")
    await watch.look(now + timedelta(seconds=40))
    assert await firing(operator) == set()


async def test_a_failed_drill_fires_until_one_passes_and_an_old_one_is_overdue(
    runtime: Runtime, settings: Settings, operator: Caller
) -> None:
    watch, now = Watch(runtime), datetime.now(UTC)
    await watch.look(now)
    assert await firing(operator) == set()  # nothing to drill was ever there
    document = {"scenario": "pitr", "error": "backup_damaged: x"}
    await evidence.record(runtime.database, settings, "drill", {**document, "passed": False})
    await watch.look(now)
    assert await firing(operator) == {"drill-failed"}
    await evidence.record(runtime.database, settings, "drill", {**document, "passed": True})
    await watch.look(now + timedelta(seconds=30))
    assert await firing(operator) == set()
    await watch.look(now + settings.drill_interval + timedelta(days=3))
    assert await firing(operator) == {"drill-overdue"}


async def test_backups_that_no_drill_has_tried_for_days_are_overdue_for_one(
    runtime: Runtime, settings: Settings
) -> None:
    now = datetime.now(UTC)
    backup = {"finished_at": (now - timedelta(days=3)).isoformat()}
    document = {
        "are_made": True, "backups": [backup], "stretches": [], "holes": [], "points": [], "troubles": [], "keys": [],
        "last_good_at": backup["finished_at"], "log_late_seconds": 300,
    }  # fmt: skip
    await store(runtime, "backups", document, None, now)
    async with runtime.database.reading() as session:
        seen = await signals.look(session, settings, now=now)
        later = await signals.look(session, settings, now=now + timedelta(minutes=1))
    assert (seen.drill_overdue, later.drill_overdue) == (False, True)
    assert seen.managed_troubles is None


@pytest.mark.parametrize(("changes", "fails"), [({}, False), ({"standby_is_healthy": False}, True)])
async def test_a_standby_that_could_not_take_over_fires(
    runtime: Runtime, operator: Caller, changes: dict[str, Any], fails: bool
) -> None:
    watch, now = Watch(runtime), datetime.now(UTC)
    standing = {
        "name": "prod", "state": "available", "is_serving": True, "has_standby": True, "standby_is_healthy": True,
        "replicas": [], **changes,
    }  # fmt: skip
    await store(runtime, "standbys", standing, None, now)
    await watch.look(now)
    await watch.look(now + timedelta(minutes=1))
    assert await firing(operator) == ({"replicas"} if fails else set())


async def test_what_cannot_be_looked_at_for_minutes_fires(runtime: Runtime, operator: Caller) -> None:
    watch, now = Watch(runtime), datetime.now(UTC)
    await store(runtime, "evidence", {"faults": []}, None, now - timedelta(minutes=4))
    await store(runtime, "evidence", None, "cloud_refused: rds:DescribeDBInstances", now)
    await watch.look(now)
    await watch.look(now + timedelta(seconds=59))
    assert await firing(operator) == set()
    await watch.look(now + timedelta(minutes=2))
    await watch.look(now + timedelta(minutes=3))
    assert await firing(operator) == {"recovery-unseen"}
