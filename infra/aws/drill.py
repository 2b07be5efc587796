"""The quarterly drill: a one-off task on a schedule."""

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra.aws.account import Account
from infra.aws.job import Job
from infra.aws.network import Network
from infra.aws.roles import service_role
from infra.aws.statements import Statement
from infra.config import StackConfig

QUARTERLY = "cron(0 5 8 1,4,7,10 ? *)"
"""UTC; each quarter's eighth, apart from AWS Backup's own tests on the first."""
COMMAND = ("drill", "run")


class Drill(ComponentResource):
    """Each quarter's eighth, at 05:00 UTC: `cloudbill drill run` in the job's task, which restores the newest instant
    into a database named `drill-…`, verifies the money in it, keeps the evidence and deletes it.

    AWS Backup's restore tests show that a recovery point can be restored; what is in it, only this looks at.
    """

    def __init__(
        self, name: str, *, config: StackConfig, job: Job, network: Network, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudbill:aws:Drill", name, None, opts)
        account = Account.of(self, config.region)
        role = service_role(
            f"{name}-role",
            "scheduler.amazonaws.com",
            [
                Statement(
                    actions=["ecs:RunTask"],
                    resources=[job.definition],
                    conditions={"ArnEquals": {"ecs:cluster": network.cluster.arn}},
                ),
                Statement(
                    actions=["iam:PassRole"],
                    resources=list(job.roles),
                    conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
                ),
            ],
            parent=self,
            account=account,
        )
        aws.scheduler.Schedule(
            f"{name}-quarterly",
            description=f"CloudBill restores a backup and verifies it ({config.stack})",
            schedule_expression=QUARTERLY,
            schedule_expression_timezone="UTC",
            flexible_time_window={"mode": "OFF"},
            target={
                "arn": network.cluster.arn,
                "role_arn": role.arn,
                "ecs_parameters": {
                    "task_definition_arn": job.definition,
                    "launch_type": "FARGATE",
                    "platform_version": "1.4.0",
                    "network_configuration": {
                        "assign_public_ip": False,
                        "security_groups": [job.group],
                        "subnets": job.subnets,
                    },
                },
                "input": Output.json_dumps({"containerOverrides": [{"name": "job", "command": list(COMMAND)}]}),
                "retry_policy": {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 3},
            },
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({})
