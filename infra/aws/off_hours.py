"""Nights and weekends: the database sleeps as well."""

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra.aws.account import Account
from infra.aws.database import Database
from infra.aws.roles import service_role
from infra.aws.statements import Statement
from infra.config import StackConfig

STOP, START = "cron(15 20 ? * MON-FRI *)", "cron(30 5 ? * MON-FRI *)"
"""UTC: a quarter of an hour after the services have gone, half an hour before they come."""


class OffHours(ComponentResource):
    """Stops and starts the database by schedule; the services go to none and back by theirs (`scaling.py`).

    A stopped database costs its storage only. RDS cannot stop one that has replicas, which is then left running; the
    cache, the NAT gateways and the load balancer cannot be stopped at all. RDS wakes a database by itself after seven
    days, and makes no backup while it sleeps. On Cloud SQL the same is its activation policy.
    """

    def __init__(
        self, name: str, *, config: StackConfig, database: Database, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudbill:aws:OffHours", name, None, opts)
        if not config.database.replicas:
            account = Account.of(self, config.region)
            role = service_role(
                f"{name}-role",
                "scheduler.amazonaws.com",
                [Statement(actions=["rds:StartDBInstance", "rds:StopDBInstance"], resources=[database.arn])],
                parent=self,
                account=account,
            )
            for what, action, schedule in (
                ("evening", "stopDBInstance", STOP),
                ("morning", "startDBInstance", START),
            ):
                aws.scheduler.Schedule(
                    f"{name}-{what}",
                    description=f"CloudBill's database, {what} ({config.stack})",
                    schedule_expression=schedule,
                    schedule_expression_timezone="UTC",
                    flexible_time_window={"mode": "OFF"},
                    target={
                        "arn": Output.concat("arn:", account.partition, f":scheduler:::aws-sdk:rds:{action}"),
                        "role_arn": role.arn,
                        "input": Output.json_dumps({"DbInstanceIdentifier": database.identifier}),
                        "retry_policy": {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 10},
                    },
                    opts=ResourceOptions(parent=self),
                )
        self.register_outputs({})
