"""What the installation sees of itself fires once, since when it began, and ends."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from core.billing.invoices.recomputing import standing as invoices
from core.billing.invoices.recomputing.recompute import Recomputed
from core.billing.payments.reconciling import standing as payments
from core.billing.payments.reconciling.comparing import compare
from core.billing.payments.reconciling.reconcile import WINDOW
from core.foundation.cache import create_cache
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.jobs import defer
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from core.foundation.telemetry import HTTP_REQUESTS
from core.operations.alerts.rules import RULES, Signals
from core.operations.alerts.watching import Watch
from core.worker.app import run_until_idle
from tests.support import probe_worker
from tests.support.callers import Caller
from tests.support.furnished import made

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


async def firing(operator: Caller) -> dict[str, dict[str, Any]]:
    """By name, without what a test's installation lacks: it has no worker and no Stripe."""
    found = (await made(operator.get("/operations/alerts", state="firing")))["data"]
    lacking = ("worker-silent", "payment-provider-unreachable")
    return {alert["name"]: alert for alert in found if alert["name"] not in lacking}


async def test_a_parked_job_fires_until_it_is_replayed(runtime: Runtime, operator: Caller) -> None:
    watch = Watch(runtime)
    await watch.look(NOW)
    assert await firing(operator) == {}
    async with runtime.database.nobody() as session:
        await defer(session, "probe:refuse", cause="watched")
    await run_until_idle(runtime)
    await watch.look(NOW + timedelta(seconds=30))
    await Watch(runtime).look(NOW + timedelta(seconds=40))
    alert = (await firing(operator))["jobs-parked"]
    assert (alert["severity"], alert["runbook"], alert["since"]) == ("warning", "jobs-parked", "2026-11-21T10:00:30Z")

    probe_worker.healed.add("watched")
    (job,) = (await made(operator.get("/operations/jobs", state="parked")))["data"]
    await made(operator.post(f"/operations/jobs/{job['jobId']}/replay"))
    await watch.look(NOW + timedelta(seconds=60))
    assert await firing(operator) == {}
    (ended,) = (await made(operator.get("/operations/alerts", state="ended")))["data"]
    assert (ended["name"], ended["endedAt"]) == ("jobs-parked", "2026-11-21T10:01:00Z")


async def test_a_silent_worker_fires_after_a_minute(runtime: Runtime, operator: Caller) -> None:
    watch = Watch(runtime)
    await watch.look(NOW)
    await watch.look(NOW + timedelta(seconds=59))
    assert (await made(operator.get("/operations/alerts")))["data"] == []
    await watch.look(NOW + timedelta(seconds=61))
    found = {alert["name"]: alert for alert in (await made(operator.get("/operations/alerts")))["data"]}
    assert found["worker-silent"]["severity"] == "critical"
    assert found["worker-silent"]["since"] == "2026-11-21T10:00:00Z"


async def test_a_cache_that_is_down_fires_and_changes_nothing_that_it_would_tell(
    runtime: Runtime, settings: Settings, operator: Caller
) -> None:
    gone = create_cache(settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:9/0")}))
    watch = Watch(Runtime(settings=settings, database=runtime.database, cache=gone))
    await watch.look(NOW)
    await watch.look(NOW + timedelta(seconds=30))
    await gone.aclose()
    assert set(await firing(operator)) == {"cache-unreachable"}
    await Watch(runtime).look(NOW + timedelta(seconds=60))
    assert await firing(operator) == {}


async def test_a_database_that_was_away_is_noted_when_it_is_back(
    runtime: Runtime, settings: Settings, operator: Caller
) -> None:
    nowhere = type(settings.database_url)("postgresql://a:b@127.0.0.1:9/c")
    away = Database(settings.model_copy(update={"database_app_url": nowhere, "database_operator_url": nowhere}))
    watch = Watch(Runtime(settings=settings, database=away, cache=runtime.cache))
    await watch.look(NOW)
    await watch.look(NOW + timedelta(seconds=30))
    await away.dispose()
    watch._runtime = runtime
    await watch.look(NOW + timedelta(seconds=60))
    (ended,) = (await made(operator.get("/operations/alerts", state="ended")))["data"]
    assert (ended["name"], ended["severity"], ended["since"], ended["endedAt"]) == (
        "database-unreachable",
        "critical",
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:01:00Z",
    )


async def test_too_many_errors_fire_whichever_process_answered_them(runtime: Runtime, operator: Caller) -> None:
    one, other = Watch(runtime), Watch(runtime)
    HTTP_REQUESTS.labels("GET", "/probe", 200).inc(97)
    HTTP_REQUESTS.labels("GET", "/probe", 500).inc(3)
    await one.look(NOW)
    assert set(await firing(operator)) == {"errors"}
    other._counted = one._counted
    await other.look(NOW + timedelta(minutes=6))
    assert await firing(operator) == {}


async def test_a_transaction_that_is_not_sealed_fires(
    runtime: Runtime, operator: Caller, tenant: Caller, fund: Callable[..., Awaitable[None]]
) -> None:
    await fund(tenant, 1_000_000)
    async with runtime.database.reading() as session:
        recorded = await session.scalar(text("SELECT max(recorded_at) FROM ledger_transactions"))
    assert recorded
    watch = Watch(runtime)
    await watch.look(recorded + timedelta(seconds=59))
    assert await firing(operator) == {}
    await watch.look(recorded + timedelta(seconds=61))
    assert set(await firing(operator)) == {"ledger-unsealed"}


async def test_the_rules_and_when_they_were_last_looked_at_are_told(runtime: Runtime, operator: Caller) -> None:
    assert (await made(operator.get("/operations/alerts/rules")))["lookedAt"] is None
    await Watch(runtime).look(NOW)
    body = await made(operator.get("/operations/alerts/rules"))
    assert body["lookedAt"] == "2026-11-21T10:00:00Z"
    assert [rule["name"] for rule in body["data"]] == [rule.name for rule in RULES]
    assert {rule["state"] for rule in body["data"]} == {"fine"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_is_not_known_fires_nothing(rule: Any) -> None:
    assert not rule.broken(Signals())


async def test_a_runbook_that_is_not_there_is_named(operator: Caller, tenant: Caller) -> None:
    for name in ("nothing-of-that-name", "..%2F..%2Fapi", "x" * 70):
        answer = await operator.get(f"/operations/runbooks/{name}")
        assert answer.status_code in (404, 422), answer.text
    assert (await tenant.get("/operations/runbooks/database-down")).status_code == 403


async def test_what_the_nightly_checks_found_fires_until_they_find_nothing(
    runtime: Runtime, operator: Caller, database: Database
) -> None:
    result = Recomputed()
    result.recomputed, result.drifted = 12, 1
    await invoices.remember(runtime.cache, invoices.Standing.of(result, at=NOW - timedelta(hours=28)))
    await runtime.cache.set(
        "payments:reconciliation", b'{"at": "2026-11-21T03:00:00+00:00", "compared": 4, "differing": 2}'
    )
    watch = Watch(runtime)
    await watch.look(NOW)
    found = await firing(operator)
    assert {name: alert["runbook"] for name, alert in found.items()} == {
        "invoices-drifted": "invoices-drifted",
        "recompute-overdue": "invoices-drifted",
        "payments-differ": "payments-differ",
    }
    await invoices.remember(runtime.cache, invoices.Standing.of(Recomputed(), at=NOW))
    await payments.remember(runtime.cache, compare([], [], since=NOW, wall=NOW), since=NOW - WINDOW, at=NOW)
    await watch.look(NOW + timedelta(seconds=30))
    assert await firing(operator) == {}


async def test_a_night_that_was_missed_is_made_up_for_and_one_that_was_not_is_left(runtime: Runtime) -> None:
    async def after(hours: int) -> bool:
        """Whether the hourly job worked them out anew, so long after the last time."""
        last = wall_now() - timedelta(hours=hours)
        await invoices.remember(runtime.cache, invoices.Standing.of(Recomputed(), at=last))
        async with runtime.database.nobody() as session:
            await defer(session, "invoices:recompute", timestamp=0)
        await run_until_idle(runtime)
        found = await invoices.find(runtime.cache)
        return found is not None and found.at != last.isoformat()

    assert await after(26)
    assert await after(20) is (wall_now().hour == 2)
