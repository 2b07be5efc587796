"""Restoring on RDS: always a new database beside, as like the original as RDS makes it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.operations.clouds.aws import asked, code_of, exceptions
from core.operations.clouds.base import Span
from core.operations.clouds.errors import CloudRefused, DatabaseNotFound

FROM, TO = "cloudbill-restored-from", "cloudbill-restored-to"
_NAME = re.compile(r"^(?=.{1,63}$)[a-z](?:-?[a-z0-9])*$")
_FAILED = re.compile(r"^(failed|restore-error|storage-full|inaccessible-.*|incompatible-.*|insufficient-.*|delet.*)$")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where a restore goes."""

    into: str
    database: str
    target: str
    """As the tag says it: a snapshot's name, an instant or `latest`."""
    snapshot: str | None
    at: datetime | None
    reaches: datetime | None


def wanted(
    to: str | datetime, snapshot: dict[str, Any] | None, spans: list[Span], *, database: str, into: str
) -> Wanted:
    """Raises CloudRefused for a name or an instant that RDS would not take."""
    if not _NAME.match(into):
        raise CloudRefused(
            f"{into!r} cannot be a database's name: up to 63 small letters, digits and single hyphens, a letter first"
        )
    if into == database:
        raise CloudRefused(f"{into} is the database itself: a restore never goes over it, so name a new one")
    if snapshot is not None:
        if snapshot["Status"] != "available":
            raise CloudRefused(f"the backup {to} is {snapshot['Status']}: it cannot be restored")
        name = str(snapshot["DBSnapshotIdentifier"])
        made = snapshot.get("OriginalSnapshotCreateTime") or snapshot["SnapshotCreateTime"]
        return Wanted(into=into, database=database, target=name, snapshot=name, at=None, reaches=made)
    if not spans:
        raise CloudRefused(f"{database} has no restorable window: restore a backup by its name")
    if isinstance(to, str):
        return Wanted(into=into, database=database, target="latest", snapshot=None, at=None, reaches=spans[-1].end)
    at = to.astimezone(UTC)
    if not any(span.start <= at <= span.end for span in spans):
        reach = "; ".join(f"{span.start:%Y-%m-%dT%H:%M:%SZ} to {span.end:%Y-%m-%dT%H:%M:%SZ}" for span in spans)
        raise CloudRefused(f"{at:%Y-%m-%dT%H:%M:%SZ} cannot be reached; what can be: {reach}")
    return Wanted(into=into, database=database, target=at.isoformat(), snapshot=None, at=at, reaches=at)


def begin(rds: Any, wanted: Wanted, like: dict[str, Any]) -> None:
    """Asks for it; where it was asked for already, nothing is made twice. Raises CloudRefused for a name in use."""
    settings = {**_settings(like), "Tags": _tags(wanted)}
    with asked(f"to restore {wanted.target} into {wanted.into}"):
        try:
            if wanted.snapshot:
                rds.restore_db_instance_from_db_snapshot(
                    DBInstanceIdentifier=wanted.into, DBSnapshotIdentifier=wanted.snapshot, **settings
                )
            else:
                moment = {"RestoreTime": wanted.at} if wanted.at else {"UseLatestRestorableTime": True}
                rds.restore_db_instance_to_point_in_time(
                    SourceDBInstanceIdentifier=wanted.database,
                    TargetDBInstanceIdentifier=wanted.into,
                    **moment,
                    **settings,
                )
        except exceptions().ClientError as error:
            if code_of(error) not in ("DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault"):
                raise
        else:
            return
        found = rds.describe_db_instances(DBInstanceIdentifier=wanted.into)["DBInstances"][0]
    tags = tags_of(found)
    if (tags.get(FROM), tags.get(TO)) != (wanted.database, wanted.target):
        raise CloudRefused(
            f"there is a database {wanted.into} already, and it is not a restore of {wanted.database} to "
            f"{wanted.target}: restore under another name"
        )


def drop(rds: Any, name: str, *, database: str) -> None:
    """Raises CloudRefused for what no restore of ours made, DatabaseNotFound for what is not there."""
    with asked(f"for the database {name}"):
        try:
            found = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        except exceptions().ClientError as error:
            if code_of(error) not in ("DBInstanceNotFound", "DBInstanceNotFoundFault"):
                raise
            raise DatabaseNotFound(f"nothing was dropped: there is no database {name}") from None
    if tags_of(found).get(FROM) != database:
        raise CloudRefused(f"nothing was dropped: {name} was not made by a restore of {database}")
    if found["DBInstanceStatus"] == "deleting":
        return
    with asked(f"to delete the database {name}"):
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)


def has_failed(state: str) -> bool:
    """Whether a database in this state will not come up by itself."""
    return bool(_FAILED.match(state))


def _settings(like: dict[str, Any]) -> dict[str, Any]:
    """What RDS would otherwise choose by itself: default network, default groups, public by chance.

    The key is the backup's own; RDS takes no other here.
    """
    found: dict[str, Any] = {
        "DBInstanceClass": like["DBInstanceClass"],
        "Port": like["Endpoint"]["Port"],
        "MultiAZ": like["MultiAZ"],
        "StorageType": like["StorageType"],
        "PubliclyAccessible": False,
        "AutoMinorVersionUpgrade": like["AutoMinorVersionUpgrade"],
        "EnableIAMDatabaseAuthentication": bool(like.get("IAMDatabaseAuthenticationEnabled")),
        "CopyTagsToSnapshot": False,
        "DeletionProtection": False,
        "VpcSecurityGroupIds": [one["VpcSecurityGroupId"] for one in like.get("VpcSecurityGroups", [])],
        "EnableCloudwatchLogsExports": like.get("EnabledCloudwatchLogsExports") or [],
    }
    if subnets := like.get("DBSubnetGroup", {}).get("DBSubnetGroupName"):
        found["DBSubnetGroupName"] = subnets
    if groups := like.get("DBParameterGroups"):
        found["DBParameterGroupName"] = groups[0]["DBParameterGroupName"]
    if authority := like.get("CACertificateIdentifier"):
        found["CACertificateIdentifier"] = authority
    if like.get("EngineLifecycleSupport"):
        found["EngineLifecycleSupport"] = like["EngineLifecycleSupport"]
    return {name: value for name, value in found.items() if value not in ([], None)}


def _tags(wanted: Wanted) -> list[dict[str, str]]:
    words = {"made-by": "cloudbill", FROM: wanted.database, TO: wanted.target}
    return [{"Key": key, "Value": value} for key, value in words.items()]


def tags_of(found: dict[str, Any]) -> dict[str, str]:
    """As RDS describes them."""
    tags: list[dict[str, str]] = found.get("TagList") or []
    return {tag["Key"]: tag["Value"] for tag in tags}
