"""What is watched of the tasks and of what callers see."""

from collections.abc import Iterator, Mapping

from pulumi import Input

from infra.aws.edge import Edge
from infra.aws.service import Service
from infra.aws.watching import BUSY_PERCENT, CRITICAL, FIVE_MINUTES, WARNING, Alarm, Metric, while_wanted
from infra.config import Role, StackConfig

SLOW_SECONDS = 1
LEAST_REQUESTS = 100
"""In five minutes: below that one failure is a large share, and is seen in the log."""


def services(config: StackConfig, made: Mapping[Role, Service], cluster: str) -> Iterator[Alarm]:
    """The tasks."""
    for role in made:
        of = {"ClusterName": cluster, "ServiceName": made[role].name}
        for title, metric in (("cpu", "CPUUtilization"), ("memory", "MemoryUtilization")):
            yield Alarm(
                title=f"{role}-{title}",
                severity=WARNING,
                says=f"The {role}'s {title} is over {BUSY_PERCENT} % for five minutes: it is at its most instances.",
                metrics={"m": Metric(namespace="AWS/ECS", name=metric, dimensions=of, statistic="Average")},
                limit=BUSY_PERCENT,
                runbook="service-busy",
            )
    worker = made[Role.WORKER].name
    gone = Alarm(
        title="worker-gone",
        severity=CRITICAL,
        says="No instance of the worker runs: nothing is renewed, no webhook is applied.",
        metrics={"m": _tasks("RunningTaskCount", cluster, worker, "Maximum")},
        comparison="LessThanThreshold",
        limit=1,
        periods=3,
        missing="breaching",
        runbook="instances-failing",
    )
    yield while_wanted(config, gone, _tasks("DesiredTaskCount", cluster, worker, "Minimum"), calm=1)


def _tasks(name: str, cluster: str, service: Input[str], statistic: str) -> Metric:
    of = {"ClusterName": cluster, "ServiceName": service}
    return Metric(namespace="ECS/ContainerInsights", name=name, dimensions=of, statistic=statistic)


def edge(config: StackConfig, made: Edge, services: Mapping[Role, Service], cluster: str) -> Iterator[Alarm]:
    """What callers see: of the load balancer, from outside, and whether instances are well."""
    wanted = {role: _tasks("DesiredTaskCount", cluster, service.name, "Minimum") for role, service in services.items()}
    for alarm in _answers(made):
        # Where no instance is left the load balancer still answers, with 503.
        yield while_wanted(config, alarm, wanted[Role.API], calm=0) if alarm.expression else alarm
    # Its metrics lie in us-east-1, where only topics of that region can be told; elsewhere the instances' alarms stand.
    for role, check in made.checks.items() if config.region == "us-east-1" else ():
        yield _outside(role, check)
    for role, targets in made.targets.items():
        failing, unhealthy = _instances(role, made.load_balancer.arn_suffix, targets.stable.arn_suffix)
        yield while_wanted(config, failing, wanted[role], calm=1)
        yield unhealthy


def _answers(made: Edge) -> Iterator[Alarm]:
    balancer = {"LoadBalancer": made.load_balancer.arn_suffix}

    def answers(name: str, statistic: str = "Sum") -> Metric:
        return Metric(namespace="AWS/ApplicationELB", name=name, dimensions=balancer, statistic=statistic)

    failed = {"t": answers("HTTPCode_Target_5XX_Count"), "e": answers("HTTPCode_ELB_5XX_Count")}
    refused = {"c": answers("HTTPCode_Target_4XX_Count")}
    every = {"r": answers("RequestCount")}
    yield Alarm(
        title="answers-5xx",
        severity=CRITICAL,
        says="More than 1 % of the answers are errors of ours.",
        metrics=failed | every,
        expression=f"IF(r >= {LEAST_REQUESTS}, 100 * (FILL(t, 0) + FILL(e, 0)) / r, 0)",
        limit=1,
        period_seconds=FIVE_MINUTES,
        periods=1,
        runbook="errors",
    )
    yield Alarm(
        title="answers-refused",
        severity=WARNING,
        says="More than 5 % of the requests fail, by our fault or by the callers'.",
        metrics=failed | refused | every,
        expression=f"IF(r >= {LEAST_REQUESTS}, 100 * (FILL(t, 0) + FILL(e, 0) + FILL(c, 0)) / r, 0)",
        limit=5,
        period_seconds=FIVE_MINUTES,
        periods=3,
        runbook="errors",
    )
    for percentile in ("p95", "p99"):
        yield Alarm(
            title=f"answers-{percentile}",
            severity=WARNING,
            says=f"The {percentile} of the time to answer is over {SLOW_SECONDS} s for five minutes.",
            metrics={"m": answers("TargetResponseTime", percentile)},
            limit=SLOW_SECONDS,
            runbook="slow",
        )


def _outside(role: Role, check: Input[str]) -> Alarm:
    return Alarm(
        title=f"{role}-outside",
        severity=CRITICAL,
        says=f"The {role} cannot be reached by its public name.",
        metrics={
            "m": Metric(
                namespace="AWS/Route53",
                name="HealthCheckStatus",
                dimensions={"HealthCheckId": check},
                statistic="Minimum",
            )
        },
        comparison="LessThanThreshold",
        limit=1,
        periods=2,
        missing="breaching",
        runbook="unreachable",
    )


def _instances(role: Role, balancer: Input[str], group: Input[str]) -> tuple[Alarm, Alarm]:
    def hosts(name: str) -> Mapping[str, Metric]:
        of = {"LoadBalancer": balancer, "TargetGroup": group}
        return {"m": Metric(namespace="AWS/ApplicationELB", name=name, dimensions=of, statistic="Maximum")}

    failing = Alarm(
        title=f"{role}-failing",
        severity=CRITICAL,
        says=f"All instances of the {role} fail, or there is none.",
        metrics=hosts("HealthyHostCount"),
        comparison="LessThanThreshold",
        limit=1,
        periods=3,
        missing="breaching",
        runbook="instances-failing",
    )
    unhealthy = Alarm(
        title=f"{role}-unhealthy",
        severity=WARNING,
        says=f"An instance of the {role} fails its health checks for five minutes.",
        metrics=hosts("UnHealthyHostCount"),
        limit=0,
        runbook="instances-failing",
    )
    return failing, unhealthy
