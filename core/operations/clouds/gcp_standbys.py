"""Who could take the place of a Cloud SQL primary: its standby in another zone, and its replicas."""

from core.operations.clouds.base import Place, Promoted, Replica, Say, Standing, silently
from core.operations.clouds.errors import CloudRefused
from core.operations.clouds.gcp_copies import replica_of
from core.operations.clouds.gcp_instances import Document, Instances, endpoint_of, needed, settings_of
from core.operations.clouds.gcp_metrics import Metrics
from core.operations.clouds.google import LONGEST_SECONDS, POLL_SECONDS, asked

_REPLICA = "READ_REPLICA_INSTANCE"


class GcpStandbys:
    """Of one primary.

    A replica takes over by `promoteReplica`, which every edition has, and which leaves the old primary as it is: so
    that one is fenced first. Cloud SQL's switchover and failover to a designated DR replica, which turn the old primary
    into a replica, exist in Enterprise Plus only, and are not used.
    """

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
        self._metrics, self._database = Metrics(self._all.project), database

    def standing(self) -> Standing:
        """As the API and Cloud Monitoring tell it."""
        with asked(f"how {self._database} stands"):
            instance = self._all.get(self._database)
            settings = settings_of(instance)
            has_standby = settings.get("availabilityType") == "REGIONAL"
            available = self._metrics.of_database(self._database, "available_for_failover") if has_standby else None
            return Standing(
                name=self._database,
                engine_version=_version(instance),
                state=_state(instance),
                is_serving=_runs(instance),
                has_standby=has_standby,
                standby_is_healthy=available.value > 0 if available else None,
                replicas=tuple(self._replica(name) for name in sorted(instance.get("replicaNames", []))),
            )

    def add(self, name: str, *, like: str, region: str) -> None:
        """By `insert` with this one as its master, of the size and key of `like`, in its network."""
        with asked(f"to make {name}, a replica of {self._database}"):
            instance = self._all.find(name)
            if instance is None:
                primary = self._all.get(self._database)
                body = replica_of(primary, name, like=self._all.find(like) or primary, region=region)
                self._all.say(f"making {name}, which follows {self._database}")
                request = self._all.sql.instances().insert(project=self._all.project, body=body)
                self._all.start(request, on=name, what=f"making {name}")
            elif instance.get("masterInstanceName", "").rpartition(":")[2] != self._database:
                raise CloudRefused(f"there is an instance {name} already, and it does not follow {self._database}")
            self._all.settle(name, f"making {name}")

    def promote(self, replica: str, *, region: str | None = None) -> Promoted:
        """Into a primary of its own, with backups and log as the old primary has them. What it lags behind is lost."""
        with asked(f"to promote {replica}"):
            instance = self._all.find(replica)
            if instance is None:
                raise CloudRefused(f"there is no replica {replica} of {self._database}")
            if instance.get("instanceType") == _REPLICA:
                if instance.get("masterInstanceName", "").rpartition(":")[2] != self._database:
                    raise CloudRefused(f"{replica} follows {instance.get('masterInstanceName')}, not {self._database}")
                self._all.say(f"promoting {replica}")
                request = self._all.sql.instances().promoteReplica(project=self._all.project, instance=replica)
                self._all.start(request, on=replica, kind="PROMOTE_REPLICA", what=f"promoting {replica}")
            elif replica == self._database:
                raise CloudRefused(f"{replica} is the primary itself")
            promoted = self._all.settle(replica, f"promoting {replica}")
            self._keep_backups(promoted)
            return Promoted(name=replica, endpoint=endpoint_of(promoted))

    def fence(self) -> None:
        """Stops the old primary, in both zones: `activationPolicy` NEVER, which nothing but a person's or the off-hours
        schedule's ALWAYS ends. One that is gone needs none. Its address is private, so that nothing else leads there.
        """
        with asked(f"to fence {self._database}"):
            instance = self._all.find(self._database)
            if instance is None:
                return
            if settings_of(instance).get("activationPolicy") != "NEVER":
                self._all.say(f"stopping {self._database}")
                self._all.patch(
                    self._database, {"settings": {"activationPolicy": "NEVER"}}, f"stopping {self._database}"
                )
                instance = self._all.find(self._database) or {"settings": {"activationPolicy": "NEVER"}}
            if settings_of(instance).get("activationPolicy") != "NEVER":
                raise CloudRefused(
                    f"{self._database} was told to stop, and was told to run again since: who does that?"
                )

    def _replica(self, name: str) -> Replica:
        instance = self._all.find(name.rpartition(":")[2])
        if instance is None:
            return Replica(name=name, region="", state="gone", is_healthy=False, lag_seconds=None)
        lag = self._metrics.of_database(name.rpartition(":")[2], "replication/replica_lag")
        follows = settings_of(instance).get("databaseReplicationEnabled", True)
        return Replica(
            name=str(needed(instance, "name", "instance")),
            region=str(instance.get("region", "")),
            state=_state(instance) if follows else "replication stopped",
            is_healthy=_runs(instance) and bool(follows),
            lag_seconds=lag.value if lag else None,
        )

    def _keep_backups(self, promoted: Document) -> None:
        """A replica has no backups, and a primary without them is the next loss."""
        if settings_of(promoted).get("backupConfiguration", {}).get("pointInTimeRecoveryEnabled"):
            return
        original = self._all.find(self._database)
        wanted: Document = settings_of(original).get("backupConfiguration", {}) if original else {}
        kept = ("backupRetentionSettings", "startTime", "transactionLogRetentionDays")
        configuration: Document = {
            "enabled": True,
            "pointInTimeRecoveryEnabled": True,
            **{name: wanted[name] for name in kept if name in wanted},
        }
        name = str(promoted["name"])
        self._all.patch(name, {"settings": {"backupConfiguration": configuration}}, f"switching on backups of {name}")


def _version(instance: Document) -> str:
    """POSTGRES_15_10 as 15.10."""
    found = str(instance.get("databaseInstalledVersion") or needed(instance, "databaseVersion", "instance"))
    return found.removeprefix("POSTGRES_").replace("_", ".")


def _state(instance: Document) -> str:
    """A stopped one is RUNNABLE by Google's word."""
    state = str(needed(instance, "state", "instance"))
    return "STOPPED" if state == "RUNNABLE" and not _runs(instance) else state


def _runs(instance: Document) -> bool:
    return instance.get("state") == "RUNNABLE" and settings_of(instance).get("activationPolicy") == "ALWAYS"
