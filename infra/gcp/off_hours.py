"""Stops the database and the worker at night and at weekends. Services go down to `min` by themselves."""

from dataclasses import dataclass

import pulumi

from infra.config import StackConfig
from infra.gcp.database import Database
from infra.gcp.schedule import Call, Schedule, ScheduleArgs

STOP, START = "0 20 * * 1-5", "0 6 * * 1-5"
"""Evenings and mornings of working days, UTC: from Friday's evening on it is off until Monday's morning."""
PERMISSIONS = (
    "cloudsql.instances.get",
    "cloudsql.instances.update",
    "run.operations.get",
    "run.workerpools.get",
    "run.workerpools.update",
)


@dataclass(frozen=True, kw_only=True)
class OffHoursArgs:
    """`worker` is the worker pool's name."""

    config: StackConfig
    database: Database
    worker: pulumi.Input[str]


class OffHours(pulumi.ComponentResource):
    """Four calls a day of the services' own APIs; AWS has schedulers that know their databases and services.

    While the database is stopped, API and worker have nothing to answer with: what asks of them is asked only while
    the stack is awake (`alarm.py`). Production is refused off-hours.
    """

    def __init__(self, name: str, args: OffHoursArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:OffHours", name, None, opts)
        config = args.config
        assert config.project is not None
        database = pulumi.Output.concat(
            f"https://sqladmin.googleapis.com/v1/projects/{config.project}/instances/", args.database.instance.name
        )
        worker = pulumi.Output.concat(
            f"https://run.googleapis.com/v2/projects/{config.project}/locations/{config.region}/workerPools/",
            args.worker,
            "?updateMask=scaling.manualInstanceCount",
        )
        calls = [
            Call(
                name=f"{what}-{when}",
                description=f"{when.capitalize()} the {what}",
                cron=cron,
                method="PATCH",
                url=url,
                body=body,
            )
            for when, cron, active, count in (("stop", STOP, "NEVER", 0), ("start", START, "ALWAYS", config.worker.min))
            for what, url, body in (
                ("database", database, {"settings": {"activationPolicy": active}}),
                ("worker", worker, {"scaling": {"manualInstanceCount": count}}),
            )
        ]
        Schedule(
            f"{name}-calls",
            ScheduleArgs(config=config, description="stops and starts", permissions=PERMISSIONS, calls=calls),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
