"""How the backups of this machine stand, as gauges and as one question for the alerts."""

from datetime import datetime
from pathlib import Path

from prometheus_client import Gauge

from core.foundation.settings import Settings
from core.operations.backups import standing
from core.operations.backups.catalogue import Catalogue
from core.operations.backups.standing import Trouble
from core.operations.backups.taking import catalogue_of

BACKUP_AGE = Gauge("cloudbill_backup_age_seconds", "Since the last good base backup was finished.")
BACKUP_WINDOW = Gauge("cloudbill_backup_window_seconds", "From the first to the last instant that can be restored.")
LOG_BEHIND = Gauge("cloudbill_backup_log_behind_seconds", "From the last instant that can be restored until now.")
BACKUP_FAILURES = Gauge("cloudbill_backup_failures", "Attempts at a base backup that failed since the last success.")
BACKUP_TROUBLES = Gauge("cloudbill_backup_troubles", "Things that are wrong with the backups now.")


def look(settings: Settings, *, now: datetime) -> list[Trouble] | None:
    """What is wrong, with the gauges brought up to date; None where no backups are made on this machine.

    Reads files, so it blocks for a moment.
    """
    try:
        return _look(settings, now)
    except OSError as error:
        BACKUP_TROUBLES.set(1)
        said = f"{settings.backups_folder} cannot be read ({error.strerror or error})."
        return [Trouble(key="unreadable", summary=said, critical=True)]


def _look(settings: Settings, now: datetime) -> list[Trouble] | None:
    catalogue = catalogue_here(settings)
    stands = standing.find(catalogue.folder)
    if stands is None and not catalogue.exists:
        return None
    contents = catalogue.read()
    if good := standing.last_good(contents):
        BACKUP_AGE.set((now - good).total_seconds())
    if reach := standing.restorable(contents):
        BACKUP_WINDOW.set((reach[1] - reach[0]).total_seconds())
        LOG_BEHIND.set((now - reach[1]).total_seconds())
    found = standing.troubles(contents, stands, now=now, interval=settings.backup_interval)
    BACKUP_FAILURES.set(stands.failures if stands else 0)
    BACKUP_TROUBLES.set(len(found))
    return found


_known: dict[Path, Catalogue] = {}


def catalogue_here(settings: Settings) -> Catalogue:
    """This machine's, kept: it reads only what is new since it was read last."""
    return _known.setdefault(settings.backups_folder, catalogue_of(settings))
