"""This machine's standbys: real servers beside the embedded database, which follow it and can take its place."""

import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from core.foundation.clock import wall_now
from core.foundation.embedded import postgres_data as files
from core.foundation.embedded.account import find_account
from core.foundation.serving import at
from core.foundation.settings import Settings
from core.operations.backups.programs import last_words, server_programs
from core.operations.clouds.base import Measure, Promoted, Replica, RunningVersion, Standing
from core.operations.clouds.errors import CloudRefused
from core.operations.failover.errors import NoStandbysHere, UnknownStandby
from core.operations.failover.here import ServersHere

_HERE = "this machine"
_ASK = (
    "SELECT pg_is_in_recovery(), EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL),"
    " pg_last_xact_replay_timestamp(), CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END,"
    " current_setting('server_version')"
)


class LocalStandbys:
    """Of the server that serves by the last failover."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers = ServersHere(settings)

    def standing(self) -> Standing:
        """As the servers tell it. Raises CloudRefused where the database is not the embedded one."""
        try:
            primary = self._servers.primary()
        except NoStandbysHere as error:
            raise CloudRefused(error.detail) from None
        about = self._ask(primary)
        end = self._end_of_log(primary) if about else None
        return Standing(
            name=primary,
            engine_version=str(about[4]).split()[0] if about else self._version(primary),
            state="serving" if about else "does not answer",
            is_serving=about is not None and not about[0],
            has_standby=False,
            standby_is_healthy=None,
            replicas=tuple(self._replica(name, end) for name in self._servers.names() if self._follows(name, primary)),
        )

    def add(self, name: str, *, like: str, region: str) -> None:
        """A copy of all through a slot; one that is there is left alone."""
        if name not in self._servers.names():
            self._servers.create(name)

    def promote(self, replica: str, *, region: str | None = None) -> Promoted:
        """By PostgreSQL's own signal. Asked twice it is done once."""
        data, account = self._known(replica), find_account()
        if files.is_standby(data):
            if replica == self._servers.primary():
                raise CloudRefused(f"{replica} is the primary itself")
            self._servers.start(replica)
            binaries = files.place_binaries(server_programs(self._version(replica)), account)
            done = subprocess.run(
                [str(binaries / "pg_ctl"), "promote", "-D", str(data), "-w", "-t", "120"],
                cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
                env=files.clean_environment(), start_new_session=True, **files.as_account(account),
            )  # fmt: skip
            if done.returncode != 0 and files.is_standby(data):
                raise CloudRefused(f"{replica} was not promoted: {last_words(done.stderr.splitlines())}")
        endpoint = self._servers.start(replica)
        return Promoted(name=replica, endpoint=endpoint)

    def fence(self) -> None:
        """Ends the primary's server, and sees to it that it only follows should anybody start it again."""
        try:
            self._servers.cut_off(self._servers.primary())
        except NoStandbysHere as error:
            raise CloudRefused(error.detail) from None

    def _known(self, name: str) -> Path:
        try:
            return self._servers.data(name)
        except (UnknownStandby, NoStandbysHere) as error:
            raise CloudRefused(error.detail) from None

    def _follows(self, name: str, primary: str) -> bool:
        return name != primary and self._servers.is_standby(name)

    def _version(self, name: str) -> str:
        return (self._servers.data(name) / "PG_VERSION").read_text(encoding="ascii").strip()

    def _replica(self, name: str, end: str | None) -> Replica:
        about = self._ask(name)
        if about is None:
            return Replica(name=name, region=_HERE, state="does not answer", is_healthy=False, lag_seconds=None)
        streams = bool(about[1])
        return Replica(
            name=name,
            region=_HERE,
            state="streaming" if streams else "not streaming",
            is_healthy=bool(about[0]),
            lag_seconds=self._lag(about[2], str(about[3]), end),
        )

    def _lag(self, replayed_at: datetime | None, position: str, end: str | None) -> float | None:
        if end is None:
            return None
        if _bytes(position) >= _bytes(end):
            return 0.0
        since = replayed_at or datetime.fromtimestamp(0, UTC)
        return max(0.0, (wall_now() - since).total_seconds())

    def _ask(self, name: str) -> tuple[Any, ...] | None:
        try:
            with self._connect(name) as asked:
                return asked.execute(_ASK).fetchone()
        except psycopg.Error:
            return None

    def _end_of_log(self, name: str) -> str | None:
        try:
            with self._connect(name) as asked:
                row = asked.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
                return str(row[0]) if row else None
        except psycopg.Error:
            return None

    def _connect(self, name: str) -> psycopg.Connection:
        return psycopg.connect(at(self._settings.app_url, self._servers.endpoint(name)), connect_timeout=3)


class LocalWatched:
    """What this machine tells of what runs here."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def versions(self) -> list[RunningVersion]:
        """The sources that this command runs, whoever else runs them."""
        return [RunningVersion(service="cloudbill", version=version("cloudbill"), wanted=1, running=1)]

    def measures(self) -> list[Measure]:
        """Connections of the database, and room on its disk."""
        now = wall_now()
        with psycopg.connect(self._settings.app_url, connect_timeout=5) as asked:
            row = asked.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").fetchone()
        free = shutil.disk_usage(self._settings.cloudbill_home).free
        return [
            Measure(name="connections", value=float(row[0] if row else 0), at=now),
            Measure(name="storage_free_bytes", value=float(free), at=now),
        ]


def _bytes(position: str) -> int:
    high, _, low = position.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
