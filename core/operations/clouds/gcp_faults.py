"""What is wrong with Cloud SQL's backups, as far as its API tells."""

from collections.abc import Iterator
from datetime import timedelta

from core.foundation.clock import wall_now
from core.operations.clouds.base import Fault
from core.operations.clouds.gcp_instances import Document, instant, needed, settings_of

_EVERY = timedelta(hours=36)
"""One automated backup a day, and half a day for it to be late."""


def faults_of_runs(database: str, instance: Document, runs: list[Document]) -> Iterator[Fault]:
    """Of the newest first: what an older one lacks, a newer one has made good."""
    newest = max(
        (instant(needed(run, "endTime", "backup")) for run in runs if run.get("status") == "SUCCESSFUL"), default=None
    )
    if newest is None:
        yield Fault(check="no_backup", subject=database, detail="has no backup at all")
    elif wall_now() - newest > _EVERY:
        hours = (wall_now() - newest).total_seconds() / 3600
        yield Fault(check="backup_old", subject=database, detail=f"its newest backup is {hours:.0f} hours old")
    if not settings_of(instance).get("backupConfiguration", {}).get("enabled"):
        yield Fault(check="backup_state", subject=database, detail="its automated backups are switched off")
    key = instance.get("diskEncryptionConfiguration", {}).get("kmsKeyName")
    for run in runs:
        number = str(needed(run, "id", "backup"))
        if run.get("status") in ("FAILED", "DELETION_FAILED"):
            why = run.get("error", {}).get("message") or "Google gives no reason"
            yield Fault(check="backup_state", subject=number, detail=f"ended as {run['status']}: {why}")
        its_key = run.get("diskEncryptionConfiguration", {}).get("kmsKeyName")
        if run.get("status") == "SUCCESSFUL" and its_key and key and its_key != key:
            yield Fault(
                check="backup_key", subject=number, detail=f"is encrypted with {its_key}, the database with {key}"
            )


def retention(instance: Document) -> timedelta:
    """How long backups on demand are kept."""
    kept = settings_of(instance).get("backupConfiguration", {}).get("backupRetentionSettings", {})
    # One automated backup a day: as many of them are kept as days.
    return timedelta(days=int(kept.get("retainedBackups", 7)))
