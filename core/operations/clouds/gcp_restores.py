"""Restores of Cloud SQL: `restoreBackup` into an instance made for it, `clone` for an instant; and their end."""

import re
from datetime import datetime

from core.operations.clouds.errors import CloudRefused
from core.operations.clouds.gcp_copies import FROM, STATE, TO, labels_of, like, released, rfc3339, word
from core.operations.clouds.gcp_instances import Document, Instances, settings_of

_DRILL = re.compile(r"^drill-\d{8}-\d{6}$")


class Restores:
    """Of one database."""

    def __init__(self, instances: Instances, database: str) -> None:
        self._all, self._database = instances, database
        self._sql, self._project = instances.sql, instances.project

    def restore(self, original: Document, goal: str | datetime, into: str, *, asked_for: str | datetime) -> Document:
        """To a backup's number or an instant; what was begun before by the same words is taken up."""
        # The latest instant is another one with every call.
        labels = {FROM: self._database, TO: "latest" if asked_for == "latest" else word(goal)}
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
        return restored

    def _is_unfinished_clone(self, instance: Document) -> bool:
        """It has the original's labels and none of ours, in a name that only drills give."""
        if not _DRILL.match(str(instance.get("name", ""))) or FROM in labels_of(instance):
            return False
        original = self._all.find(self._database)
        return original is not None and labels_of(original) == labels_of(instance)

    def drop(self, name: str) -> None:
        """By its labels. Raises CloudRefused for any other."""
        instance = self._all.find(name)
        if instance is None:
            return
        is_ours = labels_of(instance).get(FROM) == self._database or self._is_unfinished_clone(instance)
        if not is_ours or name == self._database:
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
