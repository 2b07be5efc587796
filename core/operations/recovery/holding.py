"""The hold on the worker of a restored copy: it runs no job until what the world did since is known."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from sqlalchemy import text

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.ids import new_id


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Why the worker waits, and the instant that the copy's state is of."""

    id: UUID
    reason: str
    state_of: datetime
    nothing_lost: bool = False
    """Whether the copy has all that the one before it had committed."""


async def list_open(database: Database) -> list[Hold]:
    """Those that are not released; none on a schema that knows no holds yet."""
    async with database.nobody() as session:
        if await session.scalar(text("SELECT to_regprocedure('open_worker_holds()') IS NULL")):
            return []
        rows = await session.execute(text("SELECT id, reason, state_of, nothing_lost FROM open_worker_holds()"))
        return [
            Hold(id=row.id, reason=row.reason, state_of=row.state_of, nothing_lost=row.nothing_lost) for row in rows
        ]


async def release(database: Database, hold: Hold, *, how: str) -> bool:
    """False where somebody else released it meanwhile."""
    async with database.nobody() as session:
        found = await session.scalar(text("SELECT release_worker_hold(:id, :how)"), {"id": hold.id, "how": how})
        return bool(found)


def hold_copy(owner_url: str, *, reason: str, state_of: datetime) -> bool:
    """Puts a hold into a copy, as its owner, before anybody else is let in; false where it knows no holds."""
    with psycopg.connect(owner_url, connect_timeout=10) as connection:
        known = connection.execute("SELECT to_regclass('public.worker_holds') IS NOT NULL").fetchone()
        if not known or not known[0]:
            return False
        # The fence is about the server that was copied: this one is nobody's successor, and stands open by itself.
        if connection.execute("SELECT to_regprocedure('open_writes(bigint, text)') IS NOT NULL").fetchone() == (True,):
            connection.execute(
                "SELECT open_writes(epoch + 1, %s) FROM write_standing() WHERE state <> 'open'", [reason]
            )
        connection.execute(
            "INSERT INTO worker_holds (id, reason, state_of, held_at) VALUES (%s, %s, %s, %s)",
            [new_id(), reason, state_of, wall_now()],
        )
    return True
