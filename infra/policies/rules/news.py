"""Who is told: channels, classes, events, budgets."""

from infra.graph import Resource
from infra.policies.demand import NOT_TRUE, TRUE, at_least, matching, number, one_of
from infra.policies.kinds import ALARM, ALERT, LOGS, TOPIC
from infra.policies.reading import Stack, items, opened, rows, texts, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule, some
from infra.policies.rules.alarms import COMPOSITE, EVENT_RULE

SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"


DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"


GCP_DASHBOARD = "gcp:monitoring/dashboard:Dashboard"


CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel"


UPTIME = "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig"


BUDGET = "aws:budgets/budget:Budget"


GCP_BUDGET = "gcp:billing/budget:Budget"


PUSHED = "gcp:pubsub/subscription:Subscription"


TASK = "aws:ecs/taskDefinition:TaskDefinition"


NOTICES = "/operations/alerts"
"""Where the API takes the clouds' notices."""


CLASSES = {"critical": "CRITICAL", "warning": "WARNING", "info": None}
"""Class -> how Google names it; it has no name for news."""


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


def _three_classes(stack: Stack) -> Found:
    if stack.graph.cloud == "aws":
        topics = [found for found in stack.of(TOPIC)]
        if len(topics) < 3:
            yield Finding(stack.graph.stack, "make a topic each for critical, warning and info")
        for topic in topics:
            rings = stack.referring(topic, ALARM, "alarmActions[]")
            alone = stack.environment == "development"  # whoever works on it looks for themselves
            if rings and not alone:
                yield from _subscribed(stack, topic)
    else:
        classes = {str(value(alert.inputs, "userLabels.class")) for alert in stack.of(ALERT)}
        for name in CLASSES:
            if name not in classes:
                yield Finding(stack.graph.stack, f"add alert policies of the class {name}")


def _subscribed(stack: Stack, topic: Resource) -> Found:
    subscriptions = stack.referring(topic, SUBSCRIPTION, "topic")
    ours = [found for found in subscriptions if str(found.inputs.get("endpoint")).endswith(NOTICES)]
    if len(ours) == len(subscriptions):
        yield Finding(topic.name, "subscribe somebody to it")
    takes = any("ALERT_SNS_TOPICS" in text for found in stack.of(TASK) for text in texts(found.inputs))
    if takes and not ours:
        yield Finding(topic.name, f"subscribe the API's {NOTICES} to it, which takes its notices")
    for found in subscriptions:
        if found.inputs.get("protocol") == "https" and found.inputs.get("endpointAutoConfirms") is not True:
            yield Finding(found.name, "set endpointAutoConfirms to true: an endpoint confirms by itself")


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
        "alarms.tell-somebody",
        "Each alarm tells somebody.",
        judged(_tells_somebody, ALARM, COMPOSITE, ALERT),
        source="OPS-3; CloudWatch.15; CloudWatch.17",
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
        environments=("production",),
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
        some(BUDGET, GCP_BUDGET, why="nobody is told what it costs"),
        judged(_spending, BUDGET, GCP_BUDGET),
        source="COST-6; AWS-6",
        severity=Severity.MEDIUM,
    ),
)
