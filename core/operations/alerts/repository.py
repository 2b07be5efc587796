"""Every statement on alerts: written through narrow functions, read as the operator."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession


async def store(session: AsyncSession, alert: dict[str, Any]) -> bool:
    """False where it fires already, or was overtaken by its end. As the application."""
    return bool(await session.scalar(_STORE, {"alert": alert}))


async def end(session: AsyncSession, source: str, key: str, at: datetime) -> bool:
    """False where nothing of that key fires since before. As the application."""
    return bool(
        await session.scalar(text("SELECT end_alert(:source, :key, :at)"), {"source": source, "key": key, "at": at})
    )


async def list_alerts(
    session: AsyncSession, *, state: str | None, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Newest first; one more than `limit` where there is a next page."""
    return (await session.execute(_LIST, {"state": state, "before": before, "limit": limit + 1})).all()


async def list_firing(session: AsyncSession, source: str) -> set[str]:
    """The keys of what fires."""
    found = await session.execute(
        text("SELECT key FROM alerts WHERE source = :source AND state = 'firing'"), {"source": source}
    )
    return set(found.scalars())


async def list_stacks(session: AsyncSession) -> list[str]:
    """The stacks that are known, the longest names first."""
    found = await session.execute(text("SELECT DISTINCT stack FROM deployments"))
    return sorted(found.scalars(), key=len, reverse=True)


_STORE = text("SELECT store_alert(:alert)").bindparams(bindparam("alert", type_=JSONB))
_LIST = text("""
SELECT * FROM alerts
WHERE (CAST(:state AS text) IS NULL OR state = :state) AND (CAST(:before AS uuid) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")
