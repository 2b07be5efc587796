"""The servers of this machine: the embedded database (`home`) and its standbys, each in a folder of its own.

They are copies of one cluster and have its passwords. A server whose folder holds `standby.signal` follows another and
can accept no write, however it is started.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql

from core.foundation.embedded import postgres_data as files
from core.foundation.embedded.account import find_account
from core.foundation.embedded.errors import EmbeddedServerError
from core.foundation.embedded.ports import LOOPBACK
from core.foundation.embedded.postgres import BACKUP, EmbeddedPostgres
from core.foundation.embedded.secret_files import SecretFiles
from core.foundation.serving import read_serving
from core.foundation.settings import Settings
from core.operations.backups.programs import connection, last_words, server_programs
from core.operations.backups.room import check_room
from core.operations.failover.errors import NoStandbysHere, StandbyFailed, UnknownStandby

HOME = "home"
_NAME = re.compile(r"^[a-z][a-z0-9-]{0,29}$")
_COPIED = ("max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
           "max_locks_per_transaction")  # fmt: skip
"""A standby needs at least as much of these as its primary has."""

_OTHERS_SECONDS = 30.0

_STARTED: list[EmbeddedPostgres] = []
"""They outlive the command that started them. One that ended stays, dead, until whoever started it asks for it."""

Say = Callable[[str], None]


class ServersHere:
    """All of an installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home = settings.cloudbill_home.absolute()
        self._account = find_account()
        self.folder = self._home / "standbys"
        self.secrets = SecretFiles(self._home / "secrets")

    def names(self) -> list[str]:
        """`home` first."""
        others = sorted(path.name for path in self.folder.glob("*") if (path / "postgres").exists())
        return [HOME, *others] if (self._home / "postgres").exists() else others

    def data(self, name: str) -> Path:
        """The folder of its files. Raises UnknownStandby, NoStandbysHere."""
        place = self._place(name) / "postgres"
        if not place.exists():
            if name == HOME:
                raise NoStandbysHere(
                    f"{place} does not exist: standbys are made of the embedded database, which `make up` starts; a "
                    "server of your own has its standbys by its own means, and a cloud's database by the stack"
                )
            known = ", ".join(name for name in self.names() if name != HOME) or "none"
            raise UnknownStandby(f"there is no standby {name} (there is: {known}): `cloudbill standby create {name}`")
        return place.resolve()

    def primary(self) -> str:
        """Who serves, by the last failover."""
        serving = read_serving(self._home)
        named = next((name for name in self.names() if serving and self.endpoint(name) == serving.endpoint), HOME)
        self.data(named)
        return named

    def endpoint(self, name: str) -> str:
        """host:port, whether or not it runs."""
        with suppress(OSError, StopIteration):
            lines = (self.data(name) / "cloudbill.conf").read_text(encoding="utf-8").splitlines()
            port = next(line for line in lines if line.startswith("port = ")).split("'")[1]
            return f"{LOOPBACK}:{port}"
        return f"{LOOPBACK}:0"

    def is_standby(self, name: str) -> bool:
        """Whether it follows another."""
        return files.is_standby(self.data(name))

    def runs(self, name: str) -> bool:
        """Whether a server works there."""
        return files.find_server(self.data(name)) is not None

    def server(self, name: str) -> EmbeddedPostgres:
        """To start it with; it keeps its port."""
        data, place = self.data(name), self._place(name)
        version = (data / "PG_VERSION").read_text(encoding="ascii").strip()
        port = int(self.endpoint(name).rpartition(":")[2])
        return EmbeddedPostgres(
            place / "postgres",
            server_programs(version),
            self._options(name),
            secrets=self.secrets.folder,
            log=self._home / "log" / ("database.log" if name == HOME else f"standby-{name}.log"),
            port=port or None,
        )

    def start(self, name: str) -> str:
        """Starts it unless it runs; its endpoint, which answers."""
        self._rests(name).unlink(missing_ok=True)
        if not self.runs(name):
            try:
                _forget_ended()
                _STARTED.append(self.server(name).start())
            except EmbeddedServerError:
                if not self._is_started_by_others(name):
                    raise
        return self.endpoint(name)

    def _is_started_by_others(self, name: str) -> bool:
        """A supervisor that was faster: in a moment its server answers."""
        server = self.server(name)
        server.port = int(self.endpoint(name).rpartition(":")[2])
        give_up_at = time.monotonic() + _OTHERS_SECONDS
        while self.runs(name) and time.monotonic() < give_up_at:
            if server.answers():
                return True
            time.sleep(0.1)
        return False

    def stop(self, name: str, *, seconds: float = 30, rests: bool = False) -> bool:
        """Stops it, whoever started it; whether it ran. One that rests is started by nobody who only looks after us."""
        if rests and name != HOME:
            self._rests(name).touch()
        ended = files.end_server(self.data(name), seconds=seconds)
        _forget_ended()
        return ended is not None

    def due(self, *, kept: Path | None = None) -> list[str]:
        """Who should run and does not: who serves, and who follows; but for `kept`, which somebody else looks after."""
        found: list[str] = []
        for name in self.names():
            data = self.data(name)
            if data == kept or self.runs(name) or files.is_rebuilt(data) or self._rests(name).exists():
                continue
            if self.is_standby(name) or name == self.primary():
                found.append(name)
        return found

    def cut_off(self, name: str) -> None:
        """Nobody writes there any more, whether or not PostgreSQL answers: also when somebody starts it again."""
        data = self.data(name)
        self._mark_standby(data)
        for _ in range(3):  # a supervisor may start it again, and then it only follows
            if files.find_server(data) is None and files.nobody_serves(data):
                return
            files.end_server(data, seconds=1)
        with psycopg.connect(self._admin_url(name), connect_timeout=5) as asked:
            row = asked.execute("SELECT pg_is_in_recovery()").fetchone()
            if row != (True,):
                raise StandbyFailed(f"the server in {data} could not be stopped: end it by hand, then try again")

    def create(self, name: str, *, say: Say = lambda words: None) -> str:
        """A standby of the primary, running; its endpoint. Raises FailoverError, BackupError."""
        if not _NAME.match(name) or name == HOME:
            raise StandbyFailed(f"{name!r} cannot be its name: up to 30 small letters, digits and hyphens, not {HOME}")
        place = self._place(name)
        if (place / "postgres").exists():
            raise StandbyFailed(f"{name} is there already: `cloudbill standby drop {name}`, or another name")
        primary = self.primary()
        place.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        place.chmod(0o711)
        mark = files.rebuilding_mark(place / "postgres")
        try:
            mark.write_text(str(os.getpid()), encoding="ascii")
            self._copy(primary, name, files.place_data(place / "postgres", self._account), say=say)
            self._keep_options(primary, name)
            mark.unlink()
            say("starting")
            return self.start(name)
        except BaseException:
            with suppress(Exception):
                self.drop(name)
            shutil.rmtree(place, ignore_errors=True)
            raise

    def rebuild(self, name: str, *, say: Say = lambda words: None) -> str:
        """Makes an old primary a standby of the present one, running; its endpoint.

        By pg_rewind where it is installed and can, else by a copy of all; what was written there alone is gone then.
        """
        primary, data = self.primary(), self.data(name)
        if primary == name:
            raise StandbyFailed(f"{name} is the primary")
        mark = files.rebuilding_mark(data)
        mark.write_text(str(os.getpid()), encoding="ascii")
        try:
            self.cut_off(name)
            files.end_server(data, seconds=10)
            if not self._rewind(primary, name, data, say=say):
                unfinished = self._copy(primary, name, data, say=say, instead=True)
                say(f"copied anew into {unfinished}")
            self._keep_options(primary, name)
        finally:
            mark.unlink(missing_ok=True)
        return self.start(name)

    def drop(self, name: str) -> None:
        """Stops a standby and deletes it; never the primary, nor `home`."""
        data = self.data(name)
        if name in (HOME, self.primary()):
            raise StandbyFailed(f"{name} is not dropped: it is {'the primary' if name == self.primary() else 'home'}")
        self.stop(name, rests=True)
        with suppress(psycopg.Error, StandbyFailed):
            self._drop_slot(self.primary(), name)
        files.delete_data(data)
        shutil.rmtree(self._place(name), ignore_errors=True)

    def _rests(self, name: str) -> Path:
        return self._place(name) / "stopped"

    def _place(self, name: str) -> Path:
        return self._home if name == HOME else self.folder / name

    def _admin_url(self, name: str) -> str:
        word = self.secrets.find(f"postgres-{files.SUPERUSER}") or ""
        return f"postgresql://{files.SUPERUSER}:{word}@{self.endpoint(name)}/postgres"

    def _copy(self, primary: str, name: str, data: Path, *, say: Say, instead: bool = False) -> Path:
        """By pg_basebackup through a slot; `data` appears whole or not at all."""
        version = (self.data(primary) / "PG_VERSION").read_text(encoding="ascii").strip()
        binaries = files.place_binaries(server_programs(version), self._account)
        unfinished = data.with_name(f"{data.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        size = sum(path.stat().st_size for path in self.data(primary).rglob("*") if path.is_file())
        check_room(data.parent, needed_bytes=size, keep_free_bytes=self._settings.backup_keep_free_bytes)
        self._drop_slot(primary, name)
        unfinished.mkdir(mode=0o700)
        files.give_to(unfinished, self._account)
        say(f"copying {size / 2**20:.0f} MB from {primary}")
        word = self.secrets.find(f"postgres-{BACKUP}") or ""
        env = {**connection(f"postgresql://{BACKUP}:{word}@{self.endpoint(primary)}/"), "PGAPPNAME": f"standby-{name}"}
        done = subprocess.run(
            [str(binaries / "pg_basebackup"), f"--pgdata={unfinished}", "--write-recovery-conf", "--wal-method=stream",
             "--checkpoint=fast", "--create-slot", f"--slot={_slot(name)}", "--no-password"],
            env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
            start_new_session=True, **files.as_account(self._account),
        )  # fmt: skip
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise StandbyFailed(f"pg_basebackup could not copy {primary}: {last_words(done.stderr.splitlines())}")
        if instead:
            port = self.endpoint(name)
            shutil.copy2(data / "cloudbill.conf", unfinished / "cloudbill.conf")  # it keeps its port
            files.give_to(unfinished / "cloudbill.conf", self._account)
            shutil.rmtree(data)
            unfinished.replace(data)
            assert self.endpoint(name) == port
        else:
            (unfinished / "cloudbill.conf").unlink(missing_ok=True)
            unfinished.replace(data)
        return data

    def _rewind(self, primary: str, name: str, data: Path, *, say: Say) -> bool:
        version = (data / "PG_VERSION").read_text(encoding="ascii").strip()
        binaries = files.place_binaries(server_programs(version), self._account)
        word = self.secrets.find(f"postgres-{BACKUP}")
        if not (binaries / "pg_rewind").exists() or word is None:
            say("pg_rewind is not among PostgreSQL's programs here: all is copied anew")
            return False
        kept = (data / "cloudbill.conf").read_bytes()
        with psycopg.connect(self._admin_url(primary), autocommit=True, connect_timeout=5) as asked:
            asked.execute("CHECKPOINT")  # until then its control file does not say that it has parted
        (data / "standby.signal").unlink(missing_ok=True)  # it ends a crash's recovery first, as a server of its own
        done = subprocess.run(
            [str(binaries / "pg_rewind"), f"--target-pgdata={data}", f"--source-server={self._admin_url(primary)}"],
            cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
            env=files.clean_environment(), start_new_session=True, **files.as_account(self._account),
        )  # fmt: skip
        self._mark_standby(data)
        (data / "cloudbill.conf").write_bytes(kept)  # its port, also where all is copied anew
        if done.returncode != 0:
            say(f"pg_rewind could not: {last_words(done.stderr.splitlines())}; all is copied anew")
            return False
        host, _, port = self.endpoint(primary).partition(":")
        conninfo = f"host={host} port={port} user={BACKUP} password={word} application_name=standby-{name}"
        with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as auto:
            auto.write(f"primary_conninfo = '{conninfo}'\nprimary_slot_name = '{_slot(name)}'\n")
        self._drop_slot(primary, name)
        with self._backup_login(primary) as asked:
            asked.execute("SELECT pg_create_physical_replication_slot(%s, true)", [_slot(name)])
        say("rewound to where it parted from the primary")
        return True

    def _mark_standby(self, data: Path) -> None:
        mark = data / "standby.signal"
        mark.touch(mode=0o600)
        files.give_to(mark, self._account)

    def _drop_slot(self, primary: str, name: str) -> None:
        with self._backup_login(primary) as asked:
            asked.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                "WHERE slot_name = %s AND NOT active",
                [_slot(name)],
            )

    @contextmanager
    def _backup_login(self, name: str) -> Generator[psycopg.Connection]:
        word = self.secrets.find(f"postgres-{BACKUP}") or ""
        url = f"postgresql://{BACKUP}:{word}@{self.endpoint(name)}/postgres"
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=5) as asked:
                yield asked
        except psycopg.OperationalError as error:
            raise StandbyFailed(
                f"{name} does not answer at {self.endpoint(name)} ({str(error).strip().splitlines()[0]}): start it "
                "(`make up`, or `cloudbill standby start NAME`)"
            ) from None

    def _options(self, name: str) -> dict[str, str]:
        with suppress(OSError):
            lines = (self._place(name) / "standby.options").read_text(encoding="ascii").splitlines()
            return {name: value for name, _, value in (line.partition("=") for line in lines)}
        return {}

    def _keep_options(self, primary: str, name: str) -> None:
        with self._backup_login(primary) as asked:
            query = sql.SQL("SELECT {}").format(
                sql.SQL(", ").join(sql.SQL("current_setting({})").format(one) for one in _COPIED)
            )
            row = asked.execute(query).fetchone()
        assert row
        lines = [f"{option}={value}\n" for option, value in zip(_COPIED, row, strict=True)]
        (self._place(name) / "standby.options").write_text("".join(lines), encoding="ascii")


def _slot(name: str) -> str:
    return f"cloudbill_standby_{name.replace('-', '_')}"


def _forget_ended() -> None:
    _STARTED[:] = [server for server in _STARTED if server.running]
