"""What is watched of the database and the cache."""

from collections.abc import Iterator, Mapping

from infra.aws.cache import Cache
from infra.aws.database import Database
from infra.aws.names import named
from infra.aws.watching import BUSY_PERCENT, CRITICAL, WARNING, Alarm, Metric, application
from infra.config import Role, StackConfig

CONNECTIONS_MOST = 150
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
