"""A database as the program makes it: in subnets, groups and parameters of its own, encrypted with a key of its own."""

from dataclasses import dataclass
from typing import Any

import boto3

from tests.operations.clouds.aws.conftest import REGION
from tests.support.faults import Faults

NAME = "cloudbill-test"


@dataclass(frozen=True)
class Original:
    """What a restore must come like."""

    name: str
    endpoint: str
    key: str
    group: str


def make(*, backups: int = 7) -> Original:
    """One that is available."""
    ec2, kms, rds = client("ec2"), client("kms"), client("rds")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="database", Description="database", VpcId=vpc)["GroupId"]
    key = kms.create_key()["KeyMetadata"]["Arn"]
    rds.create_db_subnet_group(
        DBSubnetGroupName="private", DBSubnetGroupDescription="private", SubnetIds=[one["SubnetId"] for one in subnets]
    )
    rds.create_db_parameter_group(DBParameterGroupName="ours", DBParameterGroupFamily="postgres15", Description="ours")
    made = rds.create_db_instance(
        DBInstanceIdentifier=NAME, DBInstanceClass="db.t4g.medium", Engine="postgres", EngineVersion="15.10",
        AllocatedStorage=20, MasterUsername="cloudbill_owner", MasterUserPassword="not-a-secret-1", DBName="cloudbill",
        DBSubnetGroupName="private", VpcSecurityGroupIds=[group], DBParameterGroupName="ours", StorageEncrypted=True,
        KmsKeyId=key, MultiAZ=True, StorageType="gp3", BackupRetentionPeriod=backups, PubliclyAccessible=False,
        EnableIAMDatabaseAuthentication=True, EnableCloudwatchLogsExports=["postgresql"], DeletionProtection=False,
        CopyTagsToSnapshot=True, Tags=[{"Key": "stack", "Value": "test"}],
    )["DBInstance"]  # fmt: skip
    return Original(NAME, f"{made['Endpoint']['Address']}:{made['Endpoint']['Port']}", key, group)


def instance(name: str) -> dict[str, Any]:
    """As the cloud describes it."""
    return client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]


def instances() -> list[str]:
    """All databases' names."""
    return sorted(one["DBInstanceIdentifier"] for one in client("rds").describe_db_instances()["DBInstances"])


def snapshots(region: str = REGION) -> list[str]:
    """All manual snapshots' names."""
    found = client("rds", region).describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    return sorted(one["DBSnapshotIdentifier"] for one in found)


def client(service: str, region: str = REGION) -> Any:
    """The test's own, past nothing: it goes through the proxy, too."""
    return boto3.client(service, region_name=region)


def window(aws: Faults, *, start: str, end: str) -> None:
    """What the emulator does not tell of automated backups."""
    aws.alter(
        "DescribeDBInstanceAutomatedBackups",
        r"(<DBInstanceAutomatedBackup>)(.*?)(<RestoreWindow>.*?</RestoreWindow>|<RestoreWindow\s*/>)?"
        r"(.*?</DBInstanceAutomatedBackup>)",
        rf"\1<RestoreWindow><EarliestTime>{start}</EarliestTime><LatestTime>{end}</LatestTime></RestoreWindow>\2\4",
    )
