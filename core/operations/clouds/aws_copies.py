"""Backups of a database in another region: RDS's own replication of the automated ones, and snapshots copied by us."""

from typing import Any

from core.operations.clouds.aws import asked, client, code_of, exceptions
from core.operations.clouds.base import Fault
from core.operations.clouds.errors import CloudRefused

OWN_KEY = "alias/aws/rds"
"""The account's key of RDS in each region: for a copy where the stack has no key of its own."""


def begin(there: Any, snapshot: dict[str, Any], instance: dict[str, Any], *, here: str, region: str) -> str:
    """Starts a copy, or finds the one that was started; its name. Raises CloudError."""
    if region == here:
        raise CloudRefused(f"{region} is where the backup is: name another region to copy it to")
    arn = str(snapshot["DBSnapshotArn"])
    # Automated ones are called rds:… and awsbackup:…, which no copy may be.
    name = str(snapshot["DBSnapshotIdentifier"]).replace(":", "-")
    with asked(f"for a copy of {name} in {region}"):
        try:
            there.copy_db_snapshot(
                SourceDBSnapshotIdentifier=arn,
                TargetDBSnapshotIdentifier=name,
                SourceRegion=here,
                **({"KmsKeyId": _key(instance, region)} if snapshot.get("Encrypted") else {}),
                Tags=[{"Key": "made-by", "Value": "cloudbill"}, {"Key": "cloudbill-reason", "Value": "copy"}],
            )
        except exceptions().ClientError as error:
            if code_of(error) != "DBSnapshotAlreadyExists":
                raise
            found = there.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]
            if found.get("SourceDBSnapshotIdentifier") not in (arn, None):
                raise CloudRefused(
                    f"{region} has another snapshot called {name}, made of {found['SourceDBSnapshotIdentifier']}"
                ) from None
    return name


def faults(instance: dict[str, Any], *, here: str) -> list[Fault]:
    """Of the copies that RDS makes of its own automated backups, where the stack asked for them."""
    found: list[Fault] = []
    for arn in _replicated(instance):
        region = _region_of(arn)
        with asked(f"for the copied backups in {region}"):
            try:
                copies = client("rds", region).describe_db_instance_automated_backups(DBInstanceAutomatedBackupsArn=arn)
                copy = copies["DBInstanceAutomatedBackups"][0]
            except (exceptions().ClientError, IndexError) as error:
                if isinstance(error, IndexError) or code_of(error) == "DBInstanceAutomatedBackupNotFound":
                    found.append(Fault(check="copy_missing", subject=arn, detail=f"is not in {region}"))
                    continue
                raise
        if copy["Status"] != "replicating":
            detail = f"is {copy['Status']} in {region}, not replicating"
            found.append(Fault(check="copy_state", subject=arn, detail=detail))
        elif not copy.get("Encrypted"):
            found.append(Fault(check="copy_not_encrypted", subject=arn, detail=f"is not encrypted in {region}"))
        elif f":{region}:" not in str(copy.get("KmsKeyId")):
            detail = (
                f"is sealed with {copy.get('KmsKeyId')}, a key that is not of {region}: it would be lost with {here}"
            )
            found.append(Fault(check="copy_key", subject=arn, detail=detail))
    return found


def _key(instance: dict[str, Any], region: str) -> str:
    """That of the stack's copies in that region, else the account's."""
    for arn in _replicated(instance):
        if _region_of(arn) == region:
            found = client("rds", region).describe_db_instance_automated_backups(DBInstanceAutomatedBackupsArn=arn)
            for copy in found["DBInstanceAutomatedBackups"]:
                if copy.get("KmsKeyId"):
                    return str(copy["KmsKeyId"])
    return OWN_KEY


def _replicated(instance: dict[str, Any]) -> list[str]:
    found: list[dict[str, Any]] = instance.get("DBInstanceAutomatedBackupsReplications") or []
    return [str(one["DBInstanceAutomatedBackupsArn"]) for one in found if one.get("DBInstanceAutomatedBackupsArn")]


def _region_of(arn: str) -> str:
    return arn.split(":")[3]
