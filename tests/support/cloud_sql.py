"""Cloud SQL as its API shows it: instances, backups and operations whose states change while they are asked for."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.google import Call, Google, Refused

PROJECT, DATABASE, REGION = "cloudbill-production", "cloudbill-database-instance-1a2b", "us-central1"
KEY = f"projects/{PROJECT}/locations/{REGION}/keyRings/cloudbill/cryptoKeys/data"
NETWORK = f"projects/{PROJECT}/global/networks/cloudbill"


def stamp(at: datetime) -> str:
    """As Google writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class CloudSql:
    """`polls` is how often an operation is asked for until it is done; those of a type in `failing` end in an error."""

    google: Google
    polls: int = 2
    failing: dict[str, tuple[str, str]] = field(default_factory=dict)
    instances: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    operations: list[dict[str, Any]] = field(default_factory=list)
    window: tuple[datetime, datetime] | None = None
    restored: dict[str, str] = field(default_factory=dict)
    """What each instance was made from: a backup's number or an instant."""
    effects: dict[str, Callable[[], None]] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    address: str = "10.20.0.{number}"
    _polled: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.window = (self.now - timedelta(days=7), self.now - timedelta(seconds=40))
        self.google.answers |= {
            "sql.instances.get": lambda call: self.instance(call),
            "sql.instances.list": lambda _: {"items": list(self.instances.values())},
            "sql.instances.insert": self._insert,
            "sql.instances.clone": self._clone,
            "sql.instances.patch": self._patch,
            "sql.instances.delete": self._delete,
            "sql.instances.restoreBackup": self._restore,
            "sql.instances.promoteReplica": self._promote,
            "sql.projects.instances.getLatestRecoveryTime": self._window,
            "sql.backupRuns.insert": self._back_up,
            "sql.backupRuns.list": self._list_runs,
            "sql.backupRuns.get": lambda call: self.run(call),
            "sql.backupRuns.delete": self._delete_run,
            "sql.operations.get": self._poll,
            "sql.operations.list": lambda call: {
                "items": [one for one in self.operations if one["targetId"] == call.query.get("instance")]
            },
        }

    def add(self, name: str = DATABASE, **changes: Any) -> dict[str, Any]:
        """An instance that runs."""
        number = len(self.instances) + 3
        settings: dict[str, Any] = {
            "tier": "db-custom-2-7680",
            "edition": "ENTERPRISE",
            "availabilityType": "REGIONAL",
            "activationPolicy": "ALWAYS",
            "dataDiskType": "PD_SSD",
            "dataDiskSizeGb": "50",
            "storageAutoResize": True,
            "deletionProtectionEnabled": True,
            "retainBackupsOnDelete": True,
            "databaseFlags": [{"name": "cloudsql.logical_decoding", "value": "on"}],
            "ipConfiguration": {
                "ipv4Enabled": False,
                "privateNetwork": NETWORK,
                "allocatedIpRange": "cloudbill-managed",
                "sslMode": "ENCRYPTED_ONLY",
                "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
            },
            "backupConfiguration": {
                "enabled": True,
                "pointInTimeRecoveryEnabled": True,
                "transactionLogRetentionDays": 7,
                "transactionalLogStorageState": "CLOUD_STORAGE",
                "location": REGION,
                "backupRetentionSettings": {"retainedBackups": 30, "retentionUnit": "COUNT"},
            },
            "userLabels": {"project": "cloudbill", "stack": "prod-gcp", "environment": "production"},
        }
        self.instances[name] = {
            "name": name,
            "project": PROJECT,
            "region": REGION,
            "databaseVersion": "POSTGRES_15",
            "databaseInstalledVersion": "POSTGRES_15_10",
            "state": "RUNNABLE",
            "instanceType": "CLOUD_SQL_INSTANCE",
            "ipAddresses": [{"type": "PRIVATE", "ipAddress": self.address.format(number=number)}],
            "diskEncryptionConfiguration": {"kmsKeyName": KEY},
            "serverCaCert": {"cert": f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----"},
            "settings": settings,
            **changes,
        }
        self.runs[name] = []
        return self.instances[name]

    def add_run(self, ended: datetime, *, kind: str = "AUTOMATED", of: str = DATABASE, **changes: Any) -> str:
        """A backup that is there."""
        number = str(1_700_000_000_000 + len(self.runs[of]))
        self.runs[of].append(
            {
                "kind": "sql#backupRun",
                "id": number,
                "instance": of,
                "status": "SUCCESSFUL",
                "type": kind,
                "startTime": stamp(ended - timedelta(minutes=4)),
                "endTime": stamp(ended),
                "location": REGION,
                "maxChargeableBytes": "5368709120",
                **changes,
            }
        )
        return number

    def instance(self, call: Call) -> dict[str, Any]:
        """The one a call names."""
        name = call.path["instance"]
        if name not in self.instances:
            raise Refused(404, "The Cloud SQL instance does not exist.", reason="instanceDoesNotExist")
        return self.instances[name]

    def run(self, call: Call) -> dict[str, Any]:
        """The backup a call names."""
        self.instance(call)
        for run in self.runs[call.path["instance"]]:
            if run["id"] == call.path["id"]:
                return run
        raise Refused(404, "The requested backup run was not found.", reason="backupRunDoesNotExist")

    def _window(self, call: Call) -> dict[str, Any]:
        self.instance(call)
        if self.window is None:
            return {"kind": "sql#getLatestRecoveryTime"}
        start, end = self.window
        return {
            "kind": "sql#getLatestRecoveryTime",
            "earliestRecoveryTime": stamp(start),
            "latestRecoveryTime": stamp(end),
        }

    def _list_runs(self, call: Call) -> dict[str, Any]:
        """Two a page."""
        self.instance(call)
        runs, first = self.runs[call.path["instance"]], int(call.query.get("pageToken", "0"))
        more = {"nextPageToken": str(first + 2)} if len(runs) > first + 2 else {}
        return {"items": runs[first : first + 2]} | more

    def _back_up(self, call: Call) -> dict[str, Any]:
        self.instance(call)
        name = call.path["instance"]
        number = self.add_run(self.now, of=name)
        run = self.runs[name][-1]
        run |= {**call.body, "type": "ON_DEMAND", "status": "RUNNING"}
        del run["endTime"]

        def end() -> None:
            run["status"], run["endTime"] = "SUCCESSFUL", stamp(self.now)

        def fail() -> None:
            run["status"], run["error"] = "FAILED", {"code": "INTERNAL", "message": self.failing["BACKUP_VOLUME"][1]}

        return self._begin("BACKUP_VOLUME", name, end, fail, number=number)

    def _delete_run(self, call: Call) -> dict[str, Any]:
        run = self.run(call)
        name = call.path["instance"]
        return self._begin("DELETE_BACKUP", name, lambda: self.runs[name].remove(run))

    def _insert(self, call: Call) -> dict[str, Any]:
        name = call.body["name"]
        self._refuse_taken(name)
        made = self.add(name)
        made |= {**copy.deepcopy(call.body), "state": "PENDING_CREATE"}
        if master := call.body.get("masterInstanceName"):
            if not self.instances[master]["settings"]["backupConfiguration"].get("pointInTimeRecoveryEnabled"):
                raise Refused(400, "The primary instance must have point-in-time recovery enabled.")
            self.instances[master].setdefault("replicaNames", []).append(name)
        return self._begin("CREATE", name, lambda: made.update(state="RUNNABLE"))

    def _clone(self, call: Call) -> dict[str, Any]:
        source, context = self.instance(call), call.body["cloneContext"]
        name, at = context["destinationInstanceName"], context.get("pointInTime")
        self._refuse_taken(name)
        wanted = datetime.fromisoformat(at) if at else self.now
        if self.window is None or not self.window[0] <= wanted <= self.window[1]:
            raise Refused(400, "Point in time recovery is not possible at that time.", reason="invalidRequest")
        made = self.add(name, state="PENDING_CREATE", settings=copy.deepcopy(source["settings"]))
        self.restored[name] = str(at)
        return self._begin("CLONE", name, lambda: made.update(state="RUNNABLE"))

    def _restore(self, call: Call) -> dict[str, Any]:
        self._refuse_busy(call)
        name, context = call.path["instance"], call.body["restoreBackupContext"]
        number = context["backupRunId"]
        if all(run["id"] != number for run in self.runs[context["instanceId"]]):
            raise Refused(404, "The requested backup run was not found.")

        def end() -> None:
            self.restored[name] = number

        return self._begin("RESTORE_VOLUME", name, end)

    def _promote(self, call: Call) -> dict[str, Any]:
        self._refuse_busy(call)
        replica = self.instance(call)
        if replica["instanceType"] != "READ_REPLICA_INSTANCE":
            raise Refused(400, "This operation is only valid for read replicas.", reason="notAReplica")

        def end() -> None:
            master = self.instances.get(replica.pop("masterInstanceName").rpartition(":")[2])
            replica["instanceType"] = "CLOUD_SQL_INSTANCE"
            if master:
                master["replicaNames"].remove(replica["name"])

        return self._begin("PROMOTE_REPLICA", replica["name"], end)

    def _patch(self, call: Call) -> dict[str, Any]:
        self._refuse_busy(call)
        instance, body = self.instance(call), copy.deepcopy(call.body)

        def end() -> None:
            settings = body.pop("settings", {})
            instance.update(body)
            instance["settings"] |= settings

        return self._begin("UPDATE", instance["name"], end)

    def _delete(self, call: Call) -> dict[str, Any]:
        self._refuse_busy(call)
        instance = self.instance(call)
        if instance["settings"].get("deletionProtectionEnabled"):
            raise Refused(400, "The instance is protected.", reason="deletionProtectionEnabled")
        return self._begin("DELETE", instance["name"], lambda: self.instances.pop(instance["name"]) and None)

    def _refuse_taken(self, name: str) -> None:
        if name in self.instances:
            raise Refused(409, "The Cloud SQL instance already exists.", reason="instanceAlreadyExists")

    def _refuse_busy(self, call: Call) -> None:
        name = call.path["instance"]
        self.instance(call)
        if any(one["targetId"] == name and one["status"] != "DONE" for one in self.operations):
            raise Refused(409, "Operation failed because another operation was already in progress.")

    def _begin(
        self,
        kind: str,
        on: str,
        end: Callable[[], None],
        fail: Callable[[], None] = lambda: None,
        *,
        number: str | None = None,
    ) -> dict[str, Any]:
        name = f"operation-{len(self.operations) + 1}"
        operation: dict[str, Any] = {
            "kind": "sql#operation",
            "name": name,
            "operationType": kind,
            "status": "PENDING",
            "targetId": on,
            "insertTime": stamp(self.now + timedelta(seconds=len(self.operations))),
        }
        if number:
            operation["backupContext"] = {"backupId": number}
        self.operations.append(operation)
        self.effects[name] = fail if kind in self.failing else end
        return dict(operation)

    def _poll(self, call: Call) -> dict[str, Any]:
        [operation] = [one for one in self.operations if one["name"] == call.path["operation"]]
        if operation["status"] != "DONE":
            operation["status"] = "RUNNING"
            self._polled[operation["name"]] = self._polled.get(operation["name"], 0) + 1
            if self._polled[operation["name"]] >= self.polls:
                self.end(operation)
        return operation

    def end(self, operation: dict[str, Any]) -> None:
        """Comes to its end, with its effect."""
        operation["status"] = "DONE"
        self.effects.pop(operation["name"])()
        if operation["operationType"] in self.failing:
            code, message = self.failing[operation["operationType"]]
            operation["error"] = {"kind": "sql#operationErrors", "errors": [{"code": code, "message": message}]}
