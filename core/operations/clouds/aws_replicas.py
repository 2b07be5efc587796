"""A replica on RDS, made to go back to where a database stood."""

from typing import Any

from core.operations.clouds.aws import asked, code_of, exceptions
from core.operations.clouds.errors import CloudRefused


def begin(there: Any, name: str, *, primary: dict[str, Any], like: dict[str, Any], here: str, region: str) -> None:
    """Starts making it, or finds the one that was started. Raises CloudRefused for a name in use."""
    with asked(f"for {name}, a replica of {primary['DBInstanceIdentifier']}"):
        try:
            there.create_db_instance_read_replica(DBInstanceIdentifier=name, **_settings(primary, like, here, region))
        except exceptions().ClientError as error:
            if code_of(error) not in ("DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault"):
                raise
            found = there.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
            source = str(found.get("ReadReplicaSourceDBInstanceIdentifier") or "")
            if source.rpartition(":")[2] != primary["DBInstanceIdentifier"]:
                raise CloudRefused(
                    f"there is a database {name} already, and it does not follow {primary['DBInstanceIdentifier']}"
                ) from None


def _settings(primary: dict[str, Any], like: dict[str, Any], here: str, region: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "SourceDBInstanceIdentifier": primary["DBInstanceIdentifier"],
        "DBInstanceClass": like["DBInstanceClass"],
        "MultiAZ": like["MultiAZ"],
        "PubliclyAccessible": False,
        "CopyTagsToSnapshot": False,
        "DeletionProtection": bool(like.get("DeletionProtection")),
        "Tags": [{"Key": "made-by", "Value": "cloudbill"}],
    }
    if groups := like.get("DBParameterGroups"):
        found["DBParameterGroupName"] = groups[0]["DBParameterGroupName"]
    # The fence has replaced the old one's groups; beside the new one its own are known to let the services in.
    of = primary if region == here else like
    found["VpcSecurityGroupIds"] = [one["VpcSecurityGroupId"] for one in of.get("VpcSecurityGroups", [])]
    if region != here:
        found |= {"SourceDBInstanceIdentifier": primary["DBInstanceArn"], "SourceRegion": here}
        if subnets := like.get("DBSubnetGroup", {}).get("DBSubnetGroupName"):
            found["DBSubnetGroupName"] = subnets
        if like.get("KmsKeyId"):
            found["KmsKeyId"] = like["KmsKeyId"]
    return found
