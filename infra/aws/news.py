"""What happens by itself, told as it happens: deployments and scaling to the log, trouble to people."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra.aws.keys import Keys
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.aws.statements import Statement, policy
from infra.config import StackConfig
from infra.contract import Severity

# source, detail types, what the detail must hold
_NEWS: tuple[tuple[str, Severity, Mapping[str, Any]], ...] = (
    (
        "deployments",
        Severity.INFO,
        {"source": ["aws.ecs"], "detail-type": ["ECS Deployment State Change", "ECS Service Action"]},
    ),
    (
        "deployment-failed",
        Severity.WARNING,
        {
            "source": ["aws.ecs"],
            "detail-type": ["ECS Deployment State Change"],
            "detail": {"eventName": ["SERVICE_DEPLOYMENT_FAILED"]},
        },
    ),
    (
        "scaling",
        Severity.INFO,
        {
            "source": ["aws.application-autoscaling"],
            "detail-type": ["Application Auto Scaling Scaling Activity State Change"],
        },
    ),
    (
        "maintenance",
        Severity.INFO,
        {
            "source": ["aws.rds"],
            "detail-type": ["RDS DB Instance Event"],
            "detail": {"EventCategories": ["maintenance", "configuration change", "backup"]},
        },
    ),
    (
        "database-trouble",
        Severity.CRITICAL,
        {
            "source": ["aws.rds"],
            "detail-type": ["RDS DB Instance Event"],
            "detail": {"EventCategories": ["failover", "failure", "low storage"]},
        },
    ),
    (
        "backup-trouble",
        Severity.WARNING,
        {
            "source": ["aws.backup"],
            "detail-type": ["Backup Job State Change", "Copy Job State Change", "Restore Job State Change"],
            "detail": {"state": ["FAILED", "ABORTED", "EXPIRED"]},
        },
    ),
    (
        "threats",
        Severity.WARNING,
        {
            "source": ["aws.guardduty"],
            "detail-type": ["GuardDuty Finding"],
            "detail": {"severity": [{"numeric": [">=", 4]}]},
        },
    ),
)


class News(ComponentResource):
    """Rules over the account's events. All of them lie in one log, which the console's list of events is read from."""

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        keys: Keys,
        topics: Mapping[Severity, Output[str]],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudbill:aws:News", name, None, opts)
        # The service writes only to groups below this path.
        log = log_group(f"{name}-log", f"/aws/events/{named(config)}", config=config, key=keys.logs, parent=self)
        rights = aws.cloudwatch.LogResourcePolicy(
            f"{name}-log-policy",
            policy_name=named(config, "events"),
            policy_document=policy(
                Statement(
                    services=["events.amazonaws.com", "delivery.logs.amazonaws.com"],
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[Output.concat(log.arn, ":*")],
                )
            ),
            opts=ResourceOptions(parent=log),
        )
        for title, severity, pattern in _NEWS:
            rule = aws.cloudwatch.EventRule(
                f"{name}-{title}",
                description=f"CloudBill ({config.stack}): {title}",
                event_pattern=Output.json_dumps(pattern),
                opts=ResourceOptions(parent=self),
            )
            targets: Sequence[tuple[str, Output[str]]] = (("log", log.arn), ("topic", topics[severity]))
            for what, target in targets:
                aws.cloudwatch.EventTarget(
                    f"{name}-{title}-{what}",
                    rule=rule.name,
                    arn=target,
                    opts=ResourceOptions(parent=rule, depends_on=[rights]),
                )
        self.register_outputs({})
