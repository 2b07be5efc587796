"""What is asked of a cloud, whichever it is."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

Say = Callable[[str], None]
"""Is told how a long operation goes on."""


def silently(words: str) -> None:
    """Says nothing."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stack stands, as its file says."""

    cloud: str
    region: str
    project: str | None = None
    """Google Cloud only."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A copy of a database that stays until somebody deletes it."""

    name: str
    database: str
    """The instance's name in the cloud."""
    reference: str
    """What the cloud's own commands know it by."""
    is_new: bool
    """False where one of that name was there already."""


class Databases(Protocol):
    """The databases of a place."""

    def name_of(self, endpoint: str) -> str:
        """What the cloud calls the database at `endpoint` (host:port). Raises DatabaseNotFound."""
        ...

    def snapshot(self, endpoint: str, name: str) -> Snapshot:
        """A snapshot of the database at `endpoint` (host:port), finished when this returns.

        Asked twice with one name it is taken once. Raises CloudError.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class StoredBackup:
    """A backup that is there, by the name that a restore takes."""

    name: str
    finished_at: datetime
    size_bytes: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is wrong with the backups."""

    check: str
    """A word that stays: backup_state, backup_not_encrypted, backup_key, copy_missing, window, …"""
    subject: str
    """The backup or database."""
    detail: str


@dataclass(frozen=True, kw_only=True)
class Span:
    """Every instant from start to end can be restored; where both are one, that instant alone."""

    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True)
class RestoredDatabase:
    """A new database beside the old one."""

    name: str
    endpoint: str
    """host:port"""
    reached_at: datetime | None
    """When the last transaction in it was committed, where that is told."""
    ca: str | None = None
    """PEM of who certifies its server, where that is another one than the original's."""


@dataclass(frozen=True, kw_only=True)
class Replica:
    """A copy that follows its primary and could take its place."""

    name: str
    region: str
    """Where it stands; local: the machine."""
    state: str
    """In the cloud's own word: available, RUNNABLE, streaming, …"""
    is_healthy: bool
    """Whether it could be promoted now."""
    lag_seconds: float | None
    """Behind its primary; None where nobody can say."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a database stands, as its place tells it."""

    name: str
    engine_version: str
    state: str
    is_serving: bool
    has_standby: bool
    """A synchronous standby in another zone, which takes over by itself."""
    standby_is_healthy: bool | None
    """None where there is none, or the cloud does not say."""
    replicas: tuple[Replica, ...]


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """A replica that has become a primary of its own."""

    name: str
    endpoint: str
    """host:port"""


@dataclass(frozen=True, kw_only=True)
class RunningVersion:
    """What a service runs."""

    service: str
    version: str
    """The image, by digest where the cloud tells it."""
    wanted: int
    running: int


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure of a database, as the cloud's monitoring has it."""

    name: str
    """cpu_percent, connections, storage_free_bytes, replica_lag_seconds"""
    value: float
    at: datetime


class Backups(Protocol):
    """The backups of one database."""

    def create(self, reason: str) -> StoredBackup:
        """Finished when this returns."""
        ...

    def list_backups(self) -> list[StoredBackup]:
        """Oldest first."""
        ...

    def describe(self, name: str) -> StoredBackup:
        """One of them. Raises BackupNotFound."""
        ...

    def copy(self, name: str, *, region: str) -> StoredBackup:
        """A copy in another region (local: another folder), finished when this returns; asked twice it is made once."""
        ...

    def restorable(self) -> list[Span]:
        """What `restore` takes as an instant."""
        ...

    def verify(self) -> list[Fault]:
        """What is wrong, as far as it is told without restoring; in a cloud nobody sees inside before a drill does."""
        ...

    def prune(self, *, dry_run: bool = False) -> list[str]:
        """Drops what the retention does not need; the names of what went, or would go."""
        ...

    def restore(self, to: str | datetime, *, into: str) -> RestoredDatabase:
        """Into a new database of that name, at an instant, a backup's end, or `latest`. Never over an old one."""
        ...

    def drop(self, name: str) -> None:
        """A database that `restore` made, and no other. Raises CloudRefused for any other.

        One that is gone already is no error, or DatabaseNotFound.
        """
        ...


class Standbys(Protocol):
    """Who could take a primary's place."""

    def standing(self) -> Standing:
        """Of the primary and all that follows it."""
        ...

    def promote(self, replica: str, *, region: str | None = None) -> Promoted:
        """Makes it a primary of its own; writable when this returns. Asked twice it is done once.

        `region` is where it stands, where that is another one than the primary's.
        """
        ...

    def add(self, name: str, *, like: str, region: str) -> None:
        """Makes a new replica of this primary in `region`, as `like` is there; it follows when this returns.

        Asked twice it is made once.
        """
        ...

    def fence(self) -> None:
        """Cuts the old primary off, so that nobody writes there, whether or not PostgreSQL answers there."""
        ...


class Watched(Protocol):
    """What a place tells of what runs there."""

    def versions(self) -> list[RunningVersion]:
        """Of the installation's services."""
        ...

    def measures(self) -> list[Measure]:
        """The newest of each."""
        ...


class Dns(Protocol):
    """The names that lead callers to an installation."""

    def point(self, record: str, endpoint: str) -> None:
        """Makes the record lead to `endpoint` (a host name or an address); asked twice it is done once."""
        ...

    def leads_to(self, record: str) -> str | None:
        """The host name or address that it leads to; None where there is no such record."""
        ...

    def health(self, record: str) -> bool | None:
        """Whether what it leads to is healthy, as its health check says; None where it has none."""
        ...


def databases(place: Place) -> Databases:
    """Those of the place; its client is imported only now. Raises CloudUnreachable."""
    if place.cloud == "gcp":
        from core.operations.clouds.gcp import CloudSql

        return CloudSql(place)
    from core.operations.clouds.aws import Rds

    return Rds(place)


def backups_of(place: Place, database: str, *, say: Say = silently) -> Backups:
    """Of the database that the place calls `database`; on this machine there is only one. Raises CloudUnreachable."""
    if place.cloud == "gcp":
        from core.operations.clouds.gcp_backups import GcpBackups

        return GcpBackups(place, database, say=say)
    if place.cloud == "aws":
        from core.operations.clouds.aws_backups import AwsBackups

        return AwsBackups(place, database, say=say)
    from core.foundation.settings import load_settings
    from core.operations.clouds.local import LocalBackups

    return LocalBackups(load_settings(), say=say)


def standbys_of(place: Place, database: str, *, say: Say = silently) -> Standbys:
    """Who could take the place of that database. Raises CloudUnreachable."""
    if place.cloud == "gcp":
        from core.operations.clouds.gcp_standbys import GcpStandbys

        return GcpStandbys(place, database, say=say)
    if place.cloud == "aws":
        from core.operations.clouds.aws_standbys import AwsStandbys

        return AwsStandbys(place, database, say=say)
    from core.foundation.settings import load_settings
    from core.operations.clouds.local_standbys import LocalStandbys

    return LocalStandbys(load_settings())


def watched_of(place: Place, database: str) -> Watched:
    """What the place tells of that database and of the services before it. Raises CloudUnreachable."""
    if place.cloud == "gcp":
        from core.operations.clouds.gcp_watched import GcpWatched

        return GcpWatched(place, database)
    if place.cloud == "aws":
        from core.operations.clouds.aws_watched import AwsWatched

        return AwsWatched(place, database)
    from core.foundation.settings import load_settings
    from core.operations.clouds.local_standbys import LocalWatched

    return LocalWatched(load_settings())


def dns_of(place: Place) -> Dns:
    """The names of a place. Raises CloudUnreachable."""
    if place.cloud == "gcp":
        from core.operations.clouds.dns_gcp import GcpDns

        return GcpDns(place)
    from core.operations.clouds.dns_aws import AwsDns

    return AwsDns(place)


@contextmanager
def client_installed(package: str) -> Generator[None]:
    """A missing client is named with the way to install it."""
    from core.operations.clouds.errors import CloudUnreachable

    try:
        yield
    except ModuleNotFoundError as error:
        raise CloudUnreachable(
            f"{error.name} is not installed, and {package} is what asks this cloud: install it with "
            "`pip install 'cloudbill[clouds]'`, or in a checkout with `make install`"
        ) from None
