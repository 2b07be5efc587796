"""Who is told when something is wrong, and that everything that can go wrong is watched."""

import re

from infra.graph import Resource
from infra.policies.demand import NOT_TRUE, PRESENT, TRUE, at_least, between, matching, number, one_of
from infra.policies.kinds import ALARM, ALERT, LOGS, TOPIC
from infra.policies.reading import Stack, items, opened, rows, texts, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule, some

COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
EVENT_RULE = "aws:cloudwatch/eventRule:EventRule"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
GCP_DASHBOARD = "gcp:monitoring/dashboard:Dashboard"
CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel"
UPTIME = "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig"
BUDGET = "aws:budgets/budget:Budget"
GCP_BUDGET = "gcp:billing/budget:Budget"
PUSHED = "gcp:pubsub/subscription:Subscription"
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
    ("usage that is not reconciled", r"/api/usage/reconcile", 1, 1),
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
    r"^HTTPCode_Target_5XX_Count$": 10,
    r"RequestCount": 5,
    r"pool_connections": 90,
    r"^OldestReplicationSlotLag$": 100 * 1024**3,
}
"""Metrics of an alarm -> the most that may pass in silence."""
LEAST = {
    r"^(HealthyHostCount|RunningTaskCount|cloudbill_database_up|cloudbill_cache_up)$": 1,
    r"^FreeableMemory$": 256 * 1024**2,
    r"^FreeStorageSpace$": 2 * 1024**3,
}
"""The same, where less is worse."""
CLASSES = {"critical": "CRITICAL", "warning": "WARNING", "info": None}
"""Class -> how Google names it; it has no name for news."""


def _written(resource: Resource) -> str:
    return " ".join([resource.name, *texts(resource.inputs)])


def _all_watched(stack: Stack) -> Found:
    written = [_written(found) for found in stack.of(ALARM, ALERT, EVENT_RULE)]
    for what, pattern, on_aws, on_gcp in WATCHED:
        least = on_aws if stack.graph.cloud == "aws" else on_gcp
        found = sum(bool(re.search(pattern, text, re.S)) for text in written)
        if found < least:
            yield Finding(stack.graph.stack, f"watch {what}: {found} alarms or events do, {least} are needed")


def _tells_somebody(stack: Stack) -> Found:
    turned_back = {
        name.name
        for service in stack.of("aws:ecs/service:Service")
        for name in stack.targets(service.inputs.get("alarms"))
    }
    for alarm in stack.of(ALARM, COMPOSITE):
        told = [found for found in stack.targets(alarm.inputs.get("alarmActions")) if found.type == TOPIC]
        part = any(alarm.name in text for other in stack.of(COMPOSITE) for text in texts(other.inputs.get("alarmRule")))
        if not told and alarm.name not in turned_back and not part and not items(alarm.inputs.get("alarmActions")):
            yield Finding(alarm.name, "name a topic of the stack in alarmActions")
        if alarm.inputs.get("actionsEnabled") is False:
            yield Finding(alarm.name, "set actionsEnabled to true")
    for alert in stack.of(ALERT):
        if not items(alert.inputs.get("notificationChannels")):
            yield Finding(alert.name, "name a channel of the stack in notificationChannels")
        if alert.inputs.get("enabled") is False:
            yield Finding(alert.name, "set enabled to true")


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


def _three_classes(stack: Stack) -> Found:
    if stack.graph.cloud == "aws":
        topics = [found for found in stack.of(TOPIC)]
        if len(topics) < 3:
            yield Finding(stack.graph.stack, "make a topic each for critical, warning and info")
        for topic in topics:
            rings = stack.referring(topic, ALARM, "alarmActions[]")
            if rings and not stack.referring(topic, SUBSCRIPTION, "topic"):
                yield Finding(topic.name, "subscribe somebody to it")
    else:
        classes = {str(value(alert.inputs, "userLabels.class")) for alert in stack.of(ALERT)}
        for name in CLASSES:
            if name not in classes:
                yield Finding(stack.graph.stack, f"add alert policies of the class {name}")


def _named_class(stack: Stack) -> Found:
    for alert in stack.of(ALERT):
        named, severity = value(alert.inputs, "userLabels.class"), alert.inputs.get("severity")
        if named not in CLASSES:
            yield Finding(alert.name, f"name its class in userLabels.class: {', '.join(CLASSES)}")
        elif severity != CLASSES[named]:
            yield Finding(alert.name, f"set severity to {CLASSES[named] or 'nothing'}, as its class says")


def _spending(stack: Stack) -> Found:
    for budget in stack.of(BUDGET):
        shares = [number(found.get("threshold")) for found in rows(budget.inputs.get("notifications"))]
        if not any(share is not None and share <= 80 for share in shares) or not any(
            share is not None and 80 < share <= 100 for share in shares
        ):
            yield Finding(budget.name, "tell somebody at 80 and at 100 %: notifications")
        for found in rows(budget.inputs.get("notifications")):
            if (share := number(found.get("threshold"))) is None or share > 100:
                yield Finding(budget.name, "tell somebody at 100 % at the latest: notifications[].threshold")
            if not items(found.get("subscriberEmailAddresses")) and not items(found.get("subscriberSnsTopicArns")):
                yield Finding(budget.name, "name somebody in each of notifications")
    for budget in stack.of(GCP_BUDGET):
        shares = [number(found.get("thresholdPercent")) for found in rows(budget.inputs.get("thresholdRules"))]
        if not any(share is not None and share <= 0.8 for share in shares):
            yield Finding(budget.name, "tell somebody at 80 %: thresholdRules")


def _rules_on(stack: Stack) -> Found:
    for found in stack.of(EVENT_RULE):
        if found.inputs.get("state") in ("DISABLED",) or found.inputs.get("isEnabled") is False:
            yield Finding(found.name, "enable it")
        if not opened(found.inputs.get("eventPattern")) and not found.inputs.get("scheduleExpression"):
            yield Finding(found.name, "say in eventPattern what it is about")
        if not stack.referring(found, "aws:cloudwatch/eventTarget:EventTarget", "rule"):
            yield Finding(found.name, "add an EventTarget: nobody is told")


def _news_arrives(stack: Stack) -> Found:
    for target in stack.of("aws:cloudwatch/eventTarget:EventTarget"):
        group = stack.target(target.inputs.get("arn"))
        if group is not None and group.type == LOGS:
            grants = stack.of("aws:cloudwatch/logResourcePolicy:LogResourcePolicy")
            if not any(group in stack.targets(grant.inputs) for grant in grants):
                yield Finding(group.name, "let EventBridge write to it: a LogResourcePolicy")
    for channel in stack.of(CHANNEL):
        topic = stack.target(value(channel.inputs, "labels.topic"))
        if topic is not None and not stack.referring(topic, PUSHED, "topic"):
            yield Finding(topic.name, "keep what it is told: a Subscription")


RULES = (
    rule(
        "alarms.all-watched",
        "Everything that OPS-3 names is watched.",
        judged(_all_watched, ALARM, ALERT, asks_for=True),
        source="OPS-3; CIS AWS 4; https://cloud.google.com/monitoring/alerts",
    ),
    rule(
        "alarms.tell-somebody",
        "Each alarm tells somebody.",
        judged(_tells_somebody, ALARM, COMPOSITE, ALERT),
        source="OPS-3; CloudWatch.15; CloudWatch.17",
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
    rule(
        "alarms.three-classes",
        "Alarms come in three classes, and each is heard.",
        judged(_three_classes, TOPIC, ALERT, asks_for=True),
        judged(_named_class, ALERT),
        source="OPS-3",
    ),
    rule(
        "alarms.asked-from-outside",
        "API and console are asked from outside, by TLS, each minute.",
        some("aws:route53/healthCheck:HealthCheck", why="nobody asks from outside whether it answers"),
        some(UPTIME, why="nobody asks from outside whether it answers"),
        each(UPTIME, "httpCheck.useSsl", TRUE),
        each(UPTIME, "period", one_of("60s")),
        each(UPTIME, "httpCheck.path", matching("^/", "a path")),
        source="GCP-3; INF-8; OPS-3",
        environments=("production", "staging"),
    ),
    rule(
        "alarms.certificates-checked",
        "In production the check from outside refuses a certificate that a browser would.",
        each(UPTIME, "httpCheck.validateSsl", TRUE),
        each(UPTIME, "logCheckFailures", TRUE),
        source="INF-8; OPS-3",
        severity=Severity.MEDIUM,
        environments=("production",),
    ),
    rule(
        "alarms.events-told",
        "Deployments, maintenance and failed backups are told as they happen.",
        judged(_rules_on, EVENT_RULE),
        judged(_news_arrives, "aws:cloudwatch/eventTarget:EventTarget", CHANNEL),
        each(CHANNEL, "enabled", TRUE.or_absent()),
        each(CHANNEL, "forceDelete", NOT_TRUE),
        each(PUSHED, "messageRetentionDuration", at_least(86_400)),
        source="OPS-3; DR-7",
        severity=Severity.MEDIUM,
    ),
    rule(
        "alarms.one-page",
        "One page shows application, database, cache, front and payments.",
        some(DASHBOARD, GCP_DASHBOARD, why="an operator sees nothing at a glance"),
        source="OPS-4; AWS-5; GCP-3",
        severity=Severity.MEDIUM,
    ),
    rule(
        "alarms.spending",
        "Somebody is told when 80 % of the month's budget is spent, and when all is.",
        some(BUDGET, why="nobody is told what it costs"),
        judged(_spending, BUDGET, GCP_BUDGET),
        source="COST-6; AWS-6",
        severity=Severity.MEDIUM,
    ),
)
