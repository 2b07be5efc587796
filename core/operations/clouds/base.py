"""What is asked of a cloud, whichever it is."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


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


class Backups(Protocol):
    """The backups of one database."""

    def create(self, reason: str) -> StoredBackup:
        """Finished when this returns."""
        ...

    def list_backups(self) -> list[StoredBackup]:
        """Oldest first."""
        ...

    def restorable(self) -> list[Span]:
        """What `restore` takes as an instant."""
        ...

    def prune(self) -> list[str]:
        """Drops what the retention does not need; the names of what went."""
        ...

    def restore(self, to: str | datetime, *, into: str) -> RestoredDatabase:
        """Into a new database of that name, at an instant, a backup's end, or `latest`. Never over an old one."""
        ...


def databases(place: Place) -> Databases:
    """Those of the place; its client is imported only now. Raises CloudUnreachable."""
    if place.cloud == "gcp":
        from core.operations.clouds.gcp import CloudSql

        return CloudSql(place)
    from core.operations.clouds.aws import Rds

    return Rds(place)


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
