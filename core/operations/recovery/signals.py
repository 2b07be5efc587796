"""What of recovery fires an alert, out of what the worker stored; None where nothing is known, or there is none."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.settings import Settings
from core.operations.recovery import repository, service
from core.operations.recovery.readiness import FRESH

DRILL_GRACE = timedelta(days=2)
"""The schedule looks every night: it has had its chance."""
FIRST_DRILL_WITHIN = timedelta(days=3)


@dataclass(frozen=True, kw_only=True)
class RecoverySignals:
    """At one time."""

    held: bool
    drill_overdue: bool | None
    drill_failed: bool | None
    replicas_fail: bool | None
    unseen: bool | None
    managed_troubles: int | None
    """With backups that a cloud makes."""


async def look(session: AsyncSession, settings: Settings, *, now: datetime) -> RecoverySignals:
    """As the operator reads it."""
    standing = await service.stand(session, settings, now=now)
    parts = await repository.list_standing(session)
    backups, last = service.seen(parts.get("backups")), standing.last_drill
    states = {item.key: item.state for item in standing.items}
    overdue: bool | None = None
    if last is not None:
        overdue = now - last.at > settings.drill_interval + DRILL_GRACE
    elif backups is not None:
        made = [datetime.fromisoformat(one["finished_at"]) for one in backups.document["backups"]]
        overdue = bool(made) and now - min(made) > FIRST_DRILL_WITHIN
    fresh = backups is not None and now - backups.at <= FRESH
    return RecoverySignals(
        held=bool(standing.holds),
        drill_overdue=overdue,
        drill_failed=None if last is None else not last.passed,
        replicas_fail={"not_ready": True, "ready": False}.get(states["standby"]),
        unseen=any(
            row.error is not None and (row.seen_at is None or now - row.seen_at > FRESH) for row in parts.values()
        )
        if parts
        else None,
        managed_troubles=len(backups.document["troubles"])
        if backups is not None and fresh and service.place_of(settings) is not None
        else None,
    )
