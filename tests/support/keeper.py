"""The keeper: a process that holds the servers of a test run and ends them when the run is over, however it ended."""

import hashlib
import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing import connection as pipes
from pathlib import Path

import psycopg
from psycopg import sql

from core.foundation.embedded.postgres import BACKUP, EmbeddedPostgres
from core.foundation.embedded.valkey import EmbeddedValkey
from core.foundation.migrations.upgrade import upgrade_schema
from tests.support.servers import APP, MOVER, OPERATOR, OWNER, PREFIX, ROOT, WORDS, Kind, Servers, debian_programs

# Nothing here has to survive a power cut; `durable` runs keep what the embedded servers do by themselves.
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "96MB",
    "max_connections": "400",
    "max_locks_per_transaction": "128",
}


class _Kept:
    """The keeper's own side."""

    def __init__(self, folder: Path, kind: Kind, *, durable: bool) -> None:
        self.folder = folder
        self.kind: Kind = kind
        self.durable = durable
        self.lock = threading.Lock()
        self.minded: set[int] = set()
        self.postgres: EmbeddedPostgres | None = None
        self.valkey: EmbeddedValkey | None = None
        self.known: Servers | None = None
        self.failure: str | None = None

    def answer(self, connection: pipes.Connection) -> None:
        with connection, suppress(EOFError, OSError):
            question, *rest = connection.recv()
            connection.send(self.servers() if question == "servers" else self.minded.add(rest[0]))

    def servers(self) -> Servers | str:
        """Where they are, or why they are not; tried once."""
        with self.lock:
            if self.known is None and self.failure is None:
                try:
                    self.known = self._start()
                except Exception as error:
                    self.failure = f"{type(error).__name__}: {error}"
            return self.known or self.failure or ""

    def stop(self) -> None:
        for group in self.minded:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        with self.lock:
            for server in (self.postgres, self.valkey):
                if server:
                    with suppress(Exception):
                        server.delete()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> Servers:
        programs = debian_programs() if self.kind == "debian" else (None, None)
        options = {"max_connections": "400"} if self.durable else _FAST
        if self.kind == "embedded" and not self.durable:
            options = options | {"scram_iterations": "1"}  # half of what a connection costs; before 16 it is fixed
        self.postgres = EmbeddedPostgres(self.folder / "postgres", programs[0], options)
        self.postgres.start()
        self.valkey = EmbeddedValkey(self.folder / "cache", programs[1], {"databases": "64", "appendonly": "no"})
        self.valkey.start()
        template = f"{PREFIX}template_{_migrations_hash()}"
        with psycopg.connect(self.postgres.admin_url(), autocommit=True) as connection:
            version = connection.info.parameter_status("server_version") or ""
            admin = sql.SQL("ALTER ROLE {} PASSWORD {}")  # as it was, but hashed as cheaply as the others
            connection.execute(admin.format(sql.Identifier(connection.info.user), connection.info.password))
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(template), sql.Identifier(OWNER))
            )
        upgrade_schema(self.postgres.url(OWNER, template))
        with psycopg.connect(self.postgres.admin_url(), autocommit=True) as connection:
            for login, group in ((APP, "cloudbill_app"), (OPERATOR, "cloudbill_operator"), (MOVER, "cloudbill_mover")):
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                        sql.Identifier(login), WORDS[login], sql.Identifier(group)
                    )
                )
        address = {
            "owner": self.postgres.url(OWNER, "{database}"),
            "admin": self.postgres.admin_url("{database}"),
            "backup": self.postgres.url(BACKUP),
            "app": self.postgres.url(APP, "{database}", password=WORDS[APP]),
            "operator": self.postgres.url(OPERATOR, "{database}", password=WORDS[OPERATOR]),
            "mover": self.postgres.url(MOVER, "{database}", password=WORDS[MOVER]),
        }
        return Servers(
            kind=self.kind,
            version=version,
            template=template,
            postgres=address,
            cache=self.valkey.url().removesuffix("0") + "{number}",
        )


def _migrations_hash() -> str:
    folder = ROOT / "core" / "foundation" / "migrations"
    content = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".sql"))
    return hashlib.sha256(content).hexdigest()[:12]


def _keep(folder: Path, kind: Kind, durable: bool) -> None:
    # PostgreSQL refuses to run as root, and its account must be able to enter; the secrets have a folder of their own.
    folder.chmod(0o711)
    kept = _Kept(folder, kind, durable=durable)
    with pipes.Listener(str(folder / "keeper"), backlog=64) as listener:

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()
                except OSError:
                    return
                threading.Thread(target=kept.answer, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.buffer.read()  # returns when the run is over, however it ended
    kept.stop()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # only the end of the run ends us
    _keep(Path(sys.argv[1]), "debian" if sys.argv[2] == "debian" else "embedded", sys.argv[3] == "durable")
