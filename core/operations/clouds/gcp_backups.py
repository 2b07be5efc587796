"""Cloud SQL's backups: on demand, automated, any instant of its window; restored into instances of their own."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from core.foundation.clock import wall_now
from core.operations.clouds.base import Fault, Place, RestoredDatabase, Say, Span, StoredBackup, silently
from core.operations.clouds.errors import BackupNotFound, CloudRefused
from core.operations.clouds.gcp_copies import rfc3339
from core.operations.clouds.gcp_faults import faults_of_runs, retention
from core.operations.clouds.gcp_instances import (
    NAME,
    UNDER_WAY,
    Document,
    Instances,
    endpoint_of,
    instant,
    needed,
    settings_of,
)
from core.operations.clouds.gcp_restores import Restores
from core.operations.clouds.google import LONGEST_SECONDS, POLL_SECONDS, asked, done, found, once

OURS = "cloudbill: "
"""What the description of a backup that `create` made begins with."""
LOG_BEHIND = timedelta(minutes=5)
"""As much as may be lost."""
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
        say: Say = silently,
    ) -> None:
        self._all = Instances(place, poll_seconds=poll_seconds, longest=longest, say=say)
        self._sql, self._database, self._project = self._all.sql, database, self._all.project
        self._restores = Restores(self._all, database)
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

    def verify(self) -> list[Fault]:
        """State, key, place and restorable window, as far as Google tells; only a drill opens one."""
        with asked(f"how the backups of {self._database} are"):
            instance = self._all.get(self._database)
            return [*faults_of_runs(self._database, instance, self._runs()), *self._faults_of_window(instance)]

    def _faults_of_window(self, instance: Document) -> list[Fault]:
        if not settings_of(instance).get("backupConfiguration", {}).get("pointInTimeRecoveryEnabled"):
            said = "keeps no log: no instant between its backups can be restored"
        elif not (window := [span for span in self._spans() if span.end > span.start]):
            said = "keeps a log, and Google knows no instant yet that could be restored"
        elif (behind := wall_now() - window[0].end) > LOG_BEHIND:
            said = f"its log ends {behind.total_seconds():.0f} s ago: what came since could be lost"
        else:
            return []
        return [Fault(check="window", subject=self._database, detail=said)]

    def prune(self, *, dry_run: bool = False) -> list[str]:
        """Drops what `create` and `copy` made, when as many days have passed as the instance keeps backups."""
        with asked(f"to prune the backups of {self._database}"):
            kept = retention(self._all.get(self._database))
            runs = [run for run in self._runs() if run.get("status") == "SUCCESSFUL"]
            runs.sort(key=lambda run: instant(needed(run, "endTime", "backup")))
            old = [
                run
                for run in runs[:-1]  # the newest stays, whoever made it
                if run.get("type") == "ON_DEMAND"
                and str(run.get("description", "")).startswith(OURS)
                and wall_now() - instant(run["endTime"]) > kept
            ]
            for run in [] if dry_run else old:
                number = needed(run, "id", "backup")
                request = self._sql.backupRuns().delete(project=self._project, instance=self._database, id=number)
                if operation := found(request):
                    self._all.finish(operation, f"deleting the backup {number}")
            return [str(run["id"]) for run in old]

    def restore(self, to: str | datetime, *, into: str) -> RestoredDatabase:
        """Into a new instance with the original's settings, without its protections, labelled as restored.

        Cut off, it is taken up by the same call again; only a clone that Google had not finished yet carries no label,
        and is refused then: `gcloud sql instances delete` it.
        """
        if not NAME.match(into):
            raise CloudRefused(
                f"{into!r} cannot be an instance's name: small letters, digits and hyphens, a letter first, at most 80"
            )
        with asked(f"to restore {self._database} into {into}"):
            original, goal = self._all.get(self._database), self._goal(to)
            restored = self._restores.restore(original, goal, into, asked_for=to)
            # A backup surely holds what was written before it began.
            reached = goal if isinstance(goal, datetime) else instant(needed(self._run(goal), "startTime", "backup"))
            certificate = restored.get("serverCaCert", {}).get("cert")
            return RestoredDatabase(name=into, endpoint=endpoint_of(restored), reached_at=reached, ca=certificate)

    def drop(self, name: str) -> None:
        """What `restore` made of this database, by its labels; what is gone already is no error."""
        with asked(f"to drop {name}"):
            self._restores.drop(name)

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
