"""The alarm that turns a deployment back."""

import pulumi_aws as aws
from pulumi import Output, Resource, ResourceOptions

from infra.aws.names import named
from infra.config import StackConfig

FAILED_ANSWERS = 10
"""In a minute, two minutes running."""


def rollback_alarm(
    name: str,
    config: StackConfig,
    load_balancer: aws.lb.LoadBalancer,
    targets: aws.lb.TargetGroup,
    *,
    parent: Resource,
) -> Output[str]:
    """Its name: the service's own answers of 5xx. It tells nobody; while a deployment runs, ECS reads it."""
    return aws.cloudwatch.MetricAlarm(
        name,
        name=named(config, name.removeprefix("cloudbill-")),
        alarm_description="A new release fails: ECS goes back to the former one. docs/runbooks/rollback.md",
        namespace="AWS/ApplicationELB",
        metric_name="HTTPCode_Target_5XX_Count",
        dimensions={"LoadBalancer": load_balancer.arn_suffix, "TargetGroup": targets.arn_suffix},
        statistic="Sum",
        period=60,
        evaluation_periods=2,
        datapoints_to_alarm=2,
        comparison_operator="GreaterThanThreshold",
        threshold=FAILED_ANSWERS,
        # No answers at all are no errors: whether there are instances is another alarm's.
        treat_missing_data="notBreaching",
        opts=ResourceOptions(parent=parent),
    ).name
