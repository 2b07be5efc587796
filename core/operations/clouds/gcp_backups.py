"""Cloud SQL's backups: on demand, automated, any instant of its window; restored into instances of their own."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from core.foundation.clock import wall_now
from core.operations.clouds.base import Place, RestoredDatabase, Span, StoredBackup
from core.operations.clouds.errors import BackupNotFound, CloudRefused
from core.operations.clouds.gcp_copies import FROM, STATE, TO, labels_of, like, released, rfc3339, word
from core.operations.clouds.gcp_instances import (
    NAME,
    UNDER_WAY,
    Document,
    Instances,
    endpoint_of,
    instant,
    needed,
    nobody_hears,
    settings_of,
)
from core.operations.clouds.google import LONGEST_SECONDS, POLL_SECONDS, Say, asked, done, found, once

OURS = "cloudbill: "
"""What the description of a backup that `create` made begins with."""
_ENDED = ("SUCCESSFUL", "FAILED", "SKIPPED", "DELETED", "DELETION_FAILED")


class GcpBackups:
    """Of one instance. A backup is restored by `restoreBackup`, an instant by `clone`: each into a new instance."""

    def __init__(
        self,
        place: Place,
        database: str,
        *,
        poll_seconds: float = POLL_SECONDS,
        longest: float = LONGEST_SECONDS,
        say: Say = nobody_hears,
    ) -> None:
        self._all = Instances(place, poll_seconds=poll_seconds, longest=longest, say=say)
        self._sql, self._database, self._project = self._all.sql, database, self._all.project
        self._poll_seconds, self._longest = poll_seconds, longest

    def create(self, reason: str) -> StoredBackup:
        """On demand, where the instance keeps its backups. No retention of Google's deletes it: `prune` does."""
        with asked(f"to back up {self._database}"):
            self._all.get(self._database)
            return self._take(reason, mark=uuid4().hex[:8])

    def list_backups(self) -> list[StoredBackup]:
        """Automated and on demand, those that succeeded."""
        with asked(f"for the backups of {self._database}"):
            runs = [run for run in self._runs() if run.get("status") == "SUCCESSFUL"]
            return sorted((_stored(run) for run in runs), key=lambda one: one.finished_at)

    def describe(self, name: str) -> StoredBackup:
        """By Cloud SQL's number."""
        with asked(f"for the backup {name} of {self._database}"):
            return _stored(self._run(name))

    def copy(self, name: str, *, region: str) -> StoredBackup:
        """A backup that lies in that region.

        Cloud SQL copies no backup. What its API offers is to say where a new one is stored: so this takes one now, once
        for each name and region, and says so in its reason. Under a regional key it is of use only while that key's
        region stands; what outlives the region are the exports (infra/gcp/backup.py).
        """
        with asked(f"to keep a backup of {self._database} in {region}"):
            original = self._run(name)
            if original.get("location") == region:
                return _stored(original)
            return self._take(f"taken anew in {region} in place of a copy of {name}", location=region)

    def restorable(self) -> list[Span]:
        """The window of the transaction log, and the instant of each backup outside of it."""
        with asked(f"for what of {self._database} can be restored"):
            return self._spans()

    def prune(self) -> list[str]:
        """Drops what `create` and `copy` made, when as many days have passed as the instance keeps backups."""
        with asked(f"to prune the backups of {self._database}"):
            kept = _retention(self._all.get(self._database))
            runs = [run for run in self._runs() if run.get("status") == "SUCCESSFUL"]
            runs.sort(key=lambda run: instant(needed(run, "endTime", "backup")))
            old = [
                run
                for run in runs[:-1]  # the newest stays, whoever made it
                if run.get("type") == "ON_DEMAND"
                and str(run.get("description", "")).startswith(OURS)
                and wall_now() - instant(run["endTime"]) > kept
            ]
            for run in old:
                number = needed(run, "id", "backup")
                request = self._sql.backupRuns().delete(project=self._project, instance=self._database, id=number)
                if operation := found(request):
                    self._all.finish(operation, f"deleting the backup {number}")
            return [str(run["id"]) for run in old]

    def restore(self, to: str | datetime, *, into: str) -> RestoredDatabase:
        """Into a new instance with the original's settings, without its protections, labelled as restored.

        Cut off, it is taken up by the same call again; only a clone that Google had not finished yet carries no label,
        and is refused then: `gcloud sql instances delete` it, or wait and delete it.
        """
        if not NAME.match(into):
            raise CloudRefused(
                f"{into!r} cannot be an instance's name: small letters, digits and hyphens, a letter first, at most 80"
            )
        with asked(f"to restore {self._database} into {into}"):
            original = self._all.get(self._database)
            goal = self._goal(to)
            labels = {FROM: self._database, TO: word(goal)}
            standing = self._all.find(into)
            if standing is not None and not labels.items() <= labels_of(standing).items():
                raise CloudRefused(
                    f"there is an instance {into} already, and this restore did not make it: choose another name"
                )
            if isinstance(goal, datetime):
                if standing is None:
                    self._clone(original, goal, into)
            else:
                self._restore_backup(original, goal, into, labels, is_there=standing is not None)
            restored = self._all.settle(into, f"the restore into {into}")
            if labels_of(restored).get(STATE) != "done":
                self._all.patch(into, {"settings": released(original, labels)}, f"labelling {into}")
                restored = self._all.settle(into, f"labelling {into}")
            certificate = restored.get("serverCaCert", {}).get("cert")
            return RestoredDatabase(name=into, endpoint=endpoint_of(restored), reached_at=None, ca=certificate)

    def drop(self, name: str) -> None:
        """What `restore` made of this database, by its labels; what is gone already is no error."""
        with asked(f"to drop {name}"):
            instance = self._all.find(name)
            if instance is None:
                return
            if labels_of(instance).get(FROM) != self._database or name == self._database:
                raise CloudRefused(f"{name} was not made by a restore of {self._database}, so that it is left alone")
            if instance["settings"].get("deletionProtectionEnabled"):
                self._all.patch(name, {"settings": {"deletionProtectionEnabled": False}}, f"unprotecting {name}")
            self._all.delete(name)

    def _clone(self, original: Document, at: datetime, into: str) -> None:
        context: Document = {
            "kind": "sql#cloneContext",
            "destinationInstanceName": into,
            "pointInTime": rfc3339(at),
        }
        if allocated := settings_of(original).get("ipConfiguration", {}).get("allocatedIpRange"):
            context["allocatedIpRange"] = allocated
        self._all.say(f"cloning {self._database} as of {rfc3339(at)}")
        request = self._sql.instances().clone(
            project=self._project, instance=self._database, body={"cloneContext": context}
        )
        self._all.start(request, on=into, what=f"the clone {into}")

    def _restore_backup(
        self, original: Document, number: str, into: str, labels: dict[str, str], *, is_there: bool
    ) -> None:
        instances = self._sql.instances()
        if not is_there:
            self._all.say(f"making {into}")
            request = instances.insert(project=self._project, body=like(original, into, labels))
            self._all.start(request, on=into, what=f"making {into}")
        standing = self._all.settle(into, f"making {into}")
        if labels_of(standing).get(STATE) == "done":
            return
        # Restoring the same backup once more brings about the same.
        context = {
            "kind": "sql#restoreBackupContext",
            "backupRunId": number,
            "instanceId": self._database,
            "project": self._project,
        }
        self._all.say(f"restoring the backup {number} into {into}")
        request = instances.restoreBackup(project=self._project, instance=into, body={"restoreBackupContext": context})
        self._all.start(request, on=into, kind="RESTORE_VOLUME", what=f"restoring the backup {number}")

    def _goal(self, to: str | datetime) -> str | datetime:
        """A backup's number, or an instant of the window."""
        if isinstance(to, str) and to != "latest":
            return str(needed(self._run(to), "id", "backup"))
        spans = self._spans()
        if not spans:
            raise CloudRefused(f"nothing of {self._database} can be restored: it has neither a backup nor a log")
        newest = max(spans, key=lambda span: span.end)
        if isinstance(to, str):
            return newest.end if newest.end > newest.start else self._backup_of(newest.end)
        if any(span.start <= to <= span.end and span.start < span.end for span in spans):
            return to
        if any(span.start == to for span in spans):
            return self._backup_of(to)
        reach = "; ".join(
            f"{rfc3339(span.start)} to {rfc3339(span.end)}"
            if span.end > span.start
            else f"the backup of {rfc3339(span.end)}"
            for span in spans
        )
        raise CloudRefused(f"{rfc3339(to)} of {self._database} cannot be reached; what can be: {reach}")

    def _backup_of(self, at: datetime) -> str:
        return next(str(run["id"]) for run in self._runs() if run.get("endTime") and instant(run["endTime"]) == at)

    def _spans(self) -> list[Span]:
        spans: list[Span] = []
        instance = self._all.get(self._database)
        if settings_of(instance).get("backupConfiguration", {}).get("pointInTimeRecoveryEnabled"):
            window: Document = (
                self._sql.projects()
                .instances()
                .getLatestRecoveryTime(project=self._project, instance=self._database)
                .execute()
            )
            # Until its first backup is done an instance has neither.
            if (start := window.get("earliestRecoveryTime")) and (end := window.get("latestRecoveryTime")):
                spans.append(Span(start=instant(start), end=instant(end)))
        for run in self._runs():
            if run.get("status") == "SUCCESSFUL":
                at = instant(needed(run, "endTime", "backup"))
                if not any(span.start <= at <= span.end for span in spans):
                    spans.append(Span(start=at, end=at))
        return sorted(spans, key=lambda span: span.start)

    def _take(self, reason: str, *, mark: str = "", location: str | None = None) -> StoredBackup:
        description = f"{OURS}{reason[:150]}" + (f" [{mark}]" if mark else "")
        run = self._named(description)
        if run is None:
            body: Document = {"kind": "sql#backupRun", "type": "ON_DEMAND", "description": description}
            if location:
                body["location"] = location
            request = self._sql.backupRuns().insert(project=self._project, instance=self._database, body=body)
            started = once(request, made=lambda: UNDER_WAY if self._named(description) else None)
            self._all.finish(started, f"backing up {self._database}")
            run = self._named(description)
        if run is None:
            raise CloudRefused(
                f"the backup of {self._database} ended, and is not there: see `gcloud sql backups list "
                f"--instance={self._database}`"
            )
        number = needed(run, "id", "backup")
        ended = done(
            lambda: self._get_run(number) or {},
            finished=lambda seen: seen.get("status") in _ENDED,
            every=self._poll_seconds,
            longest=self._longest,
            what=f"the backup of {self._database}",
            say=self._all.say,
        )
        if ended["status"] != "SUCCESSFUL":
            why = ended.get("error", {}).get("message") or "no reason given"
            raise CloudRefused(f"the backup {number} of {self._database} ended as {ended['status']}: {why}")
        return _stored(ended)

    def _named(self, description: str) -> Document | None:
        return next(
            (
                run
                for run in self._runs()
                if run.get("description") == description and run.get("status") not in _ENDED[1:]
            ),
            None,
        )

    def _run(self, name: str) -> Document:
        run = self._get_run(name) if name.isdigit() else None
        if run is None or run.get("status") != "SUCCESSFUL":
            what = "" if run is None else f"; the one of that number is {run.get('status')}"
            raise BackupNotFound(f"{self._database} has no backup {name}{what}: `cloudbill backup list` names them")
        return run

    def _get_run(self, number: str) -> Document | None:
        return found(self._sql.backupRuns().get(project=self._project, instance=self._database, id=number))

    def _runs(self) -> list[Document]:
        runs: list[Document] = []
        request: Any = self._sql.backupRuns().list(project=self._project, instance=self._database)
        while request is not None:
            page = request.execute()
            runs += page.get("items", [])
            request = self._sql.backupRuns().list_next(request, page)
        return runs


def _stored(run: Document) -> StoredBackup:
    said = str(run.get("description", ""))
    if run.get("type") == "AUTOMATED":
        said = "automated"
    return StoredBackup(
        name=str(needed(run, "id", "backup")),
        finished_at=instant(needed(run, "endTime", "backup")),
        # Older ones carry no size.
        size_bytes=int(run.get("maxChargeableBytes", 0)),
        reason=said.removeprefix(OURS) or "on demand",
    )


def _retention(instance: Document) -> timedelta:
    kept = settings_of(instance).get("backupConfiguration", {}).get("backupRetentionSettings", {})
    # One automated backup a day: as many of them are kept as days.
    return timedelta(days=int(kept.get("retainedBackups", 7)))
