"""What is watched: the alarms of requirement OPS-3 and those that the payment business adds."""

from collections.abc import Iterator, Mapping

from pulumi import Input

from infra.aws.cache import Cache
from infra.aws.database import Database
from infra.aws.edge import Edge
from infra.aws.names import named
from infra.aws.service import Service
from infra.aws.watching import Alarm, Metric, application
from infra.config import Role, StackConfig
from infra.contract import Severity

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING
FIVE_MINUTES = 300
BUSY_PERCENT = 80
CONNECTIONS_MOST = 150
SLOW_SECONDS = 1
SIGN_IN_FAILURES_MOST = 50
"""In five minutes, of the whole installation."""
LEAST_REQUESTS = 100
"""In five minutes: below that one failure is a large share, and is seen in the log."""
LEAST_FREE_MEMORY_BYTES = 512 * 1024**2
_GB = 1024**3


def database(config: StackConfig, made: Database) -> Iterator[Alarm]:
    """PostgreSQL."""

    def rds(name: str, statistic: str = "Average") -> Mapping[str, Metric]:
        of = {"DBInstanceIdentifier": made.identifier}
        return {"m": Metric(namespace="AWS/RDS", name=name, dimensions=of, statistic=statistic)}

    yield Alarm(
        title="database-down",
        severity=CRITICAL,
        says="No instance of the API reaches the database.",
        # Silence is the instances' own alarm.
        metrics={"m": application(config, "cloudbill_database_up", Role.API, "Maximum")},
        comparison="LessThanThreshold",
        limit=1,
        periods=3,
        runbook="database-down",
    )
    yield Alarm(
        title="database-storage",
        severity=CRITICAL,
        says="Over 90 % of the database's storage is used, and it has not grown by itself.",
        metrics=rds("FreeStorageSpace", "Minimum"),
        comparison="LessThanThreshold",
        limit=config.database.storage * _GB // 10,
        runbook="database-storage",
    )
    yield Alarm(
        title="database-cpu",
        severity=WARNING,
        says=f"The database's CPU is over {BUSY_PERCENT} % for five minutes.",
        metrics=rds("CPUUtilization"),
        limit=BUSY_PERCENT,
        runbook="database-slow",
    )
    yield Alarm(
        title="database-memory",
        severity=WARNING,
        says="Less than 512 MiB of the database's memory is free.",
        metrics=rds("FreeableMemory"),
        comparison="LessThanThreshold",
        limit=LEAST_FREE_MEMORY_BYTES,
        runbook="database-slow",
    )
    yield Alarm(
        title="database-connections",
        severity=WARNING,
        says=f"More than {CONNECTIONS_MOST} connections to the database.",
        metrics=rds("DatabaseConnections", "Maximum"),
        limit=CONNECTIONS_MOST,
        runbook="database-connections",
    )
    yield Alarm(
        title="database-slot",
        severity=WARNING,
        says="A replication slot keeps more than a tenth of the storage in log: its reader is gone or slow.",
        metrics=rds("OldestReplicationSlotLag", "Maximum"),
        limit=config.database.storage * _GB // 10,
        runbook="replication-slot",
    )
    for role in ("app", "operator"):
        pool = {
            letter: application(
                config, "cloudbill_database_pool_connections", Role.API, "Maximum", role=role, state=state
            )
            for letter, state in (("used", "used"), ("most", "most"))
        }
        yield Alarm(
            title=f"pool-{role}",
            severity=WARNING,
            says=f"A pool of connections ({role}) is nine tenths in use: requests are about to wait.",
            metrics=pool,
            expression="100 * used / most",
            comparison="GreaterThanOrEqualToThreshold",
            limit=90,
            runbook="pool-exhausted",
        )


def cache(config: StackConfig, made: Cache) -> Iterator[Alarm]:
    """Redis or Valkey, each node."""
    for number in range(1, made.nodes + 1):
        node = {"CacheClusterId": f"{named(config)}-{number:03}"}
        for title, metric in (("cpu", "EngineCPUUtilization"), ("memory", "DatabaseMemoryUsagePercentage")):
            yield Alarm(
                title=f"cache-{title}-{number}",
                severity=WARNING,
                says=f"The cache's {title} is over {BUSY_PERCENT} % for five minutes.",
                metrics={"m": Metric(namespace="AWS/ElastiCache", name=metric, dimensions=node, statistic="Average")},
                limit=BUSY_PERCENT,
                runbook="cache",
            )
    yield Alarm(
        title="cache-down",
        severity=WARNING,
        says="No instance of the API reaches the cache: limits are each instance's own, nobody can sign in anew.",
        metrics={"m": application(config, "cloudbill_cache_up", Role.API, "Maximum")},
        comparison="LessThanThreshold",
        limit=1,
        periods=3,
        runbook="cache",
    )


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
    if not config.switches.off_hours:  # at night there is none, and it is meant
        running = Metric(
            namespace="ECS/ContainerInsights",
            name="RunningTaskCount",
            dimensions={"ClusterName": cluster, "ServiceName": made[Role.WORKER].name},
            statistic="Maximum",
        )
        yield Alarm(
            title="worker-gone",
            severity=CRITICAL,
            says="No instance of the worker runs: nothing is renewed, no webhook is applied.",
            metrics={"m": running},
            comparison="LessThanThreshold",
            limit=1,
            periods=3,
            missing="breaching",
            runbook="instances-failing",
        )


def edge(config: StackConfig, made: Edge) -> Iterator[Alarm]:
    """What callers see."""
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
    for role, targets in made.targets.items():
        of: Mapping[str, Input[str]] = balancer | {"TargetGroup": targets.stable.arn_suffix}

        def hosts(name: str, statistic: str, of: Mapping[str, Input[str]] = of) -> Mapping[str, Metric]:
            return {"m": Metric(namespace="AWS/ApplicationELB", name=name, dimensions=of, statistic=statistic)}

        yield Alarm(
            title=f"{role}-failing",
            severity=CRITICAL,
            says=f"All instances of the {role} fail, or there is none.",
            metrics=hosts("HealthyHostCount", "Maximum"),
            comparison="LessThanThreshold",
            limit=1,
            periods=3,
            # A stack that sleeps has none registered, which is silence; by day failing ones are counted, as 0.
            missing="notBreaching" if config.switches.off_hours else "breaching",
            runbook="instances-failing",
        )
        yield Alarm(
            title=f"{role}-unhealthy",
            severity=WARNING,
            says=f"An instance of the {role} fails its health checks for five minutes.",
            metrics=hosts("UnHealthyHostCount", "Maximum"),
            limit=0,
            runbook="instances-failing",
        )


def business(config: StackConfig) -> Iterator[Alarm]:
    """What our own code counts."""
    for title, metric, service, statistic, labels, limit, says, runbook in (
        ("sign-ins", "cloudbill_sign_in_failures_total", Role.API, "Sum", {}, SIGN_IN_FAILURES_MOST,
         f"More than {SIGN_IN_FAILURES_MOST} sign-ins failed in five minutes: somebody may be guessing.", "sign-ins"),
        ("webhooks", "cloudbill_webhook_events_total", Role.WORKER, "Sum", {"state": "parked"}, 0,
         "An event of the payment provider could not be applied and is parked.", "webhooks"),
        ("jobs-parked", "cloudbill_jobs_parked", Role.API, "Maximum", {}, 0,
         "A job failed for good and waits for a replay.", "jobs-parked"),
        ("double-payments", "cloudbill_double_payments_total", Role.WORKER, "Sum", {}, 0,
         "A purchase was paid twice; the second payment was refunded.", "double-payments"),
    ):  # fmt: skip
        yield Alarm(
            title=title,
            severity=WARNING,
            says=says,
            metrics={"m": application(config, metric, service, statistic, **labels)},
            limit=limit,
            period_seconds=FIVE_MINUTES,
            periods=1,
            runbook=runbook,
        )
    yield Alarm(
        title="reconciliation",
        severity=CRITICAL,
        says="Usage could not be reconciled by our fault: credits may be spent unseen until callers try again.",
        # The collector sends this one for answers of 5xx only.
        metrics={
            "m": application(config, "cloudbill_http_requests_total", Role.API, "Sum", route="/api/usage/reconcile")
        },
        limit=0,
        period_seconds=FIVE_MINUTES,
        periods=1,
        runbook="reconciliation",
    )


def backups() -> Iterator[Alarm]:
    """AWS Backup's jobs; the events tell which one."""
    for title in ("BackupJobsFailed", "CopyJobsFailed", "RestoreJobsFailed"):
        yield Alarm(
            title=f"{title.removesuffix('JobsFailed').lower()}-failed",
            severity=WARNING,
            says="A backup, a copy or a restore test failed.",
            metrics={"m": Metric(namespace="AWS/Backup", name=f"NumberOf{title}", dimensions={}, statistic="Sum")},
            limit=0,
            period_seconds=3600,
            periods=1,
            runbook="backup-failed",
        )
