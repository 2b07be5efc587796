"""What API and alerts say of recovery: out of what the worker stored, the evidence, the holds and the runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.settings import Settings
from core.operations.alerts.runbooks import has_runbook
from core.operations.recovery import repository, targets
from core.operations.recovery.drilling import SCENARIOS
from core.operations.recovery.looking import place_of
from core.operations.recovery.models import RunState
from core.operations.recovery.readiness import FRESH, RUNBOOKS, DrillFact, Facts, Item, Seen, judge
from core.operations.recovery.targets import Comparison, Measured

DOES = {
    "pitr": "All is lost now; back to the newest instant.",
    "snapshot": "The log is lost, too; back to the newest base backup.",
    "dropped-table": "A copy loses its ledger to DROP TABLE and is brought back to the moment before. It happens to "
    "the copy, never to the original, and takes twice the room.",
    "region-loss": "The place and its backups are lost; back to the newest instant from the copies elsewhere alone.",
}
CONFIRMED = frozenset({"dropped-table"})
"""What takes twice the room, and drops something: starting it takes its name."""
SILENT = timedelta(minutes=2)
"""A run that has not shown itself for so long has died with its process."""
_EVIDENCE_READ = 200


@dataclass(frozen=True, kw_only=True)
class Standing:
    """All that is known now."""

    items: list[Item]
    place: str
    places: list[Comparison]
    scenarios: list[Comparison]
    holds: Sequence[Row[Any]]
    last_drill: DrillFact | None
    faults: list[str] | None
    failover: Seen | None


async def stand(session: AsyncSession, settings: Settings, *, now: datetime) -> Standing:
    """As the operator reads it."""
    parts = await repository.list_standing(session)
    holds = await repository.list_holds(session)
    drills, found = _drills(await repository.list_drill_evidence(session, limit=_EVIDENCE_READ))
    managed = place_of(settings)
    place = managed[0].cloud if managed else "local"
    evidence = seen(parts.get("evidence"))
    facts = Facts(
        now=now,
        backups=seen(parts.get("backups")),
        standbys=seen(parts.get("standbys")),
        evidence=evidence,
        is_managed=managed is not None,
        holds=[hold.reason for hold in holds],
        drills=drills,
        drill_interval=settings.drill_interval,
        scenarios=SCENARIOS,
        missing_runbooks=[name for name in RUNBOOKS if not has_runbook(name)],
        unseen=next((row.error for row in parts.values() if row.document is None and row.error), None),
    )
    return Standing(
        items=judge(facts),
        place=place,
        places=targets.by_place(found, now=now, interval=settings.drill_interval),
        scenarios=targets.by_scenario(SCENARIOS, found, place=place, now=now, interval=settings.drill_interval),
        holds=holds,
        last_drill=drills[0] if drills else None,
        faults=list(evidence.document["faults"]) if evidence and now - evidence.at <= FRESH else None,
        failover=seen(parts.get("failover")),
    )


def seen(row: Row[Any] | None) -> Seen | None:
    """A part as it was stored; None where nothing was ever seen of it."""
    if row is None or row.document is None:
        return None
    return Seen(document=row.document, at=row.seen_at, error=row.error)


def state_of(run: Any, now: datetime) -> RunState:
    """A run's state; one whose process is silent is lost, though nobody has said so yet."""
    if run.state == "running" and run.beat_at is not None and now - run.beat_at > SILENT:
        return "lost"
    return cast("RunState", run.state)


def error_of(run: Any, now: datetime) -> str | None:
    """What went wrong, as far as is known."""
    if run.error is None and state_of(run, now) == "lost":
        return "its process ended before it did"
    return None if run.error is None else str(run.error)


def _drills(rows: Sequence[Row[Any]]) -> tuple[list[DrillFact], list[Measured]]:
    drills: list[DrillFact] = []
    measured: list[Measured] = []
    for row in rows:
        document: dict[str, Any] = orjson.loads(row.document)
        checked: dict[str, Any] = document.get("checked") or {}
        drills.append(
            DrillFact(
                scenario=document["scenario"],
                passed=bool(document["passed"]),
                at=row.recorded_at,
                error=document.get("error"),
                findings=len(checked.get("findings") or ()),
            )
        )
        if (one := targets.measured(row.number, document, row.recorded_at)) is not None:
            measured.append(one)
    return drills, measured
