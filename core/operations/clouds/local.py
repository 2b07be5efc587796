"""This machine: the embedded PostgreSQL, or any that gives a login which may replicate."""

from datetime import datetime
from pathlib import Path

from core.foundation.clock import wall_now
from core.foundation.settings import Settings
from core.operations.backups.catalogue import Backup
from core.operations.backups.copying import copy_all
from core.operations.backups.errors import UnknownBackup
from core.operations.backups.positions import windows
from core.operations.backups.pruning import prune
from core.operations.backups.restoring import Restores
from core.operations.backups.retention import to_drop
from core.operations.backups.taking import catalogue_of, take
from core.operations.backups.verification import Looked, verify
from core.operations.clouds.base import Fault, RestoredDatabase, Say, Span, StoredBackup, silently
from core.operations.clouds.errors import BackupNotFound, CloudRefused


class LocalBackups:
    """The backups of this machine."""

    def __init__(self, settings: Settings, *, say: Say = silently) -> None:
        self._settings, self._say = settings, say

    def create(self, reason: str) -> StoredBackup:
        """A base backup."""
        return _stored(take(self._settings, reason=reason))

    def list_backups(self) -> list[StoredBackup]:
        """Oldest first. Raises CatalogueUnusable."""
        return [_stored(backup) for backup in catalogue_of(self._settings).believed().backups("database")]

    def describe(self, name: str) -> StoredBackup:
        """One base backup."""
        for backup in self.list_backups():
            if backup.name == name:
                return backup
        raise BackupNotFound(f"there is no base backup {name}: `cloudbill backup list` names them")

    def copy(self, name: str, *, region: str) -> StoredBackup:
        """Into another folder (`region`), with the log and all other backups, as one alone leads to one instant."""
        found = self.describe(name)
        copy_all(catalogue_of(self._settings), Path(region))
        return found

    def restorable(self) -> list[Span]:
        """One for each base backup."""
        found = windows(catalogue_of(self._settings).believed())
        return [Span(start=window.start, end=window.end) for window in found]

    def verify(self) -> list[Fault]:
        """All that `cloudbill backup verify` finds."""
        return [
            Fault(check=found.check, subject=found.name, detail=found.detail)
            for found in verify(self._settings, looked=Looked())
        ]

    def prune(self, *, dry_run: bool = False) -> list[str]:
        """By BACKUP_RETENTION."""
        if dry_run:
            contents = catalogue_of(self._settings).believed()
            dropped = to_drop(contents, now=wall_now(), retention=self._settings.backup_retention)
        else:
            dropped = prune(self._settings, now=wall_now())
        return [entry.id for entry in dropped if isinstance(entry, Backup)]

    def restore(self, to: str | datetime, *, into: str) -> RestoredDatabase:
        """A new server beside, running."""
        restored = Restores(self._settings).restore(to, into=into, say=self._say)
        return RestoredDatabase(
            name=into,
            endpoint=f"{restored.server.host}:{restored.server.port}",
            reached_at=restored.reached_at,
        )

    def drop(self, name: str) -> None:
        """Stops it and deletes it."""
        restores = Restores(self._settings)
        try:
            restores.server(name)
        except UnknownBackup as error:
            raise CloudRefused(f"nothing was dropped: {error.detail}") from None
        restores.drop(name)


def _stored(backup: Backup) -> StoredBackup:
    return StoredBackup(name=backup.id, finished_at=backup.finished_at, size_bytes=backup.size, reason=backup.reason)
