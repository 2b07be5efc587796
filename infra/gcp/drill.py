"""The restore test on its schedule, and what its job may do at Cloud SQL."""

from dataclasses import dataclass

import pulumi
from pulumi_gcp import projects

from infra.config import StackConfig
from infra.gcp.database import Database
from infra.gcp.schedule import Call, Schedule, ScheduleArgs

QUARTERLY = "0 5 8 1,4,7,10 *"
SCRATCH_PREFIX = "drill-"
"""Of the instances that a drill makes; it can touch no other."""
READS = (
    "cloudsql.backupRuns.get",
    "cloudsql.backupRuns.list",
    "cloudsql.instances.get",
    "cloudsql.instances.clone",
)
OWNS = (
    "cloudsql.instances.create",
    "cloudsql.instances.delete",
    "cloudsql.instances.get",
    "cloudsql.instances.restoreBackup",
    "cloudsql.instances.update",
)


@dataclass(frozen=True, kw_only=True)
class DrillArgs:
    """`job` runs `cloudbill drill` as `member`."""

    config: StackConfig
    job: pulumi.Input[str]
    member: pulumi.Input[str]
    database: Database


class Drill(pulumi.ComponentResource):
    """Each quarter's eighth, at 05:00 UTC. The job reads this database's backups and owns instances named `drill-…`
    only: both by a condition on the instance's name, which Cloud SQL offers for each of its permissions.
    """

    def __init__(self, name: str, args: DrillArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Drill", name, None, opts)
        self._name, self._args = name, args
        config = args.config
        instances = f"projects/{config.project}/instances/"
        source = pulumi.Output.concat(instances, args.database.instance.name)
        self._may("reads", READS, pulumi.Output.concat('resource.name.startsWith("', source, '")'))
        self._may("owns", OWNS, pulumi.Output.from_input(f'resource.name.startsWith("{instances}{SCRATCH_PREFIX}")'))
        Schedule(
            f"{name}-calls",
            ScheduleArgs(
                config=config,
                description="starts drills",
                permissions=("run.jobs.run",),
                calls=[
                    Call(
                        name="quarterly",
                        description="Restores a backup and verifies it",
                        cron=QUARTERLY,
                        method="POST",
                        url=pulumi.Output.concat(
                            f"https://run.googleapis.com/v2/projects/{config.project}/locations/{config.region}/jobs/",
                            args.job,
                            ":run",
                        ),
                    )
                ],
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

    def _may(self, what: str, permissions: tuple[str, ...], condition: pulumi.Output[str]) -> None:
        config = self._args.config
        assert config.project is not None
        role = projects.IAMCustomRole(
            f"{self._name}-{what}-role",
            role_id=f"{self._name}-{what}-{config.stack}".replace("-", "_"),
            title=f"CloudBill: a drill {what}",
            permissions=list(permissions),
            opts=pulumi.ResourceOptions(parent=self),
        )
        projects.IAMMember(
            f"{self._name}-{what}",
            project=config.project,
            role=role.name,
            member=self._args.member,
            condition={"title": f"a drill {what}", "expression": condition},
            opts=pulumi.ResourceOptions(parent=self),
        )
