"""What is alarming about the database and the cache."""

from infra.config import StackConfig
from infra.contract import Severity
from infra.gcp.alarm import BACKUP_FAILURES, MINUTE, Alarm, Watched


def database_alarms(config: StackConfig, watched: Watched) -> list[Alarm]:
    """Of Cloud SQL."""
    where = f'{{monitored_resource="cloudsql_database",database_id="{watched.database}"}}'

    def of(metric: str) -> str:
        return f"max(cloudsql_googleapis_com:database_{metric}{where})"

    most = config.database.storage_max * 1024**3
    found = [
        Alarm(
            name="database-down",
            severity=Severity.CRITICAL,
            title="The database is down",
            query=f"{of('up')} < 1",
            seconds=MINUTE,
            awake=True,
        ),
        Alarm(
            name="storage-full",
            severity=Severity.CRITICAL,
            title="The database's disk is over 90 % full, or has grown to 90 % of what it may",
            query=f"{of('disk_utilization')} > 0.9 or {of('disk_bytes_used')} > {most * 9 // 10}",
        ),
        Alarm(
            name="database-cpu",
            severity=Severity.WARNING,
            title="The database's CPU is over 80 % busy",
            query=f"{of('cpu_utilization')} > 0.8",
        ),
        Alarm(
            name="database-memory",
            severity=Severity.WARNING,
            title="The database's memory is over 80 % used",
            query=f"{of('memory_utilization')} > 0.8",
        ),
        Alarm(
            name="database-connections",
            severity=Severity.WARNING,
            title="Over 150 of the database's 200 connections are in use",
            query=f"sum(cloudsql_googleapis_com:database_postgresql_num_backends{where}) > 150",
        ),
        Alarm(
            name="backup-failures",
            severity=Severity.WARNING,
            title="A backup of the database failed",
            query=f"sum(increase(logging_googleapis_com:user_{BACKUP_FAILURES}[10m])) > 0",
            seconds=0,
        ),
    ]
    if config.database.replicas:
        found.append(
            Alarm(
                name="replica-lag",
                severity=Severity.WARNING,
                title="A read replica is over a minute behind",
                query="max(cloudsql_googleapis_com:database_replication_replica_lag) > 60",
            )
        )
    return found


def cache_alarms(config: StackConfig, watched: Watched) -> list[Alarm]:
    """Of Memorystore, whichever it is."""
    if config.cache.engine == "redis":
        where = f'{{monitored_resource="redis_instance",instance_id="{watched.cache}"}}'
        # Seconds of the one thread that serves, in user and in system space.
        cpu = f"max(sum by (node_id) (rate(redis_googleapis_com:stats_cpu_utilization_main_thread{where}[5m])))"
        memory = f"max(redis_googleapis_com:stats_memory_usage_ratio{where})"
    else:
        where = f'{{monitored_resource="memorystore.googleapis.com/Instance",instance_id="{watched.cache}"}}'
        cpu = f"max(memorystore_googleapis_com:instance_cpu_maximum_utilization{where})"
        memory = f"max(memorystore_googleapis_com:instance_memory_maximum_utilization{where})"
    return [
        Alarm(
            name="cache-cpu",
            severity=Severity.WARNING,
            title="The cache's CPU is over 80 % busy",
            query=f"{cpu} > 0.8",
        ),
        Alarm(
            name="cache-memory",
            severity=Severity.WARNING,
            title="The cache's memory is over 80 % used",
            query=f"{memory} > 0.8",
        ),
    ]
