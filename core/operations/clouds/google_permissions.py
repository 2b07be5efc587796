"""Which permission each of Google's methods that is called here needs: the discovery documents name none.

Google's own pages name them for gcloud's commands and for roles; `SOURCES` says where. Cloud SQL's own refusal names no
permission, so that this table does.
"""

_SQL = "https://cloud.google.com/sql/docs/postgres/iam-permissions"
_RUN = "https://cloud.google.com/run/docs/reference/iam/permissions"
_DNS = "https://cloud.google.com/dns/docs/access-control"
_STORAGE = "https://cloud.google.com/storage/docs/access-control/iam-json"
_MONITORING = "https://cloud.google.com/monitoring/access-control"

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "sql.backupRuns.delete": ("cloudsql.backupRuns.delete",),
    "sql.backupRuns.get": ("cloudsql.backupRuns.get",),
    "sql.backupRuns.insert": ("cloudsql.backupRuns.create",),
    "sql.backupRuns.list": ("cloudsql.backupRuns.list",),
    "sql.instances.clone": ("cloudsql.instances.clone",),
    "sql.instances.delete": ("cloudsql.instances.delete",),
    "sql.instances.get": ("cloudsql.instances.get",),
    "sql.instances.insert": ("cloudsql.instances.create",),
    "sql.instances.list": ("cloudsql.instances.list",),
    "sql.instances.patch": ("cloudsql.instances.get", "cloudsql.instances.update"),
    "sql.instances.promoteReplica": ("cloudsql.instances.promoteReplica",),
    # The backup is read, too.
    "sql.instances.restoreBackup": ("cloudsql.backupRuns.get", "cloudsql.instances.restoreBackup"),
    "sql.operations.get": ("cloudsql.instances.get",),
    "sql.operations.list": ("cloudsql.instances.get",),
    # On no page: it reads the instance, as gcloud's command of that name does with the viewer's role.
    "sql.projects.instances.getLatestRecoveryTime": ("cloudsql.instances.get",),
    "run.projects.locations.services.list": ("run.services.list",),
    "run.projects.locations.services.revisions.get": ("run.revisions.get",),
    "run.projects.locations.workerPools.list": ("run.workerpools.list",),
    "run.projects.locations.workerPools.revisions.get": ("run.revisions.get",),
    "monitoring.projects.timeSeries.list": ("monitoring.timeSeries.list",),
    # A change adds and deletes records, and is itself one.
    "dns.changes.create": (
        "dns.changes.create",
        "dns.resourceRecordSets.create",
        "dns.resourceRecordSets.delete",
        "dns.resourceRecordSets.update",
    ),
    "dns.changes.get": ("dns.changes.get",),
    "dns.managedZones.list": ("dns.managedZones.list",),
    "dns.resourceRecordSets.list": ("dns.resourceRecordSets.list",),
    # Writing over an object deletes the one before.
    "storage.objects.insert": ("storage.objects.create", "storage.objects.delete"),
    "storage.objects.delete": ("storage.objects.delete",),
    "storage.objects.get": ("storage.objects.get",),
    "storage.objects.list": ("storage.objects.list",),
}
SOURCES: dict[str, str] = {"sql": _SQL, "run": _RUN, "dns": _DNS, "storage": _STORAGE, "monitoring": _MONITORING}
"""By the first word of a method's id."""
