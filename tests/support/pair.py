"""A primary and its standbys on this machine, as an installation has them: real servers, a folder for each test."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from core.foundation.embedded import postgres_data as files
from core.foundation.embedded.postgres import BACKUP, EmbeddedPostgres
from core.foundation.fence import is_fenced
from core.foundation.migrations.upgrade import ensure_logins, upgrade_schema
from core.foundation.serving import at
from core.foundation.settings import Settings, load_settings
from core.operations.failover import here
from core.operations.failover.grounds import HereGround
from core.operations.failover.here import HOME, ServersHere
from core.operations.failover.running import Failover
from tests.support.environment import ENCRYPTION_KEY
from tests.support.servers import debian_programs

_ROLES = {"database_app_url": "cloudbill_app", "database_operator_url": "cloudbill_operator",
          "database_mover_url": "cloudbill_mover", "database_backup_url": BACKUP}  # fmt: skip


def _folder() -> Path:
    memory = Path("/dev/shm")
    place = str(memory) if memory.exists() and shutil.disk_usage(memory).free > 4 * 1024**3 else None
    folder = Path(tempfile.mkdtemp(prefix="cloudbill-pair-", dir=place))
    folder.chmod(0o711)
    return folder


class Template:
    """A migrated home with one standby, stopped: every pair is a copy of it."""

    def __init__(self, *, debian: bool) -> None:
        self.folder = _folder()
        home = self.folder / "home"
        home.mkdir(mode=0o711)
        server = EmbeddedPostgres(
            home / HOME_DATA,
            debian_programs()[0] if debian else None,
            options={"shared_buffers": "16MB", "fsync": "off"},
            secrets=home / "secrets",
            log=home / "database.log",
        )
        (home / "standby.options").write_text("shared_buffers=16MB\nfsync=off\n")
        server.start()
        upgrade_schema(server.url())
        ensure_logins(load_settings(**addresses(home, server.port, server)))
        ServersHere(load_settings(**addresses(home, server.port, server))).create("east")
        ServersHere(load_settings(**addresses(home, server.port, server))).stop("east")
        server.stop()

    def delete(self) -> None:
        """Away with it."""
        shutil.rmtree(self.folder, ignore_errors=True)


HOME_DATA = "postgres"


def addresses(home: Path, port: int, server: EmbeddedPostgres) -> dict[str, Any]:
    """The settings that name a home's servers."""
    place = f"127.0.0.1:{port}"
    urls = {name: at(server.url(role), place) for name, role in _ROLES.items()}
    return {
        "cloudbill_home": home,
        "database_url": at(server.url(), place),
        **urls,
        "backup_keep_free_mb": 0,
        "encryption_key": ENCRYPTION_KEY,
        "ledger_heads_path": home / "ledger-heads",
    }


class Pair:
    """Running, until `stop`."""

    def __init__(self, template: Template) -> None:
        self.folder = _folder()
        self.home = self.folder / "home"
        subprocess.run(["cp", "-a", str(template.folder / "home"), str(self.home)], check=True)
        bare = ServersHere(load_settings(cloudbill_home=self.home))
        bare.start(HOME)
        self._given = addresses(self.home, int(bare.endpoint(HOME).split(":")[1]), bare.server(HOME))
        # The copy's primary has a port of its own, which its standby is told.
        auto = bare.data("east") / "postgresql.auto.conf"
        text = auto.read_text()
        old = text.split("port=")[1].split()[0]
        auto.write_text(text.replace(f"port={old}", f"port={bare.endpoint(HOME).split(':')[1]}"))
        self.servers = ServersHere(self.settings())
        self.servers.start("east")

    def settings(self, **changes: Any) -> Settings:
        """As `make up` would leave them."""
        return load_settings(**{**self._given, **changes})

    def failover(self, **options: Any) -> Failover:
        """The command's own object."""
        return Failover(HereGround(self.settings()), **options)

    def url(self, name: str, role: str = "app") -> str:
        """A login at one of the servers."""
        settings = self.settings()
        base = settings.owner_url if role == "owner" else getattr(settings, f"{role}_url")
        return at(base, self.servers.endpoint(name))

    def connect(self, name: str, role: str = "app", **options: Any) -> psycopg.Connection[Any]:
        """In autocommit."""
        return psycopg.connect(self.url(name, role), autocommit=True, connect_timeout=5, **options)

    def ask(self, name: str, query: str, *, role: str = "owner") -> Any:
        """The first row."""
        with self.connect(name, role) as connection:
            row = connection.execute(query).fetchone()
            return row

    def pid(self, name: str) -> int:
        """Of its postmaster."""
        found = files.find_server(self.servers.data(name))
        assert found
        return found.pid

    def kill(self, name: str) -> None:
        """SIGKILL for its postmaster."""
        os.kill(self.pid(name), signal.SIGKILL)
        for server in here._STARTED:
            _ = server.running  # a child of ours that is dead and not asked for still has its process id
        time.sleep(0.2)
        for server in here._STARTED:
            _ = server.running

    def until_streaming(self, name: str = "east", primary: str = HOME) -> None:
        """Returns when the standby has all that its primary has."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(psycopg.Error):
                (position,) = self.ask(primary, "SELECT pg_current_wal_insert_lsn()")
                (has,) = self.ask(name, f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn")
                if has:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{name} does not stream")

    def stop(self) -> None:
        """All servers, and all that is left of them."""
        for name in self.servers.names():
            with suppress(Exception):
                self.servers.stop(name, seconds=5)
        for name in self.servers.names():
            files.delete_data(self.servers.data(name))
        shutil.rmtree(self.folder, ignore_errors=True)
        assert here._STARTED == [], "a server that this process started still runs, or was never asked for its end"


@dataclass
class Writes:
    """What one writer saw."""

    accepted: list[tuple[UUID, float, float]] = field(default_factory=list[Any])
    refused: int = 0
    failed: int = 0


class Writer:
    """Somebody who writes to one server without a pause, whatever happens; reconnects when cut off."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen = Writes()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True, connect_timeout=2) as connection:
                    while not self._stop.is_set():
                        self._write(connection)
            except psycopg.Error:
                self.seen.failed += 1
                time.sleep(0.02)

    def _write(self, connection: psycopg.Connection[Any]) -> None:
        name, began = uuid4(), time.monotonic()
        try:
            connection.execute("SELECT create_user(%s, %s, 'W', 'x')", [name, f"{name.hex}@load.test"])
        except psycopg.Error as error:
            if not is_fenced(error):
                raise
            self.seen.refused += 1
            time.sleep(0.005)
        else:
            self.seen.accepted.append((name, began, time.monotonic()))
            time.sleep(0.001)
