"""The installation looks at itself every half minute, and notes what begins and what ends.

The API's processes do it, since a worker could not notice its own death. Each looks; what they note is kept once.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NoReturn, cast

import psycopg
from prometheus_client import Counter
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.metering.events.checking import count_differing
from core.foundation.clock import wall_now
from core.foundation.runtime import Runtime
from core.foundation.telemetry import HTTP_REQUESTS, SIGN_IN_FAILURES, log
from core.operations.alerts import nightly, repository, service
from core.operations.alerts.notices import Notice
from core.operations.alerts.rules import DATABASE, RULES, Rule, Signals
from core.operations.backups import measuring as backups
from core.operations.overview import parts
from core.operations.recovery import signals

EVERY = timedelta(seconds=30)
LOOKED_KEY = "alerts:looked"
_COUNTED = "alerts:counted:{minute}"
_MINUTES = 5
_LOG = log("alerts")


class Watch:
    """One process's look at the installation; it remembers since when something seems broken."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._broken_since: dict[str, datetime] = {}
        self._counted = _totals()

    async def run(self) -> NoReturn:
        """Looks until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY.total_seconds())
            try:
                await self.look(wall_now())
            except Exception as error:
                _LOG.warning("look_failed", error=type(error).__name__, exc_info=error)

    async def look(self, now: datetime) -> None:
        """Once. A database that does not answer is noted when it answers again: there is nowhere to note it before."""
        counts = await self._count(now)
        try:
            async with self._runtime.database.reading() as session:
                seen = await self._see(session, counts, now)
                firing = await repository.list_firing(session, "installation")
        except (SQLAlchemyError, psycopg.Error, OSError) as error:
            self._broken_since.setdefault(DATABASE.name, now)
            _LOG.warning("database_unreachable", error=type(error).__name__)
            return
        await self._note_outage(now)
        for rule in RULES:
            await self._judge(rule, seen, firing=rule.name in firing, now=now)
        with contextlib.suppress(RedisError, OSError):  # what that means is noted above
            await self._runtime.cache.set(LOOKED_KEY, now.isoformat(), ex=timedelta(days=1))

    async def _judge(self, rule: Rule, seen: Signals, *, firing: bool, now: datetime) -> None:
        broken = rule.broken(seen)
        if broken is None:
            return
        if not broken:
            self._broken_since.pop(rule.name, None)
            if firing:
                await service.note(self._runtime.database, _notice(rule, None, now), now=now)
            return
        since = self._broken_since.setdefault(rule.name, now)
        if not firing and now - since >= rule.after:
            await service.note(self._runtime.database, _notice(rule, since, None), now=now)

    async def _note_outage(self, now: datetime) -> None:
        since = self._broken_since.pop(DATABASE.name, None)
        if since is not None and now - since >= DATABASE.after:
            await service.note(self._runtime.database, _notice(DATABASE, since, now), now=now)

    async def _see(self, session: AsyncSession, counts: dict[str, int] | None, now: datetime) -> Signals:
        found = await parts.look(session, self._runtime)
        oldest = await session.scalar(_OLDEST_UNSEALED)
        counts = counts or {}
        troubles = await asyncio.to_thread(backups.look, self._runtime.settings, now=now)
        checked = await nightly.look(self._runtime.cache, session, now=now)
        recovery = await signals.look(session, self._runtime.settings, now=now)
        return Signals(
            cache=found.health["cache"] == "healthy",
            worker=found.health["worker"] == "healthy",
            payment_provider=None
            if self._runtime.settings.stripe_secret_key is None
            else found.health["stripe"] == "healthy",
            chain_holds=found.ledger.verified,
            unsealed_for=timedelta(0) if oldest is None else now - oldest,
            parked_jobs=found.parked_jobs,
            parked_webhooks=found.parked_webhooks,
            usage_differing=await count_differing(session, now=now),
            invoices_drifted=checked.drifted,
            recompute_overdue=checked.recompute_overdue,
            payments_differing=checked.differing,
            requests=counts.get("requests"),
            errors=counts.get("errors"),
            sign_in_failures=counts.get("sign_in_failures"),
            backup_troubles=recovery.managed_troubles if troubles is None else len(troubles),
            held=recovery.held,
            drill_overdue=recovery.drill_overdue,
            drill_failed=recovery.drill_failed,
            replicas_fail=recovery.replicas_fail,
            recovery_unseen=recovery.unseen,
        )

    async def _count(self, now: datetime) -> dict[str, int] | None:
        """What all processes together counted in the last minutes; None while the cache is down."""
        totals = _totals()
        grown = {name: totals[name] - self._counted[name] for name in totals}
        minute = int(now.timestamp() // 60)
        keys = [_COUNTED.format(minute=minute - back) for back in range(_MINUTES)]
        try:
            async with self._runtime.cache.pipeline(transaction=False) as pipe:
                commands = cast("Any", pipe)
                for name, number in grown.items():
                    if number:
                        commands.hincrby(keys[0], name, number)
                commands.expire(keys[0], 60 * (_MINUTES + 2))
                for key in keys:
                    commands.hgetall(key)
                answers = await commands.execute()
        except (RedisError, OSError):
            return None
        self._counted = totals
        return {name: sum(int(found.get(name, 0)) for found in answers[-_MINUTES:]) for name in totals}


def _totals() -> dict[str, int]:
    """What this process has counted since its start."""
    return {
        "requests": _sum(HTTP_REQUESTS, ""),
        "errors": _sum(HTTP_REQUESTS, "5"),
        "sign_in_failures": _sum(SIGN_IN_FAILURES, ""),
    }


def _sum(counter: Counter, status: str) -> int:
    samples: Iterable[Any] = (sample for metric in counter.collect() for sample in metric.samples)
    return int(sum(s.value for s in samples if s.labels.get("status", "").startswith(status)))


def _notice(rule: Rule, since: datetime | None, ended_at: datetime | None) -> Notice:
    return Notice(
        source="installation",
        key=rule.name,
        name=rule.name,
        severity=rule.severity,
        summary=rule.says,
        since=since,
        ended_at=ended_at,
        runbook=rule.runbook,
    )


_OLDEST_UNSEALED = text("""
SELECT min(waiting.recorded_at)
FROM tenants t
LEFT JOIN LATERAL (SELECT transaction_ids[cardinality(transaction_ids)] AS newest FROM ledger_blocks
                   WHERE tenant_id = t.id ORDER BY number DESC LIMIT 1) AS last ON true
CROSS JOIN LATERAL (SELECT recorded_at FROM ledger_transactions x
                    WHERE x.tenant_id = t.id
                      AND x.id > coalesce(last.newest, '00000000-0000-0000-0000-000000000000')
                    ORDER BY x.id LIMIT 1) AS waiting
""")
