"""The servers of a test run: started once, migrated once, ended whatever becomes of the run.

They are held by a keeper, a process of its own that ends them (and every process it was asked to mind) as soon as the
pipe to the process that started it closes; so nothing outlives a run, not even one that was killed. It starts them
when a test first asks. All workers of a run share them; each test has a database of its own, a copy of a template that
the real migrations made.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

ROOT = Path(__file__).parent.parent.parent
KEEPER = "CLOUDBILL_TEST_KEEPER"
"""The environment variable by which the workers of a run find the keeper."""

DEBIAN_POSTGRES = Path("/usr/lib/postgresql/15/bin")
PREFIX = "cloudbill_test_"
"""Every database of the tests begins with it, and nothing else is touched."""

OWNER, APP, OPERATOR = "cloudbill_owner", "cloudbill_test_app", "cloudbill_test_operator"
MOVER = "cloudbill_test_mover"
WORDS = {APP: "test-app-word", OPERATOR: "test-operator-word", MOVER: "test-mover-word"}

Kind = Literal["embedded", "debian"]
Role = Literal["owner", "app", "operator", "mover", "admin", "backup"]


class ServersMissing(Exception):
    """The servers could not be started, or the migrations failed on them."""


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Where the servers of this run are, and the database that new ones are copied from."""

    kind: Kind
    version: str
    template: str
    postgres: dict[str, str]
    """An address by role, with `{database}` for the database's name."""

    cache: str
    """The address of the cache, with `{number}` for one of its 64 databases."""

    def url(self, role: Role, database: str) -> str:
        """The address of a database of the tests, for a role."""
        return self.postgres[role].format(database=database)

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """A copy of the migrated template (or of another database that nobody is connected to)."""
        assert name.startswith(PREFIX)
        # Copying files beats copying through the log where the log is small and nothing is synced: 25 ms.
        statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template or self.template)
        )
        with psycopg.connect(self.url("admin", "postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def drop_database(self, name: str) -> None:
        """Away with it, connected or not."""
        assert name.startswith(PREFIX)
        with psycopg.connect(self.url("admin", "postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def debian_programs() -> tuple[Path, Path]:
    """The folder of PostgreSQL 15 and the redis-server that Debian installs. Raises ServersMissing."""
    redis = shutil.which("redis-server")
    if not (DEBIAN_POSTGRES / "postgres").exists():
        raise ServersMissing(f"PostgreSQL 15 is not installed ({DEBIAN_POSTGRES})")
    if not redis:
        raise ServersMissing("redis-server is not installed")
    return DEBIAN_POSTGRES, Path(redis)


def _fast_folder() -> str | None:
    """Memory where there is plenty of it: a database is then made in 15 ms, whatever else the disk has to do."""
    memory = Path("/dev/shm")
    try:
        return str(memory) if shutil.disk_usage(memory).free > 4 * 1024**3 and os.access(memory, os.W_OK) else None
    except OSError:
        return None


class Keeper:
    """Our end of the keeper: starts it, or finds the one that the run already has."""

    def __init__(self, kind: Kind, *, durable: bool = False) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._servers: Servers | None = None
        self._lock = threading.Lock()
        self._address = os.environ.get(KEEPER)
        if self._address is None:
            folder = tempfile.mkdtemp(prefix="cloudbill-test-", dir=None if durable else _fast_folder())
            self._address = f"{folder}/keeper"
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.keeper", folder, kind, "durable" if durable else "fast"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            assert self._process.stdout
            self._process.stdout.readline()
            os.environ[KEEPER] = self._address

    def servers(self) -> Servers:
        """The servers; started by the first call of the run."""
        with self._lock:
            if self._servers is None:
                answer = self._ask("servers")
                if isinstance(answer, str):
                    raise ServersMissing(answer)
                self._servers = answer
            assert self._servers
            return self._servers

    def mind(self, pid: int) -> None:
        """Have the process group `pid` killed at the latest when the run ends."""
        self._ask("mind", pid)

    def stop(self) -> None:
        """End everything, if this is the process that started the keeper."""
        if self._process:
            os.environ.pop(KEEPER, None)
            assert self._process.stdin
            self._process.stdin.close()
            self._process.wait(60)
            assert self._process.stdout
            self._process.stdout.close()

    def _ask(self, *question: Any) -> Any:
        with Client(self._address) as connection:
            connection.send(question)
            return connection.recv()
