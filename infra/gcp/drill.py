"""The restore test on its schedule, and what its job may do at Cloud SQL."""

from dataclasses import dataclass

import pulumi

from infra.config import StackConfig
from infra.gcp.database import Database
from infra.gcp.recovery import OWNS, READS, SCRATCH_PREFIX, Grant, GrantArgs, named
from infra.gcp.schedule import Call, Schedule, ScheduleArgs

QUARTERLY = "0 5 8 1,4,7,10 *"
COMMAND = ("drill", "run")


@dataclass(frozen=True, kw_only=True)
class DrillArgs:
    """`job` runs `cloudbill drill run` as `member`."""

    config: StackConfig
    job: pulumi.Input[str]
    member: pulumi.Input[str]
    database: Database


class Drill(pulumi.ComponentResource):
    """Each quarter's eighth, at 05:00 UTC. The job reads this database's backups and owns instances named `drill-…`
    only: both by a condition on the instance's name, which Cloud SQL offers for each of its permissions.

    It restores to the newest instant into an instance of its own, starts the application on it, verifies, keeps the
    evidence in the database, and deletes the instance.
    """

    def __init__(self, name: str, args: DrillArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Drill", name, None, opts)
        config = args.config
        under = pulumi.ResourceOptions(parent=self)
        for what, permissions, begin in (
            ("reads", READS, args.database.instance.name),
            ("owns", OWNS, SCRATCH_PREFIX),
        ):
            Grant(
                f"{name}-{what}",
                GrantArgs(
                    config=config,
                    member=args.member,
                    title=f"a drill {what}",
                    permissions=permissions,
                    condition=named(config, begin),
                ),
                under,
            )
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
            under,
        )
        self.register_outputs({})
