"""Logs, metrics, alarms, who is told."""

from infra.parity.capability import (
    ABOVE_DEVELOPMENT,
    PRODUCTION,
    Capability,
    Detector,
    either,
    every,
    has,
    of_type,
    says,
)
from infra.policies import kinds

RULE = "aws:cloudwatch/eventRule:EventRule"
QUERY = "conditions[].conditionPrometheusQueryLanguage.query"
MATCHED = "conditions[].conditionMatchedLog.filter"
THRESHOLD = "conditions[].conditionThreshold.filter"


def _metric(name: str) -> Detector:
    return either(has(kinds.ALARM, "metricName", name), has(kinds.ALARM, "metricQueries[].metric.metricName", name))


def _asks(text: str) -> Detector:
    return either(has(kinds.ALERT, QUERY, says(text)), has(kinds.ALERT, THRESHOLD, says(text)))


ALARMS: tuple[tuple[str, Detector, Detector], ...] = (
    ("database down", _metric("cloudbill_database_up"), _asks("cloudsql_googleapis_com:database_up")),
    ("all instances failing", _metric("HealthyHostCount"), _asks("check_passed")),
    ("storage over 90 %", _metric("FreeStorageSpace"), _asks("database_disk_utilization")),
    ("5xx over 1 %", _metric("HTTPCode_Target_5XX_Count"), _asks('response_code_class="500"')),
    ("error rate over 5 %", _metric("HTTPCode_ELB_5XX_Count"), _asks('status=~"5.."')),
    ("CPU over 80 %", _metric("CPUUtilization"), _asks("container_cpu_utilizations")),
    ("memory over 80 %", _metric("MemoryUtilization"), _asks("container_memory_utilizations")),
    ("p95 over 1 s", has(kinds.ALARM, "extendedStatistic", "p95"), _asks("histogram_quantile(0.95")),
    ("p99 over 1 s", has(kinds.ALARM, "extendedStatistic", "p99"), _asks("histogram_quantile(0.99")),
    ("database connections over 150", _metric("DatabaseConnections"), _asks("postgresql_num_backends")),
    ("cache CPU", _metric("EngineCPUUtilization"), _asks("cpu_utilization_main_thread")),
    ("cache memory", _metric("DatabaseMemoryUsagePercentage"), _asks("memory_usage_ratio")),
    ("backup failures", _metric("NumberOfBackupJobsFailed"), _asks("backup_failures")),
    ("failed sign-ins", _metric("cloudbill_sign_in_failures_total"), _asks("cloudbill_sign_in_failures_total")),
    ("webhook failures", _metric("cloudbill_webhook_events_total"), _asks("cloudbill_webhook_events")),
    ("pool exhaustion", _metric("cloudbill_database_pool_connections"), _asks("cloudbill_database_pool_connections")),
    ("jobs parked", _metric("cloudbill_jobs_parked"), _asks("cloudbill_jobs_parked")),
    ("deployments", has(RULE, "eventPattern", says("ECS Deployment")), has(kinds.ALERT, MATCHED, says("Update"))),
    ("maintenance", has(RULE, "eventPattern", says("maintenance")), has(kinds.ALERT, MATCHED, says("system_event"))),
)

CAPABILITIES = (
    Capability(
        "signals",
        "logs under a key of their own",
        aws=every(kinds.LOGS, "kmsKeyId"),
        gcp=has(kinds.LOG_BUCKET, "cmekSettings.kmsKeyName"),
    ),
    Capability(
        "signals",
        "days that logs are kept",
        aws=has(kinds.LOGS, "retentionInDays", amount=True),
        gcp=has(kinds.LOG_BUCKET, "retentionDays", amount=True),
    ),
    Capability(
        "signals",
        "a collector beside each service",
        aws=has(kinds.TASK, "containerDefinitions[].name", "collector"),
        gcp=has(kinds.RUN, "template.containers[].name", "collector"),
    ),
    Capability(
        "signals",
        "dashboard",
        aws=of_type("aws:cloudwatch/dashboard:Dashboard"),
        gcp=of_type("gcp:monitoring/dashboard:Dashboard"),
    ),
    Capability(
        "signals",
        "critical, warning and info apart",
        aws=of_type(kinds.TOPIC, least=3),
        gcp=has(kinds.ALERT, "userLabels.class"),
    ),
    Capability(
        "signals",
        "people are told by e-mail",
        aws=has("aws:sns/topicSubscription:TopicSubscription", "protocol", says("email")),
        gcp=has("gcp:monitoring/notificationChannel:NotificationChannel", "type", "email"),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "signals",
        "budget",
        aws=has("aws:budgets/budget:Budget", "limitAmount"),
        gcp=has("gcp:billing/budget:Budget", "amount.specifiedAmount.units"),
        environments=PRODUCTION,
    ),
    *(Capability("alarms", name, aws=aws, gcp=gcp) for name, aws, gcp in ALARMS),
)
