"""Noting what fires and what has ended, each once, in whatever order it is told."""

from datetime import datetime

from core.foundation.database import Database
from core.foundation.ids import new_id
from core.operations.alerts import repository
from core.operations.alerts.notices import Notice


async def note(database: Database, notice: Notice, *, now: datetime) -> bool:
    """Whether it changed anything: a notice that comes twice, or after its own end, does not."""
    stack = notice.stack
    if stack is None and notice.source == "aws":
        async with database.reading() as session:
            known = await repository.list_stacks(session)
        stack = next((name for name in known if notice.name.startswith(f"cloudbill-{name}-")), None)
    async with database.nobody() as session:
        if notice.ended_at and await repository.end(session, notice.source, notice.key, notice.ended_at):
            return True
        # An end that comes first is kept too, so that the beginning that it overtook fires nothing any more.
        return await repository.store(
            session,
            {
                "id": str(new_id()),
                "source": notice.source,
                "key": notice.key,
                "name": notice.name,
                "severity": notice.severity,
                "state": "firing" if notice.ended_at is None else "ended",
                "summary": notice.summary,
                "stack": stack,
                "runbook": notice.runbook,
                "since": (notice.since or notice.ended_at or now).isoformat(),
                "ended_at": notice.ended_at and notice.ended_at.isoformat(),
                "received_at": now.isoformat(),
                "details": notice.details,
            },
        )
