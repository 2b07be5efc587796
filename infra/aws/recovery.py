"""What the application may ask of RDS, CloudWatch and ECS: the worker looks, the one-off task restores beside."""

from collections.abc import Callable, Mapping, Sequence

from pulumi import Output

from infra.aws.account import Account
from infra.aws.keys import Keys
from infra.aws.names import named
from infra.aws.statements import Statement
from infra.config import StackConfig

DRILLS = "drill-*"
"""The databases that drills make."""
_FROM = "cloudbill-restored-from"
_TAGS = (_FROM, "cloudbill-restored-to", "cloudbill-promoted-from", "cloudbill-reason", "made-by")


def granted(title: str, config: StackConfig, account: Account, keys: Keys) -> list[Statement]:
    """The statements for a task of this title; none for most."""
    made: Mapping[str, Callable[[StackConfig, Account, Keys], Sequence[Statement]]] = {
        "worker": lambda config, account, keys: [*_looks(config, account), _takes(config, account)],
        "job": lambda config, account, keys: [
            *_looks(config, account),
            _takes(config, account),
            *_restores(config, account, keys),
            *_copies(config, account),
        ],
    }
    return list(made[title](config, account, keys)) if title in made else []


def _looks(config: StackConfig, account: Account) -> list[Statement]:
    """What the worker asks each minute; it changes nothing."""
    regions = [config.region, *([config.database.backup_region] if config.database.backup_region else [])]
    return [
        Statement(
            actions=["rds:DescribeDBInstances"],
            resources=_rds(account, f"db:{named(config)}", f"db:{named(config)}-*", f"db:{DRILLS}"),
        ),
        Statement(actions=["ecs:DescribeServices"], resources=[account.arn("ecs", f"service/{named(config)}/*")]),
        # These take no resource, or only list: of RDS, what the account has in these regions.
        Statement(
            actions=["rds:DescribeDBInstanceAutomatedBackups", "rds:DescribeDBSnapshots"],
            resources=["*"],
            conditions={"StringEquals": {"aws:RequestedRegion": regions}},
        ),
        Statement(actions=["cloudwatch:GetMetricData", "ecs:DescribeTaskDefinition"], resources=["*"]),
    ]


def _takes(config: StackConfig, account: Account) -> Statement:
    """A snapshot, asked for in the console or by a command."""
    return Statement(
        actions=["rds:AddTagsToResource", "rds:CreateDBSnapshot"],
        resources=_rds(account, f"db:{named(config)}", f"snapshot:{named(config)}-*"),
        conditions=_only_our_tags(),
    )


def _restores(config: StackConfig, account: Account, keys: Keys) -> list[Statement]:
    """A new database beside, from this one's backups; dropping what was made so, and snapshots of ours."""
    via_rds = {"kms:ViaService": f"rds.{config.region}.amazonaws.com"}
    beside = _rds(account, f"db:{named(config)}-*", f"db:{DRILLS}")
    return [
        Statement(
            actions=["rds:RestoreDBInstanceFromDBSnapshot", "rds:RestoreDBInstanceToPointInTime"],
            resources=[
                *beside,
                # RDS asks for the right to each thing that the new one is made of; Pulumi ends the groups' names.
                *_rds(account, f"db:{named(config)}", *_sources(config), "auto-backup:ab-*", "og:default:postgres-*"),
                *_rds(account, "subgrp:cloudbill-database-subnets-*", "pg:cloudbill-database-parameters-*"),
            ],
            conditions={"StringEquals": {f"aws:RequestTag/{_FROM}": named(config)}},
        ),
        Statement(actions=["rds:AddTagsToResource"], resources=beside, conditions=_only_our_tags()),
        Statement(
            actions=["rds:DeleteDBInstance"],
            resources=beside,
            conditions={"StringEquals": {f"aws:ResourceTag/{_FROM}": named(config)}},
        ),
        Statement(
            actions=["rds:DeleteDBSnapshot"],
            resources=_rds(account, f"snapshot:{named(config)}-*"),
            conditions={"StringEquals": {"aws:ResourceTag/made-by": "cloudbill"}},
        ),
        Statement(actions=["rds:PromoteReadReplica"], resources=_rds(account, f"db:{named(config)}-replica-*")),
        Statement(
            actions=["kms:CreateGrant"],
            resources=[keys.data],
            # To RDS, for what RDS does with it, and to nobody else.
            conditions={"StringEquals": via_rds, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        Statement(actions=["kms:DescribeKey"], resources=[keys.data], conditions={"StringEquals": via_rds}),
    ]


def _copies(config: StackConfig, account: Account) -> list[Statement]:
    """Of a snapshot into the region of the copies, where there is one."""
    region = config.database.backup_region
    if region is None:
        return []
    there = account.arn("rds", f"snapshot:{named(config)}-*", region=region)
    return [
        Statement(
            actions=["rds:AddTagsToResource", "rds:CopyDBSnapshot"],
            resources=[*_rds(account, *_sources(config)), there],
            conditions=_only_our_tags(),
        ),
    ]


def _sources(config: StackConfig) -> tuple[str, ...]:
    """Snapshots of ours, of RDS and of AWS Backup, which names its own without the database."""
    of_backup = ("snapshot:awsbackup:job-*", "snapshot:awsbackup:copyjob-*")
    return (f"snapshot:{named(config)}-*", f"snapshot:rds:{named(config)}-*", *of_backup)


def _only_our_tags() -> dict[str, dict[str, list[str]]]:
    return {"ForAllValues:StringEquals": {"aws:TagKeys": list(_TAGS)}}


def _rds(account: Account, *resources: str) -> list[Output[str]]:
    return [account.arn("rds", resource) for resource in resources]
