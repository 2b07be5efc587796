"""Which backups stay: as many as it takes to reach every instant of the time that is kept. Pure."""

from datetime import datetime, timedelta

from core.operations.backups.catalogue import Backup, Contents, Entry, Gap, Segment
from core.operations.backups.positions import is_history, number_of, parse_lsn

KEPT_APPLICATIONS = 10


def to_drop(contents: Contents, *, now: datetime, retention: timedelta) -> list[Entry]:
    """Base backups that no instant of the retention needs, the log before the oldest that stays, and old gaps.

    The newest base backup before the beginning of that time stays, since instants after it start from there; and the
    newest of each system stays always.
    """
    since = now - retention
    dropped: list[Entry] = []
    for system in {backup.system for backup in contents.backups("database")}:
        made = [backup for backup in contents.backups("database") if backup.system == system]
        before = [backup for backup in made if backup.finished_at <= since]
        kept = [backup for backup in made if backup.finished_at > since] + before[-1:]
        dropped += [backup for backup in made if backup not in kept]
        oldest = min(kept, key=lambda backup: parse_lsn(backup.start_lsn))
        first = parse_lsn(oldest.start_lsn) // oldest.segment_bytes
        dropped += [
            segment
            for segment in contents.segments(system)
            if not is_history(segment.name) and number_of(segment.name, oldest.segment_bytes) < first
        ]
        dropped += [gap for gap in contents.gaps(system) if gap.at < oldest.started_at]
    applications = contents.backups("application")
    dropped += [backup for backup in applications[:-KEPT_APPLICATIONS] if backup.finished_at <= since]
    return dropped


def freed(dropped: list[Entry]) -> int:
    """Bytes on the disk."""
    return sum(entry.size for entry in dropped if not isinstance(entry, Gap))


def files(dropped: list[Entry]) -> list[str]:
    """What lies there for them."""
    return [entry.file for entry in dropped if isinstance(entry, Backup | Segment)]
