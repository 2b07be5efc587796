"""A test's database as it was: what a restore brings back, in a tenth of a second."""

from datetime import UTC, datetime

import psycopg
from psycopg import sql

from core.foundation.database import Database
from core.operations.recovery.holding import hold_copy
from tests.support.servers import Servers


class TimeMachine:
    """A snapshot of the test's database, and the way back to it."""

    def __init__(self, servers: Servers, name: str) -> None:
        self._servers, self.name, self._kept = servers, name, f"{name}_kept"
        self.taken_at = datetime.now(UTC)

    async def take(self, database: Database) -> None:
        """Keeps how all is now."""
        await database.dispose()
        self._end_others()
        self._servers.create_database(self._kept, template=self.name)
        self.taken_at = datetime.now(UTC)

    async def go_back(self, database: Database) -> None:
        """What happened since is lost; the copy is held as a restore holds it."""
        await database.dispose()
        self._end_others()
        self._servers.drop_database(self.name)
        self._as_admin(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (self._kept, self.name))))
        hold_copy(self._servers.url("owner", self.name), reason="restored as again", state_of=self.taken_at)

    def drop(self) -> None:
        self._servers.drop_database(self._kept)

    def _end_others(self) -> None:
        self._as_admin(
            sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(self.name)
        )

    def _as_admin(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._servers.url("admin", "postgres"), autocommit=True) as connection:
            connection.execute(statement)
