"""Who is told when something is wrong, and that everything that can go wrong is watched."""

import re

from infra.graph import Resource
from infra.policies.demand import NOT_TRUE, PRESENT, TRUE, at_least, between, matching, number, one_of
from infra.policies.kinds import ALARM, ALERT, TOPIC
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
WATCHED = {
    "5xx of the front": r"5XX|response_code_class=\\?\"500",
    "the application's errors": r"cloudbill_http_requests|errors?-?rate|ErrorRate|HttpErrors|http_requests",
    "the time of answers": r"TargetResponseTime|request_seconds|latenc",
    "the database's CPU": r"AWS/RDS.*CPUUtilization|cloudsql.*cpu_utilization",
    "the database's disk": r"FreeStorageSpace|disk_utilization|disk_bytes_used",
    "the database's connections": r"DatabaseConnections|num_backends",
    "the cache's memory": r"DatabaseMemoryUsagePercentage|(redis|memorystore)_googleapis_com.*memory",
    "the cache's CPU": r"EngineCPUUtilization|(redis|memorystore)_googleapis_com.*cpu",
    "services' CPU": r"AWS/ECS.*CPUUtilization|ECS/ContainerInsights.*Cpu|container_cpu_utilizations",
    "services' memory": r"AWS/ECS.*MemoryUtilization|ECS/ContainerInsights.*Memory|container_memory_utilizations",
    "instances that fail": r"UnHealthyHostCount|HealthyHostCount|check_passed|RunningTaskCount",
    "backups that fail": r"[Bb]ackup.*[Ff]ail|NumberOfBackupJobsFailed|backup_failures|backup-failures",
    "sign-ins that fail": r"sign_in_failures|SignInFailures|failed-sign-ins",
    "payment events that fail": r"webhook",
    "pools that run out": r"pool_connections|pool",
}
"""What OPS-3 names, and how an alarm on it can be known on either cloud."""
SHARES = {
    r"[Cc]pu_?[Uu]tili[sz]ation|CPUUtilization": 80,
    r"MemoryUtili[sz]ation|memory_utilization|memory_usage_ratio|DatabaseMemoryUsagePercentage": 80,
}

CLASSES = {"critical": "CRITICAL", "warning": "WARNING", "info": None}
"""Class -> how Google names it; it has no name for news."""


def _written(resource: Resource) -> str:
    return " ".join([resource.name, *texts(resource.inputs)])


def _all_watched(stack: Stack) -> Found:
    written = [_written(found) for found in stack.of(ALARM, COMPOSITE, ALERT, EVENT_RULE)]
    for what, pattern in WATCHED.items():
        if not any(re.search(pattern, text, re.S) for text in written):
            yield Finding(stack.graph.stack, f"add an alarm on {what}")


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
    """A share that alarms is what OPS-3 says."""
    for alarm in stack.of(ALARM):
        for pattern, most in SHARES.items():
            found = number(alarm.inputs.get("threshold"))
            if re.search(pattern, str(alarm.inputs.get("metricName"))) and found is not None and found > most:
                yield Finding(alarm.name, f"set threshold to {most} or less")


def _three_classes(stack: Stack) -> Found:
    if stack.graph.cloud == "aws":
        topics = [found for found in stack.of(TOPIC)]
        if len(topics) < 3:
            yield Finding(stack.graph.stack, "make a topic each for critical, warning and info")
        for topic in topics:
            heard = stack.referring(topic, SUBSCRIPTION, "topic")
            if not heard and not any(
                topic in stack.targets(found.inputs)
                for found in stack.of(ALARM, EVENT_RULE, "aws:cloudwatch/eventTarget:EventTarget")
            ):
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
        "Alarms fire where it was agreed: CPU and memory over 80 %.",
        judged(_limits, ALARM),
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
