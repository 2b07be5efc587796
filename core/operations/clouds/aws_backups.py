"""The backups of a database on RDS: its automated ones, AWS Backup's, and snapshots of ours.

AWS Backup's recovery points of a database are snapshots of RDS, too, and restored in the same way. RDS tells no
backup's size: what is told is the size of the database that it restores to.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from core.foundation.clock import wall_now
from core.operations.clouds import aws_copies, aws_restores
from core.operations.clouds.aws import LONGEST_SECONDS, POLL_SECONDS, asked, client, code_of, exceptions
from core.operations.clouds.base import Fault, Place, RestoredDatabase, Say, Span, StoredBackup, silently
from core.operations.clouds.errors import BackupNotFound, CloudRefused, DatabaseNotFound
from core.operations.clouds.waiting import wait_until

MADE_BY, REASON = {"Key": "made-by", "Value": "cloudbill"}, "cloudbill-reason"
_LAST = re.compile(r"-destroy-|-final$")
"""What a stack left behind when it was taken down: no retention drops it."""
LOG_EVERY = timedelta(minutes=5)
"""RDS puts the log away every five minutes, so that `latest` is behind by about that."""
_LATE = 3 * LOG_EVERY


class AwsBackups:
    """Satisfies `Backups`."""

    def __init__(
        self,
        place: Place,
        database: str,
        *,
        say: Say = silently,
        poll_seconds: float | None = None,
        longest_seconds: float = 3 * LONGEST_SECONDS,
    ) -> None:
        self._place, self._database, self._say = place, database, say
        self._poll_seconds = POLL_SECONDS if poll_seconds is None else poll_seconds
        self._longest_seconds = longest_seconds
        self._rds = client("rds", place.region)

    def create(self, reason: str) -> StoredBackup:
        """A manual snapshot. Its name is ours, so that an attempt repeated on the way makes no second one."""
        word = re.sub(r"[^a-z0-9]+", "-", reason.lower()).strip("-") or "manual"
        name = f"{self._database}-{word}-{wall_now():%Y%m%dt%H%M%S}"
        with asked(f"for a snapshot of {self._database}"):
            try:
                self._rds.create_db_snapshot(
                    DBInstanceIdentifier=self._database,
                    DBSnapshotIdentifier=name,
                    Tags=[MADE_BY, {"Key": REASON, "Value": word}],
                )
            except exceptions().ClientError as error:
                if code_of(error) in ("DBInstanceNotFound", "DBInstanceNotFoundFault"):
                    raise self._no_database() from None
                if code_of(error) != "DBSnapshotAlreadyExists":
                    raise
        self._await_snapshot(self._rds, name)
        return self.describe(name)

    def list_backups(self) -> list[StoredBackup]:
        """Oldest first; those that are finished."""
        found = [_stored(one) for one in self._snapshots() if one["Status"] == "available"]
        return sorted(found, key=lambda one: (one.finished_at, one.name))

    def describe(self, name: str) -> StoredBackup:
        """Of this database or another, as a restore takes either."""
        return _stored(self._snapshot(name))

    def copy(self, name: str, *, region: str) -> StoredBackup:
        """Sealed anew with a key of that region; named as the original."""
        there = client("rds", region)
        copied = aws_copies.begin(there, self._snapshot(name), self._instance(), here=self._place.region, region=region)
        self._await_snapshot(there, copied)
        with asked(f"for the copy in {region}"):
            return _stored(there.describe_db_snapshots(DBSnapshotIdentifier=copied)["DBSnapshots"][0])

    def restorable(self) -> list[Span]:
        """As the automated backups tell it; empty where they are off."""
        with asked(f"for the restorable window of {self._database}"):
            pages = self._rds.get_paginator("describe_db_instance_automated_backups").paginate(
                DBInstanceIdentifier=self._database
            )
            windows = [one.get("RestoreWindow", {}) for page in pages for one in page["DBInstanceAutomatedBackups"]]
        spans = [
            Span(start=window["EarliestTime"], end=window["LatestTime"])
            for window in windows
            if window.get("EarliestTime") and window.get("LatestTime")
        ]
        return sorted(spans, key=lambda span: span.end) or self._window_of_instance()

    def verify(self) -> list[Fault]:
        """State, encryption, key, copies elsewhere, restorable window. RDS lets nobody look inside."""
        instance = self._instance()
        snapshots = self._snapshots()
        faults = [fault for one in snapshots for fault in _faults_of(one, instance)]
        if not any(one["Status"] == "available" for one in snapshots):
            faults.append(Fault(check="no_backup", subject=self._database, detail="has no snapshot at all"))
        if not instance.get("BackupRetentionPeriod"):
            detail = "keeps no automated backups (retention 0): no instant can be restored"
            faults.append(Fault(check="window", subject=self._database, detail=detail))
        else:
            faults += self._faults_of_window()
        return faults + aws_copies.faults(instance, here=self._place.region)

    def prune(self, *, dry_run: bool = False) -> list[str]:
        """Snapshots of ours that are older than the database's own retention; the newest stays.

        Never an automated one, one that somebody else made, a last one of a stack, or one that is not finished.
        """
        retention = timedelta(days=int(self._instance().get("BackupRetentionPeriod") or 0))
        ours = [one for one in self._snapshots() if _is_ours(one)]
        ours.sort(key=lambda one: one["SnapshotCreateTime"])
        if not retention:
            return []
        old = [one["DBSnapshotIdentifier"] for one in ours[:-1] if wall_now() - one["SnapshotCreateTime"] > retention]
        dropped: list[str] = []
        for name in old:
            if not dry_run:
                self._drop_snapshot(name, dropped, of=len(old))
            dropped.append(name)
        return dropped

    def restore(self, to: str | datetime, *, into: str) -> RestoredDatabase:
        """With the network, groups, parameters and size of the original; asked twice it is made once."""
        instance = self._instance()
        snapshot = None if isinstance(to, datetime) or to == "latest" else self._snapshot(to)
        spans = self.restorable() if snapshot is None else []
        wanted = aws_restores.wanted(to, snapshot, spans, database=self._database, into=into)
        aws_restores.begin(self._rds, wanted, instance)
        made = self._await_instance(into)
        return RestoredDatabase(
            name=into, endpoint=f"{made['Endpoint']['Address']}:{made['Endpoint']['Port']}", reached_at=wanted.reaches
        )

    def drop(self, name: str) -> None:
        """Without a last snapshot; refused for whatever no restore of ours made from this database."""
        aws_restores.drop(self._rds, name, database=self._database)

    def _instance(self) -> dict[str, Any]:
        with asked(f"for the database {self._database}"):
            try:
                return self._rds.describe_db_instances(DBInstanceIdentifier=self._database)["DBInstances"][0]
            except exceptions().ClientError as error:
                if code_of(error) not in ("DBInstanceNotFound", "DBInstanceNotFoundFault"):
                    raise
        raise self._no_database()

    def _no_database(self) -> DatabaseNotFound:
        return DatabaseNotFound(
            f"there is no database {self._database} in {self._place.region}: is the region right, and are these the "
            "credentials of its account?"
        )

    def _snapshots(self) -> list[dict[str, Any]]:
        with asked(f"for the backups of {self._database}"):
            return list(self._paged())

    def _paged(self) -> Iterator[dict[str, Any]]:
        # Without a type those of AWS Backup are left out.
        for kind in ("manual", "automated", "awsbackup"):
            pages = self._rds.get_paginator("describe_db_snapshots").paginate(
                DBInstanceIdentifier=self._database, SnapshotType=kind
            )
            for page in pages:
                yield from page["DBSnapshots"]

    def _snapshot(self, name: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        with asked(f"for the backup {name}"):
            try:
                found = self._rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
            except exceptions().ClientError as error:
                if code_of(error) not in ("DBSnapshotNotFound", "DBSnapshotNotFoundFault", "InvalidParameterValue"):
                    raise
        if not found:
            raise BackupNotFound(
                f"there is no backup {name} in {self._place.region}: `cloudbill backup list --stack NAME` names them"
            )
        return found[0]

    def _drop_snapshot(self, name: str, dropped: list[str], *, of: int) -> None:
        try:
            with asked(f"to delete the snapshot {name}"):
                try:
                    self._rds.delete_db_snapshot(DBSnapshotIdentifier=name)
                except exceptions().ClientError as error:
                    if code_of(error) not in ("DBSnapshotNotFound", "DBSnapshotNotFoundFault"):
                        raise
        except CloudRefused as error:
            done = f"; {', '.join(dropped)} went before" if dropped else ""
            raise CloudRefused(
                f"{error.detail} ({len(dropped)} of {of} went{done}; run it again for the rest)"
            ) from None

    def _await_snapshot(self, rds: Any, name: str) -> None:
        def look() -> str:
            with asked(f"how the snapshot {name} is"):
                found = rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]
            return str(found["Status"])

        self._wait(look, f"snapshot {name}", failed=lambda state: state not in ("", "creating", "pending", "available"))

    def _await_instance(self, name: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def look() -> str:
            with asked(f"how the database {name} is"):
                found[:] = self._rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
            return str(found[0]["DBInstanceStatus"])

        self._wait(look, f"database {name}", failed=aws_restores.has_failed)
        return found[0]

    def _wait(self, look: Callable[[], str], what: str, *, failed: Callable[[str], bool]) -> None:
        wait_until(
            look,
            what=what,
            reached=("available",),
            failed=failed,
            say=self._say,
            poll_seconds=self._poll_seconds,
            longest_seconds=self._longest_seconds,
        )

    def _window_of_instance(self) -> list[Span]:
        instance = self._instance()
        end, days = instance.get("LatestRestorableTime"), int(instance.get("BackupRetentionPeriod") or 0)
        if end is None or not days:
            return []
        with asked(f"for the automated backups of {self._database}"):
            found = self._rds.describe_db_snapshots(DBInstanceIdentifier=self._database, SnapshotType="automated")
        # No instant before the oldest automated backup can be reached, whatever the retention promises.
        made = [one["SnapshotCreateTime"] for one in found["DBSnapshots"] if one["Status"] == "available"]
        if not made:
            return []
        return [Span(start=min(max(min(made), end - timedelta(days=days)), end), end=end)]

    def _faults_of_window(self) -> list[Fault]:
        spans = self.restorable()
        if not spans:
            return [Fault(check="window", subject=self._database, detail="no instant can be restored yet")]
        behind = wall_now() - spans[-1].end
        if behind > _LATE:
            detail = f"its log was last put away {behind.total_seconds() / 60:.0f} minutes ago, at {spans[-1].end}"
            return [Fault(check="log_behind", subject=self._database, detail=detail)]
        return []


def _stored(one: dict[str, Any]) -> StoredBackup:
    tags = {tag["Key"]: tag["Value"] for tag in one.get("TagList", [])}
    return StoredBackup(
        name=one["DBSnapshotIdentifier"],
        finished_at=one["SnapshotCreateTime"],
        size_bytes=int(one["AllocatedStorage"]) * 2**30,
        reason=tags.get(REASON, str(one["SnapshotType"])),
    )


def _is_ours(one: dict[str, Any]) -> bool:
    tags = one.get("TagList", [])
    return (
        one["SnapshotType"] == "manual"
        and one["Status"] == "available"
        and MADE_BY in [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]
        and not _LAST.search(one["DBSnapshotIdentifier"])
    )


def _faults_of(one: dict[str, Any], instance: dict[str, Any]) -> Iterator[Fault]:
    name = str(one["DBSnapshotIdentifier"])
    if one["Status"] not in ("available", "creating"):
        yield Fault(check="backup_state", subject=name, detail=f"is {one['Status']}, and cannot be restored")
    if not one.get("Encrypted"):
        yield Fault(check="backup_not_encrypted", subject=name, detail="is not encrypted")
    elif one.get("KmsKeyId") != instance.get("KmsKeyId"):
        detail = f"is sealed with {one.get('KmsKeyId')}, and the database with {instance.get('KmsKeyId')}"
        yield Fault(check="backup_key", subject=name, detail=detail)
