"""Google Cloud."""

from typing import Any

from core.operations.clouds.base import Place, Snapshot
from core.operations.clouds.errors import CloudRefused, CloudUnreachable, DatabaseNotFound
from core.operations.clouds.google import POLL_SECONDS, asked, done, service


class CloudSql:
    """Cloud SQL. Its snapshots are backups on demand, which no retention deletes."""

    def __init__(self, place: Place, *, poll_seconds: float = POLL_SECONDS) -> None:
        if place.project is None:
            raise CloudUnreachable("the stack's file names no project: pulumi config set cloudbill:project PROJECT")
        self._project, self._poll_seconds = place.project, poll_seconds
        self._sql = service("sqladmin", "v1")

    def snapshot(self, endpoint: str, name: str) -> Snapshot:
        """A backup on demand, known by its description: Google gives it a number of its own."""
        with asked("for a database backup"):
            instance = self.name_of(endpoint)
            found = self._named(instance, name)
            is_new = found is None
            if found is None:
                self._finish(
                    self._sql.backupRuns()
                    .insert(
                        project=self._project,
                        instance=instance,
                        body={"description": name, "kind": "sql#backupRun", "type": "ON_DEMAND"},
                    )
                    .execute()
                )
                found = self._named(instance, name)
            if found is None or found.get("status") == "FAILED":
                raise CloudRefused(f"the backup {name} of {instance} failed: see gcloud sql backups list -i {instance}")
            number = found["id"]
            found = done(
                lambda: self._sql.backupRuns().get(project=self._project, instance=instance, id=number).execute(),
                finished=lambda run: run.get("status") in ("SUCCESSFUL", "FAILED", "SKIPPED"),
                every=self._poll_seconds,
            )
            if found["status"] != "SUCCESSFUL":
                raise CloudRefused(f"the backup {name} of {instance} ended as {found['status']}")
        return Snapshot(name=name, database=instance, reference=str(number), is_new=is_new)

    def _named(self, instance: str, name: str) -> dict[str, Any] | None:
        request = self._sql.backupRuns().list(project=self._project, instance=instance)
        while request is not None:
            page = request.execute()
            for run in page.get("items", []):
                if run.get("description") == name and run.get("status") != "FAILED":
                    return run
            request = self._sql.backupRuns().list_next(request, page)
        return None

    def _finish(self, operation: dict[str, Any]) -> None:
        ended = done(
            lambda: self._sql.operations().get(project=self._project, operation=operation["name"]).execute(),
            finished=lambda found: found.get("status") == "DONE",
            every=self._poll_seconds,
        )
        if errors := ended.get("error", {}).get("errors"):
            raise CloudRefused(f"Cloud SQL could not do it: {errors[0].get('message') or errors[0].get('code')}")

    def name_of(self, endpoint: str) -> str:
        """The instance that has this address. Raises DatabaseNotFound."""
        host = endpoint.partition(":")[0]
        request = self._sql.instances().list(project=self._project)
        while request is not None:
            page = request.execute()
            for instance in page.get("items", []):
                if any(address.get("ipAddress") == host for address in instance.get("ipAddresses", [])):
                    return str(instance["name"])
            request = self._sql.instances().list_next(request, page)
        raise DatabaseNotFound(
            f"no Cloud SQL instance of {self._project} has the address {host}: are these the credentials of the "
            "stack's project?"
        )
