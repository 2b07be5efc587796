"""Every statement on how recovery stands and what runs: written through narrow functions, read as the operator."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

UNDER_WAY = ("waiting", "running")


async def request(
    session: AsyncSession, run_id: UUID, *, kind: str, what: str, by: UUID | None, reason: str | None = None
) -> bool:
    """False where one of its kind is under way. As the application."""
    wanted = {
        "id": str(run_id),
        "kind": kind,
        "what": what,
        "requested_by": None if by is None else str(by),
        "reason": reason,
    }
    return bool(await session.scalar(_REQUEST, {"wanted": wanted}))


async def begin(session: AsyncSession, run_id: UUID) -> Row[Any] | None:
    """kind, what, state: `begun`, or how it stood where it did not wait. None where it is unknown."""
    return (await session.execute(text("SELECT * FROM begin_recovery_run(:id)"), {"id": run_id})).one_or_none()


async def note(session: AsyncSession, run_id: UUID, steps: list[dict[str, Any]], words: str) -> bool:
    """False where it does not run any more. As the application."""
    return bool(await session.scalar(_NOTE, {"id": run_id, "steps": steps, "words": words or None}))


async def end(session: AsyncSession, run_id: UUID, ending: dict[str, Any]) -> bool:
    """False where it was over. As the application."""
    return bool(await session.scalar(_END, {"id": run_id, "ending": ending}))


async def list_standing(session: AsyncSession) -> dict[str, Row[Any]]:
    """By part; what is there to be shown."""
    rows = await session.execute(text("SELECT * FROM recovery_standing WHERE part <> 'numbers'"))
    return {row.part: row for row in rows}


async def list_runs(session: AsyncSession, kind: str, *, limit: int) -> Sequence[Row[Any]]:
    """The newest first."""
    return (await session.execute(_RUNS, {"kind": kind, "limit": limit})).all()


async def list_drills(session: AsyncSession, *, before: tuple[datetime, str] | None, limit: int) -> Sequence[Row[Any]]:
    """Runs and evidence together, the newest first; one more than `limit` where there is a next page."""
    at, key = before or (None, None)
    return (await session.execute(_DRILLS, {"at": at, "key": key, "limit": limit + 1})).all()


async def find_drill(session: AsyncSession, *, run_id: UUID | None, number: int | None) -> Row[Any] | None:
    """By its run, or by the number of its evidence."""
    return (await session.execute(_DRILL, {"id": run_id, "number": number})).one_or_none()


async def list_drill_evidence(session: AsyncSession, *, limit: int) -> Sequence[Row[Any]]:
    """number, document, recorded_at; the newest first."""
    return (await session.execute(_EVIDENCE, {"limit": limit})).all()


async def list_holds(session: AsyncSession) -> Sequence[Row[Any]]:
    """Those that are not released, the oldest first."""
    return (await session.execute(text("SELECT * FROM worker_holds WHERE released_at IS NULL ORDER BY held_at"))).all()


_REQUEST = text("SELECT request_recovery_run(:wanted)").bindparams(bindparam("wanted", type_=JSONB))
_NOTE = text("SELECT note_recovery_run(:id, :steps, :words)").bindparams(bindparam("steps", type_=JSONB))
_END = text("SELECT end_recovery_run(:id, :ending)").bindparams(bindparam("ending", type_=JSONB))
_RUNS = text("""
SELECT r.*, u.email FROM recovery_runs r LEFT JOIN users u ON u.id = r.requested_by
WHERE r.kind = :kind ORDER BY r.requested_at DESC, r.id DESC LIMIT :limit
""")
_BOTH = """
WITH drills AS (
    SELECT coalesce(r.id::text, e.number::text) AS key, coalesce(r.requested_at, e.recorded_at) AS at,
           r.id, r.what, r.state, r.requested_by, r.requested_at, r.started_at, r.beat_at, r.finished_at, r.steps,
           r.said, r.error, e.number, e.document, e.hash, e.previous_hash, e.recorded_at
    FROM (SELECT * FROM recovery_runs WHERE kind = 'drill') r
    FULL JOIN (SELECT * FROM recovery_evidence WHERE kind = 'drill') e ON e.number = r.evidence
)
SELECT d.*, u.email FROM drills d LEFT JOIN users u ON u.id = d.requested_by
"""
_DRILLS = text(
    f"{_BOTH} WHERE CAST(:at AS timestamptz) IS NULL OR (d.at, d.key) < (:at, :key)"
    " ORDER BY d.at DESC, d.key DESC LIMIT :limit"
)
_DRILL = text(f"{_BOTH} WHERE d.id = CAST(:id AS uuid) OR d.number = CAST(:number AS bigint)")
_EVIDENCE = text(
    "SELECT number, document, recorded_at FROM recovery_evidence WHERE kind = 'drill' ORDER BY number DESC LIMIT :limit"
)
