"""Restoring beside: a new cluster from a base backup and the log, brought to an instant, promoted and started.

Nothing that is there is overwritten, and a restore that fails takes its half-made copy away again.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import psycopg

from core.foundation.embedded import postgres_data as files
from core.foundation.embedded.account import Account, find_account
from core.foundation.embedded.errors import EmbeddedServerError
from core.foundation.embedded.postgres import BACKUP, OWNER, EmbeddedPostgres
from core.foundation.embedded.secret_files import SecretFiles
from core.foundation.settings import Settings
from core.operations.backups.catalogue import Backup, Catalogue, Contents, Segment
from core.operations.backups.contents import Reader, Unpacking
from core.operations.backups.errors import Damaged, NameTaken, OutsideWindow, RestoreFailed, UnknownBackup
from core.operations.backups.keys import Opening
from core.operations.backups.positions import Window, is_history, needed, windows
from core.operations.backups.programs import server_programs
from core.operations.backups.room import check_room
from core.operations.backups.sealed import unseal
from core.operations.backups.taking import catalogue_of
from core.operations.backups.verification import unpack
from core.operations.recovery.holding import hold_copy

_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,39}$")
_SUPERUSER = f"postgres-{files.SUPERUSER}"
_ROLES = (files.SUPERUSER, OWNER, BACKUP, "cloudbill_app", "cloudbill_operator", "cloudbill_mover")
LONGEST_RECOVERY_SECONDS = 6 * 3600.0

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a restore goes: to an instant (`at`), to the end of the log, or to the end of the backup itself."""

    backup: Backup
    goal: Literal["instant", "end", "backup"]
    at: datetime | None
    log: list[Segment]


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A restored cluster that runs."""

    name: str
    server: EmbeddedPostgres
    target: Target
    reached_at: datetime | None
    """When the last transaction that is in it was committed; None when the log after the backup held none."""
    seconds: float


def choose(contents: Contents, to: str | datetime) -> Target:
    """What leads there: an instant, `latest`, or a backup's name. Raises OutsideWindow, UnknownBackup."""
    found = windows(contents)
    if isinstance(to, str) and to != "latest":
        for window in found:
            if window.backup.id == to:
                return Target(backup=window.backup, goal="backup", at=None, log=needed(contents, window.backup))
        raise UnknownBackup(f"there is no base backup {to}: `cloudbill backup list` names them")
    if not found:
        raise OutsideWindow("there is no base backup to start from: `cloudbill backup create` makes one")
    if isinstance(to, str):
        window = max(found, key=lambda window: (window.end, window.start))
        goal = "end" if window.missing is None and window.end > window.start else "backup"
        return Target(backup=window.backup, goal=goal, at=None, log=needed(contents, window.backup))
    leading = [window for window in found if window.start <= to <= window.end]
    if not leading:
        raise OutsideWindow(f"{_instant(to)} cannot be reached; what can be: {describe(found)}")
    window = max(leading, key=lambda window: window.start)
    is_end_of_backup = to == window.start
    return Target(
        backup=window.backup,
        goal="backup" if is_end_of_backup else "instant",
        at=None if is_end_of_backup else to,
        log=needed(contents, window.backup),
    )


def describe(found: list[Window]) -> str:
    """The instants that can be reached, in words; windows without a hole between them are one."""
    spans: list[tuple[datetime, datetime]] = []
    for window in found:
        if spans and window.start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], window.end))
        else:
            spans.append((window.start, window.end))
    return "; ".join(
        f"{_instant(start)} to {_instant(end)}" if end > start else f"the backup of {_instant(start)}"
        for start, end in spans
    )


class Restores:
    """The restored clusters of an installation, each in a folder of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = settings.cloudbill_home.absolute() / "restored"

    def names(self) -> list[str]:
        """All of them."""
        return sorted(path.name for path in self.folder.glob("*") if (path / "postgres").exists())

    def server(self, name: str) -> EmbeddedPostgres:
        """One of them, started or not. Raises UnknownBackup."""
        place = self.place(name)
        if not (place / "postgres").exists():
            known = ", ".join(self.names()) or "none"
            raise UnknownBackup(f"nothing was restored as {name}; what was: {known}")
        version = (place / "postgres" / "PG_VERSION").read_text(encoding="ascii").strip()
        return self._server(place, version)

    def port(self, name: str) -> int | None:
        """Where it listens, or None when it does not run."""
        cluster = self.server(name).data_dir.resolve()
        if files.find_server(cluster) is None:
            return None
        with suppress(OSError, ValueError, IndexError):
            return int((cluster / "postmaster.pid").read_text(encoding="ascii").splitlines()[3])
        return None

    def place(self, name: str) -> Path:
        """Its folder. Raises UnknownBackup for what cannot be a name."""
        if not _NAME.match(name):
            raise UnknownBackup(
                f"{name!r} cannot be a name: up to 40 small letters, digits and hyphens, a letter or digit first"
            )
        return self.folder / name

    def restore(self, to: str | datetime, *, into: str, say: Say = lambda words: None) -> Restored:
        """Restores and starts. Raises BackupError; then nothing is left of it."""
        started = time.monotonic()
        place = self.place(into)
        if place.exists() or place.is_symlink():
            raise NameTaken(
                f"{place} is there already: restore under another name, or `cloudbill restored drop {into}`"
            )
        catalogue = catalogue_of(self._settings)
        if not catalogue.exists:
            raise OutsideWindow(f"{catalogue.folder} holds no backups: name their folder with BACKUPS_PATH")
        with catalogue.pinned() as contents:
            catalogue.refuse(contents)
            target = choose(contents, to)
            openings = catalogue.keys.openings()
            server_programs(target.backup.version)
            self._check(catalogue, target)
            server, reached = self._restore(catalogue, target, openings, into=into, say=say)
        return Restored(name=into, server=server, target=target, reached_at=reached, seconds=time.monotonic() - started)

    def _restore(
        self, catalogue: Catalogue, target: Target, openings: list[Opening], *, into: str, say: Say
    ) -> tuple[EmbeddedPostgres, datetime | None]:
        place, account = self.place(into), find_account()
        log, server = place / "log", None
        try:
            place.mkdir(mode=0o711, parents=True)
            self.folder.chmod(0o711)  # PostgreSQL's account must reach its data, and no more
            self._lend_passwords(place)
            say(f"opening {target.backup.id} ({target.backup.plain_size / 2**20:.0f} MB)")
            cluster = files.place_data(place / "postgres", account)
            _open(catalogue, target.backup, cluster, openings, account)
            self._unpack_log(catalogue, target, log, openings, account, say)
            say("recovering")
            server = self._server(place, target.backup.version, recovering(target, log=log.resolve()))
            reached = self._recover(server, cluster, account)
            files.delete_data(log.resolve())
            log.unlink(missing_ok=True)
            state_of = reached or target.backup.finished_at
            hold_copy(server.url(), reason=f"restored as {into} from {target.backup.id}", state_of=state_of)
        except BaseException as error:
            with suppress(Exception):
                if server:
                    server.stop()
            self.drop(into)
            if isinstance(error, EmbeddedServerError):
                raise RestoreFailed(f"PostgreSQL did not come to the target: {error}") from None
            if isinstance(error, psycopg.Error):
                raise RestoreFailed(f"the restored server does not answer: {str(error).splitlines()[0]}") from None
            raise
        return server, reached

    def stop(self, name: str) -> bool:
        """Stops it, whoever started it; whether it ran."""
        return files.end_server(self.server(name).data_dir.resolve()) is not None

    def drop(self, name: str) -> None:
        """Stops it and deletes all of it."""
        place = self.place(name)
        for folder in (place / "postgres", place / "log"):
            actual = folder.resolve()
            if folder.name == "postgres":
                files.end_server(actual)
            files.delete_data(actual)
        shutil.rmtree(place, ignore_errors=True)

    def _check(self, catalogue: Catalogue, target: Target) -> None:
        log = _up_to(target)
        for entry in (target.backup, *log):
            if not (catalogue.folder / entry.file).exists():
                raise Damaged(f"{entry.file} is missing: put it back, or restore to what does not need it")
        needed_bytes = target.backup.plain_size + len(log) * target.backup.segment_bytes
        check_room(self.folder, needed_bytes=needed_bytes, keep_free_bytes=self._settings.backup_keep_free_bytes)

    def _unpack_log(
        self,
        catalogue: Catalogue,
        target: Target,
        log: Path,
        openings: list[Opening],
        account: Account | None,
        say: Say,
    ) -> None:
        folder = files.place_data(log, account)
        folder.mkdir(mode=0o700)
        files.give_to(folder, account)
        wanted = _up_to(target)
        if wanted:
            say(f"opening {len(wanted)} segments of the log")
        for segment in wanted:
            path = unpack(catalogue, segment, folder, openings, segment_bytes=target.backup.segment_bytes)
            path.chmod(0o600)
            files.give_to(path, account)

    def _recover(self, server: EmbeddedPostgres, cluster: Path, account: Account | None) -> datetime | None:
        signal_file = cluster / "recovery.signal"
        signal_file.touch(mode=0o600)
        files.give_to(signal_file, account)
        known = server.secrets.find(_SUPERUSER) is not None
        server.secrets.get_or_create(_SUPERUSER)  # with none, a new one would be set before recovery
        try:
            server.start(seconds=LONGEST_RECOVERY_SECONDS)
        except EmbeddedServerError:
            if known or signal_file.exists():
                raise
            # It is promoted, and on this machine nobody knew its password.
            (server.secrets.folder / _SUPERUSER).unlink()
            server.start()
        with psycopg.connect(server.admin_url(), autocommit=True, connect_timeout=10) as connection:
            row = connection.execute("SELECT pg_last_xact_replay_timestamp()").fetchone()
        return row[0] if row else None

    def _server(self, place: Path, version: str, options: Mapping[str, str] | None = None) -> EmbeddedPostgres:
        return EmbeddedPostgres(
            place / "postgres",
            server_programs(version),
            options,
            secrets=place / "secrets",
            log=place / "postgres.log",
        )

    def _lend_passwords(self, place: Path) -> None:
        """Its logins have the passwords of the original, as far as they are known here."""
        known, lent = SecretFiles(self._settings.cloudbill_home.absolute() / "secrets"), SecretFiles(place / "secrets")
        for role in _ROLES:
            if word := known.find(f"postgres-{role}"):
                lent.put(f"postgres-{role}", word)


def recovering(target: Target, *, log: Path) -> dict[str, str]:
    """What PostgreSQL is told to come to the target."""
    goals = {
        "instant": {
            "recovery_target_time": target.at.isoformat() if target.at else "",
            "recovery_target_action": "promote",
        },
        "backup": {"recovery_target": "immediate", "recovery_target_action": "promote"},
        "end": {},
    }
    return {
        **goals[target.goal],
        "restore_command": f'cp "{log}/%f" "%p"',
        "hot_standby": "off",  # nobody gets in before it is at the target
    }


def _open(
    catalogue: Catalogue, backup: Backup, cluster: Path, openings: list[Opening], account: Account | None
) -> None:
    cluster.mkdir(mode=0o700)
    files.give_to(cluster, account)
    reader = Reader(Unpacking(cluster, owner=(account.uid, account.gid) if account else None))
    try:
        size, digest = unseal(catalogue.folder / backup.file, reader.write, by=openings)
        seen = reader.finish()
    finally:
        reader.abandon()
    if (size, digest) != (backup.plain_size, backup.plain_sha256):
        raise Damaged(f"{backup.id}: it is not what was put there")
    if faults := seen.faults():
        raise Damaged(f"{backup.id}: {faults[0]}")
    for name in ("postmaster.pid", "postmaster.opts"):
        (cluster / name).unlink(missing_ok=True)


def _up_to(target: Target) -> list[Segment]:
    """The segments that recovery will ask for: up to the first that is known to go past the target."""
    wanted: list[Segment] = []
    passed = False
    for segment in target.log:
        if is_history(segment.name):
            wanted.append(segment)
        elif not passed:
            wanted.append(segment)
            until = segment.covered_until
            passed = target.at is not None and until is not None and until >= target.at
    return [segment for segment in wanted if target.goal != "backup" or is_history(segment.name)]


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"
