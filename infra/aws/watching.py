"""What an alarm is: one metric, or a sum over several, held against a limit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pulumi_aws as aws
from pulumi import Input, Output, Resource, ResourceOptions

from infra.aws.names import named
from infra.config import StackConfig
from infra.contract import Severity

APPLICATION = "CloudBill"
"""The namespace that the collector writes to."""
CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING
FIVE_MINUTES = 300
BUSY_PERCENT = 80
MORNING_SECONDS = 600
Missing = Literal["breaching", "notBreaching", "ignore"]
Comparison = Literal["GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric. `statistic` is Sum, Average, Minimum, Maximum or a percentile such as p95."""

    namespace: str
    name: str
    dimensions: Mapping[str, Input[str]]
    statistic: str


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """`title` names it and its runbook; `metrics` by the letters that `expression` uses, or just one.

    `missing` says what silence means. It lasts `periods` times `period_seconds` before anybody is told.
    """

    title: str
    severity: Severity
    says: str
    metrics: Mapping[str, Metric]
    limit: float
    runbook: str
    expression: str | None = None
    comparison: Comparison = "GreaterThanThreshold"
    period_seconds: int = 60
    periods: int = 5
    missing: Missing = "notBreaching"


def while_wanted(config: StackConfig, alarm: Alarm, wanted: Metric, *, calm: int) -> Alarm:
    """In a stack that sleeps at night, asked only while the service is told to run; `calm` is what is well.

    Once instances are wanted again, silence of a metric that was told to alarm does alarm. Ten minutes at least: that
    long a morning may take. To switch the actions off by schedule instead would be wrong: an alarm that stood through
    the night tells nobody when they are on again, since its state does not change.
    """
    if not config.switches.off_hours:
        return alarm
    [*letters] = alarm.metrics
    asked = alarm.expression or (f"FILL({letters[0]}, 0)" if alarm.missing == "breaching" else letters[0])
    return replace(
        alarm,
        metrics={**alarm.metrics, "wanted": wanted},
        expression=f"IF(FILL(wanted, 0) > 0, {asked}, {calm})",
        periods=max(alarm.periods, MORNING_SECONDS // alarm.period_seconds),
        missing="notBreaching",
    )


def application(config: StackConfig, metric: str, service: str, statistic: str, **labels: str) -> Metric:
    """One that our own code counts; the collector gives it the stack and the service that it was read from."""
    return Metric(
        namespace=APPLICATION,
        name=metric,
        dimensions={"stack": config.stack, "service": service, **labels},
        statistic=statistic,
    )


def make(
    name: str, alarm: Alarm, *, config: StackConfig, topics: Mapping[Severity, Output[str]], parent: Resource
) -> None:
    """The alarm in CloudWatch; its class's topic hears of it, and of its end."""
    topic = topics[alarm.severity]
    single = next(iter(alarm.metrics.values())) if alarm.expression is None else None
    is_percentile = single is not None and single.statistic.startswith("p")
    aws.cloudwatch.MetricAlarm(
        f"{name}-{alarm.title}",
        name=named(config, alarm.title),
        alarm_description=f"[{alarm.severity}] {alarm.says} Runbook: docs/runbooks/{alarm.runbook}.md",
        namespace=single.namespace if single else None,
        metric_name=single.name if single else None,
        dimensions=single.dimensions if single else None,
        statistic=single.statistic if single and not is_percentile else None,
        extended_statistic=single.statistic if single and is_percentile else None,
        period=alarm.period_seconds if single else None,
        metric_queries=None if single else _queries(alarm),
        comparison_operator=alarm.comparison,
        threshold=alarm.limit,
        evaluation_periods=alarm.periods,
        datapoints_to_alarm=alarm.periods,
        treat_missing_data=alarm.missing,
        alarm_actions=[topic],
        ok_actions=[topic],
        tags={"severity": alarm.severity.value},
        opts=ResourceOptions(parent=parent),
    )


def _queries(alarm: Alarm) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgsDict]:
    assert alarm.expression is not None, "only a sum over several has queries"
    queries: list[aws.cloudwatch.MetricAlarmMetricQueryArgsDict] = [
        {
            "id": letter,
            "return_data": False,
            "metric": {
                "namespace": metric.namespace,
                "metric_name": metric.name,
                "dimensions": metric.dimensions,
                "stat": metric.statistic,
                "period": alarm.period_seconds,
            },
        }
        for letter, metric in alarm.metrics.items()
    ]
    result: aws.cloudwatch.MetricAlarmMetricQueryArgsDict = {
        "id": "result",
        "expression": alarm.expression,
        "label": alarm.title,
        "return_data": True,
    }
    return [*queries, result]
