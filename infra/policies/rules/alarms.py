"""Who is told when something is wrong, and that everything that can go wrong is watched."""

import re

from infra.graph import Resource
from infra.policies.demand import PRESENT, between, number, one_of
from infra.policies.kinds import ALARM, ALERT
from infra.policies.reading import Stack, rows, texts, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule

COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm"


EVENT_RULE = "aws:cloudwatch/eventRule:EventRule"


WATCHED = (
    ("5xx over 1 %", r"HTTPCode_Target_5XX_Count.*RequestCount|https_request_count.*> 0\.01", 2, 1),
    ("errors over 5 %", r"HTTPCode_Target_4XX_Count.*RequestCount|cloudbill_http_requests_total.*> 0\.05", 1, 1),
    (
        "a p95 over 1 s",
        r"TargetResponseTime.*\bp95\b|\bp95\b.*TargetResponseTime|quantile\(0\.95.*request_seconds",
        1,
        1,
    ),
    (
        "a p99 over 1 s",
        r"TargetResponseTime.*\bp99\b|\bp99\b.*TargetResponseTime|quantile\(0\.99.*request_seconds",
        1,
        1,
    ),
    ("the database out of reach", r"cloudbill_database_up", 1, 1),
    ("the database itself", r"RDS DB Instance Event.*failure|cloudsql_googleapis_com:database_up", 1, 1),
    ("the database's CPU", r"AWS/RDS.*CPUUtilization|CPUUtilization.*AWS/RDS|database_cpu_utilization", 1, 1),
    ("the database's memory", r"FreeableMemory|database_memory_utilization", 1, 1),
    ("the database's disk", r"FreeStorageSpace|database_disk_utilization", 1, 1),
    ("the database's connections", r"DatabaseConnections|num_backends", 1, 1),
    ("a slot that keeps the log", r"OldestReplicationSlotLag", 1, 0),
    ("pools that run out", r"pool_connections", 2, 1),
    ("the cache out of reach", r"cloudbill_cache_up", 1, 1),
    ("the cache's CPU", r"EngineCPUUtilization|(redis|memorystore)_googleapis_com:\w*cpu", 2, 1),
    ("the cache's memory", r"DatabaseMemoryUsage|(redis|memorystore)_googleapis_com:\w*memory", 2, 1),
    ("services' CPU", r"AWS/ECS.*CPUUtilization|CPUUtilization.*AWS/ECS|container_cpu_utilizations", 3, 1),
    ("services' memory", r"AWS/ECS.*MemoryUtilization|MemoryUtilization.*AWS/ECS|container_memory_utilizations", 3, 1),
    ("instances that fail", r"\bUnHealthyHostCount|check_passed", 2, 4),
    ("no instance at all", r"\bHealthyHostCount|check_passed", 2, 4),
    ("answers to the outside", r"HealthCheckStatus|check_passed", 2, 4),
    ("no worker", r"RunningTaskCount|container_\w+_utilizations", 1, 1),
    ("tasks that fail", r"SERVICE_DEPLOYMENT_FAILED|job_completed_execution_count", 1, 1),
    ("backups that fail", r"NumberOfBackupJobsFailed|backup_failures", 1, 1),
    ("copies and restores that fail", r"NumberOf(Copy|Restore)JobsFailed|schedule_failures", 2, 1),
    ("deployments", r"ECS Deployment State Change|\(Service\|WorkerPool\|Job\)", 1, 1),
    ("maintenance", r"RDS DB Instance Event.*maintenance|system_event", 1, 1),
    ("scaling", r"Scaling Activity State Change|container_instance_count", 1, 1),
    ("sign-ins that fail", r"sign_in_failures", 1, 1),
    ("payment events that fail", r"webhook_events", 1, 1),
    ("payments made twice", r"double_payments", 1, 1),
    ("jobs that failed for good", r"jobs_parked", 1, 1),
    ("invoices that drift", r"invoices_drifted", 1, 1),
    ("a recomputation that did not run", r"recompute_overdue", 1, 1),
    ("a provider that says otherwise than the books", r"payments_differing", 1, 1),
    ("usage that is not reconciled", r"reconciliation_errors", 1, 1),
    ("the console's calls to the API", r"console_api_calls", 1, 1),
    ("a way out without ports", r"ErrorPortAllocation|nat_dropped", 0, 1),
    ("certificates that end", r"DaysToExpiry|ssl_cert_expires", 0, 1),
)
"""What OPS-3 and the payment business name, how an alarm on it is known on either cloud, and how many each needs:
AWS renews and watches certificates itself and counts NAT ports in its own dashboard.
"""


MOST = {
    r"^(CPUUtilization|MemoryUtilization|EngineCPUUtilization|DatabaseMemoryUsagePercentage)$": 80,
    r"^DatabaseConnections$": 150,
    r"^TargetResponseTime$": 1,
    r"^(UnHealthyHostCount|NumberOf\w+JobsFailed)$": 0,
    r"^cloudbill_(sign_in_failures_total)$": 50,
    r"^cloudbill_(webhook_events_total|jobs_parked|double_payments_total|http_requests_total)$": 0,
    r"^cloudbill_(reconciliation_errors_total|invoices_drifted|recompute_overdue|payments_differing)$": 0,
    r"console_api_calls": 5,
    r"^HTTPCode_Target_5XX_Count$": 10,
    r"RequestCount": 5,
    r"pool_connections": 90,
    r"^OldestReplicationSlotLag$": 100 * 1024**3,
}
"""Metrics of an alarm -> the most that may pass in silence."""


LEAST = {
    r"^(HealthyHostCount|HealthCheckStatus|RunningTaskCount|cloudbill_database_up|cloudbill_cache_up)$": 1,
    r"^FreeableMemory$": 256 * 1024**2,
    r"^FreeStorageSpace$": 2 * 1024**3,
}
"""The same, where less is worse."""


def _written(resource: Resource) -> str:
    return " ".join([resource.name, *texts(resource.inputs)])


def _all_watched(stack: Stack) -> Found:
    written = [_written(found) for found in stack.of(ALARM, ALERT, EVENT_RULE)]
    for what, pattern, on_aws, on_gcp in WATCHED:
        least = on_aws if stack.graph.cloud == "aws" else on_gcp
        if stack.environment != "production":  # one of each stands there, and at night none
            least = 0 if what in ("no worker", "answers to the outside") else min(least, 1)
        found = sum(bool(re.search(pattern, text, re.S)) for text in written)
        if found < least:
            yield Finding(stack.graph.stack, f"watch {what}: {found} alarms or events do, {least} are needed")


def _silence_is_judged(stack: Stack) -> Found:
    for alarm in stack.of(ALARM):
        if alarm.inputs.get("treatMissingData") not in ("breaching", "notBreaching", "ignore"):
            yield Finding(alarm.name, "say in treatMissingData what silence means")
        if not between(1, 15).holds(alarm.inputs.get("evaluationPeriods"), stack):
            yield Finding(alarm.name, "set evaluationPeriods from 1 to 15")
        need, of = number(alarm.inputs.get("datapointsToAlarm")), number(alarm.inputs.get("evaluationPeriods"))
        if need is not None and of is not None and need > of:
            yield Finding(alarm.name, "set datapointsToAlarm to evaluationPeriods at most, or it never alarms")
        if alarm.inputs.get("threshold") is None and not alarm.inputs.get("thresholdMetricId"):
            yield Finding(alarm.name, "set threshold")


def _runbooks(stack: Stack) -> Found:
    for alarm in stack.of(ALARM, COMPOSITE):
        if not str(alarm.inputs.get("alarmDescription") or ""):
            yield Finding(alarm.name, "say in alarmDescription what is wrong, and the runbook")
    for alert in stack.of(ALERT):
        if not value(alert.inputs, "documentation.content"):
            yield Finding(alert.name, "say in documentation.content what is wrong, and the runbook")


def _limits(stack: Stack) -> Found:
    for alarm in stack.of(ALARM):
        metrics = [alarm.inputs.get("metricName")]
        metrics += [value(query, "metric.metricName") for query in rows(alarm.inputs.get("metricQueries"))]
        named = " ".join(str(metric) for metric in metrics if metric)
        found, below = number(alarm.inputs.get("threshold")), "Less" in str(alarm.inputs.get("comparisonOperator"))
        if found is None:
            continue
        allowed = [limit for pattern, limit in (LEAST if below else MOST).items() if re.search(pattern, named)]
        if allowed and not below and found > min(allowed):
            yield Finding(alarm.name, f"set threshold to {min(allowed)} or less")
        if allowed and below and found < max(allowed):
            yield Finding(alarm.name, f"set threshold to {max(allowed)} or more")
    for alert in stack.of(ALERT):
        for condition in rows(alert.inputs.get("conditions")):
            most = number(value(condition, "conditionThreshold.thresholdValue"))
            if most is not None and "check_passed" in str(value(condition, "conditionThreshold.filter")) and most > 3:
                yield Finding(alert.name, "set thresholdValue to 3 places or fewer")
            asked = value(condition, "conditionPrometheusQueryLanguage")
            if asked and value(asked, "disableMetricValidation") is not True:
                yield Finding(
                    alert.name, "set disableMetricValidation: on an empty project its metric is not there yet"
                )


RULES = (
    rule(
        "alarms.all-watched",
        "Everything that OPS-3 names is watched.",
        judged(_all_watched, ALARM, ALERT, asks_for=True),
        source="OPS-3; CIS AWS 4; https://cloud.google.com/monitoring/alerts",
    ),
    rule(
        "alarms.silence-judged",
        "Each alarm says what silence means, and can fire.",
        judged(_silence_is_judged, ALARM),
        each(ALERT, "combiner", one_of("OR")),
        each(ALERT, "conditions[].displayName", PRESENT),
        source="OPS-3",
        severity=Severity.MEDIUM,
    ),
    rule(
        "alarms.runbooks",
        "Each alarm says what is wrong, and what to do.",
        judged(_runbooks, ALARM, COMPOSITE, ALERT),
        source="OPS-3; OPS-7",
        severity=Severity.MEDIUM,
    ),
    rule(
        "alarms.as-agreed",
        "Alarms fire where it was agreed: CPU and memory over 80 %, one second, 150 connections.",
        judged(_limits, ALARM, ALERT),
        source="OPS-3",
        severity=Severity.MEDIUM,
    ),
)
