"""What the application may ask of Google for recovery: the worker looks and takes backups, a drill restores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp import projects

from infra.config import StackConfig
from infra.gcp.database import Database

LOOKS = ("cloudsql.backupRuns.create", "cloudsql.backupRuns.get", "cloudsql.backupRuns.list", "cloudsql.instances.get")
"""At this stack's instances: how they and their backups stand, and a backup that is asked for in the console."""
COUNTS = ("monitoring.timeSeries.list", "run.revisions.get", "run.services.list", "run.workerpools.list")
"""Of the project: Google offers no condition on names for these, and they change nothing."""
SCRATCH_PREFIX = "drill-"
"""Of the instances that a drill makes; it can touch no other."""
READS = (
    "cloudsql.backupRuns.get",
    "cloudsql.backupRuns.list",
    "cloudsql.instances.clone",
    "cloudsql.instances.get",
)
OWNS = (
    "cloudsql.instances.create",
    "cloudsql.instances.delete",
    "cloudsql.instances.get",
    "cloudsql.instances.restoreBackup",
    "cloudsql.instances.update",
)


@dataclass(frozen=True, kw_only=True)
class GrantArgs:
    """`condition` is an expression in IAM's language; without one the whole project is meant."""

    config: StackConfig
    member: pulumi.Input[str]
    title: str
    permissions: Sequence[str]
    condition: pulumi.Input[str] | None = None


class Grant(pulumi.ComponentResource):
    """A role of our own with exactly these permissions, for one account."""

    def __init__(self, name: str, args: GrantArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Grant", f"{name}-grant", None, opts)
        config = args.config
        assert config.project is not None
        under = pulumi.ResourceOptions(parent=self)
        role = projects.IAMCustomRole(
            f"{name}-role",
            role_id=f"{name}-{config.stack}".replace("-", "_"),
            title=f"CloudBill: {args.title}",
            permissions=list(args.permissions),
            opts=under,
        )
        projects.IAMMember(
            name,
            project=config.project,
            role=role.name,
            member=args.member,
            condition=None if args.condition is None else {"title": args.title, "expression": args.condition},
            opts=under,
        )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class LooksArgs:
    """`member` is the worker."""

    config: StackConfig
    member: pulumi.Input[str]
    database: Database


class Looks(pulumi.ComponentResource):
    """The worker's: to see how database, replicas, backups and services stand, and to take a backup.

    Two roles, since a condition on an instance's name, which Cloud SQL offers for each of its permissions, is not known
    to Cloud Run and Monitoring.
    """

    def __init__(self, name: str, args: LooksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Looks", name, None, opts)
        under = pulumi.ResourceOptions(parent=self)
        instances = [args.database.instance, *args.database.replicas]
        ours = [named(args.config, instance.name) for instance in instances]
        Grant(
            f"{name}-looks",
            GrantArgs(
                config=args.config,
                member=args.member,
                title="looks at its database",
                permissions=LOOKS,
                condition=pulumi.Output.all(*ours).apply(" || ".join),
            ),
            under,
        )
        Grant(
            f"{name}-counts",
            GrantArgs(config=args.config, member=args.member, title="counts what runs", permissions=COUNTS),
            under,
        )
        self.register_outputs({})


def named(config: StackConfig, begin: pulumi.Input[str]) -> pulumi.Output[str]:
    """Instances whose names begin so, with what belongs to them."""
    return pulumi.Output.concat(f'resource.name.startsWith("projects/{config.project}/instances/', begin, '")')


def settings_of(config: StackConfig, database: Database) -> Mapping[str, pulumi.Input[str]]:
    """Where the application finds its database by the cloud's own name."""
    assert config.project is not None
    return {
        "CLOUD": "gcp",
        "CLOUD_DATABASE": database.instance.name,
        "CLOUD_PROJECT": config.project,
        "CLOUD_REGION": config.region,
    }
