"""Who could take the place of a database on RDS: its standby in another zone, and its read replicas."""

from typing import Any

from core.operations.clouds import aws_metrics, aws_replicas
from core.operations.clouds.aws import LONGEST_SECONDS, POLL_SECONDS, asked, client, code_of, exceptions
from core.operations.clouds.aws_restores import has_failed, tags_of
from core.operations.clouds.base import Place, Promoted, Replica, Say, Standing, silently
from core.operations.clouds.errors import CloudRefused, DatabaseNotFound
from core.operations.clouds.waiting import wait_until

OF = "cloudbill-promoted-from"
_SERVING = ("available", "backing-up", "configuring-enhanced-monitoring", "configuring-iam-database-auth",
            "configuring-log-exports", "maintenance", "modifying", "storage-optimization", "storage-full")  # fmt: skip
"""States in which RDS leaves a database open to its callers."""
_DOWN = ("stopped", "stopping")


class AwsStandbys:
    """Satisfies `Standbys`.

    RDS takes over to the standby of Multi-AZ by itself, under the same name; only a replica is promoted here.
    """

    def __init__(
        self,
        place: Place,
        database: str,
        *,
        say: Say = silently,
        poll_seconds: float | None = None,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._place, self._database, self._say = place, database, say
        self._poll_seconds = POLL_SECONDS if poll_seconds is None else poll_seconds
        self._longest_seconds = longest_seconds
        self._rds = client("rds", place.region)

    def standing(self) -> Standing:
        """RDS says of a standby only where it is: with a zone of its own, and the database up, it counts as healthy."""
        found = self._get(self._database)
        state, is_doubled = str(found["DBInstanceStatus"]), bool(found["MultiAZ"])
        replicas: list[str] = found.get("ReadReplicaDBInstanceIdentifiers") or []
        known = bool(found.get("SecondaryAvailabilityZone")) if state == "available" else None
        return Standing(
            name=self._database,
            engine_version=f"{found['Engine']} {found['EngineVersion']}",
            state=state,
            is_serving=state in _SERVING,
            has_standby=is_doubled,
            standby_is_healthy=known if is_doubled else None,
            replicas=tuple(self._replica(name) for name in replicas),
        )

    def add(self, name: str, *, like: str, region: str) -> None:
        """Of the size, key and groups of `like`, which stands in that region, in the network of whoever is there."""
        there = self._rds if region == self._place.region else client("rds", region)
        aws_replicas.begin(
            there, name, primary=self._get(self._database), like=self._get(like, rds=there, region=region),
            here=self._place.region, region=region,
        )  # fmt: skip
        self._wait(
            lambda: str(self._get(name, rds=there, region=region)["DBInstanceStatus"]),
            f"replica {name}",
            reached=("available",),
        )

    def promote(self, replica: str, *, region: str | None = None) -> Promoted:
        """A primary of its own, with backups kept as long as the old one's; what it lags behind is lost."""
        rds = self._rds if region in (None, self._place.region) else client("rds", region)
        found = self._get(replica, rds=rds, region=region)
        if source := found.get("ReadReplicaSourceDBInstanceIdentifier"):
            if _name(source) != self._database:
                raise CloudRefused(f"{replica} follows {_name(source)}, not {self._database}: it is not promoted")
            with asked(f"to promote {replica}"):
                # Remembered first: once promoted, nothing else tells what it was.
                rds.add_tags_to_resource(
                    ResourceName=found["DBInstanceArn"], Tags=[{"Key": OF, "Value": self._database}]
                )
                rds.promote_read_replica(DBInstanceIdentifier=replica, BackupRetentionPeriod=self._retention())
        elif tags_of(found).get(OF) != self._database:
            raise CloudRefused(f"{replica} is no replica of {self._database}")
        made = self._await_primary(replica, rds, region)
        return Promoted(name=replica, endpoint=f"{made['Endpoint']['Address']}:{made['Endpoint']['Port']}")

    def fence(self) -> None:
        """Nobody reaches the old primary any more, whether or not PostgreSQL answers: nothing of it is asked.

        First its security groups are replaced by the network's default one, which lets nothing in: from then on no
        connection begins. Those that are open would live on, since a group's change does not cut them: so the database
        is stopped, or, where RDS refuses that because it has replicas, restarted, which ends them as well. A stopped
        database is started by RDS after seven days, behind the closed group.
        """
        found = self._get(self._database)
        closed = self._closed_group(found)
        groups = [one["VpcSecurityGroupId"] for one in found["VpcSecurityGroups"]]
        if groups != [closed]:
            self._say(f"{self._database}: {', '.join(groups)} replaced by {closed}, which lets nothing in")
            with asked(f"to cut {self._database} off"):
                self._rds.modify_db_instance(
                    DBInstanceIdentifier=self._database, VpcSecurityGroupIds=[closed], ApplyImmediately=True
                )
        elif str(found["DBInstanceStatus"]) in _DOWN:
            return
        self._wait(lambda: self._closed(closed), f"fence of {self._database}", reached=("closed",))
        self._end_connections()

    def _end_connections(self) -> None:
        with asked(f"to stop {self._database}"):
            try:
                self._rds.stop_db_instance(DBInstanceIdentifier=self._database)
                self._say(f"{self._database}: stopped")
            except exceptions().ClientError as error:
                # With replicas, RDS does not stop it; and in the middle of something else neither.
                if code_of(error) not in ("InvalidDBInstanceState", "InvalidDBInstanceStateFault"):
                    raise
                if str(self._get(self._database)["DBInstanceStatus"]) in _DOWN:
                    return
                self._rds.reboot_db_instance(DBInstanceIdentifier=self._database)
                self._say(f"{self._database}: restarted, which ends what was connected")

    def _closed(self, group: str) -> str:
        found = self._get(self._database)
        states = {one["VpcSecurityGroupId"]: one["Status"] for one in found["VpcSecurityGroups"]}
        return "closed" if states == {group: "active"} else "closing"

    def _closed_group(self, found: dict[str, Any]) -> str:
        network = str(found["DBSubnetGroup"]["VpcId"])
        with asked("for the network's default group"):
            groups = client("ec2", self._place.region).describe_security_groups(
                Filters=[{"Name": "vpc-id", "Values": [network]}, {"Name": "group-name", "Values": ["default"]}]
            )["SecurityGroups"]
        if not groups:
            raise CloudRefused(f"the network {network} has no default security group: is it the stack's?")
        if groups[0]["IpPermissions"]:
            raise CloudRefused(
                f"{groups[0]['GroupId']}, the default security group of {network}, lets something in, so that it "
                "fences nobody: take its inbound rules away (the program has none there), then run this again"
            )
        return str(groups[0]["GroupId"])

    def _retention(self) -> int:
        return int(self._get(self._database).get("BackupRetentionPeriod") or 1)

    def _await_primary(self, name: str, rds: Any, region: str | None) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def look() -> str:
            found[:] = [self._get(name, rds=rds, region=region)]
            is_replica = found[0].get("ReadReplicaSourceDBInstanceIdentifier")
            return "promoting" if is_replica else str(found[0]["DBInstanceStatus"])

        self._wait(look, f"database {name}", reached=("available",))
        return found[0]

    def _wait(self, look: Any, what: str, *, reached: tuple[str, ...]) -> None:
        wait_until(
            look,
            what=what,
            reached=reached,
            failed=has_failed,
            say=self._say,
            poll_seconds=self._poll_seconds,
            longest_seconds=self._longest_seconds,
        )

    def _replica(self, identifier: str) -> Replica:
        name = _name(identifier)
        # In another region it is told by its ARN, and described there.
        region = identifier.split(":")[3] if identifier.startswith("arn:") else self._place.region
        rds = self._rds if region == self._place.region else client("rds", region)
        found = self._get(name, rds=rds, region=region)
        told: list[dict[str, Any]] = found.get("StatusInfos") or []
        normal = [bool(one["Normal"]) for one in told if one["StatusType"] == "read replication"]
        state = str(found["DBInstanceStatus"])
        lag = aws_metrics.newest(region, name, {"lag": "ReplicaLag"})
        return Replica(
            name=name,
            region=region,
            state=state,
            is_healthy=state in ("available", "backing-up") and all(normal),
            # CloudWatch says -1 where nothing is replicated.
            lag_seconds=lag[0].value if lag and lag[0].value >= 0 else None,
        )

    def _get(self, name: str, *, rds: Any = None, region: str | None = None) -> dict[str, Any]:
        with asked(f"for the database {name}"):
            try:
                return (rds or self._rds).describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
            except exceptions().ClientError as error:
                if code_of(error) not in ("DBInstanceNotFound", "DBInstanceNotFoundFault"):
                    raise
        raise DatabaseNotFound(f"there is no database {name} in {region or self._place.region}: is the region right?")


def _name(identifier: str) -> str:
    return identifier.rpartition(":")[2]
