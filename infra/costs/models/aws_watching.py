"""Logs, alarms, dashboards, notices, and the services that watch the account."""

from collections.abc import Iterable
from decimal import Decimal

from infra.costs.items import Category, Item, Model, Stack, fixed, used
from infra.graph import Resource

MILLION = Decimal(1_000_000)


def _log_group(resource: Resource, stack: Stack) -> Iterable[Item]:
    part = stack.share(resource.type)
    months = max(Decimal(0), Decimal(int(resource.inputs.get("retentionInDays", 0)))) / 30
    yield used(
        "logs written",
        Category.LOGS,
        "cloudwatch/logs/ingested",
        lambda usage: usage.gb_logs * part,
        "an even part of all logs",
    )
    yield used(
        "logs kept",
        Category.LOGS,
        "cloudwatch/logs/kept",
        lambda usage: usage.gb_logs * part * months * Decimal("0.15"),
        f"{resource.inputs.get('retentionInDays')} days, compressed to 15 %",
    )


def _alarm(resource: Resource, stack: Stack) -> Iterable[Item]:
    queries = resource.inputs.get("metricQueries") or [None]
    metrics = sum(1 for query in queries if query is None or "metric" in query) or 1
    yield fixed("alarm", Category.MONITORING, "cloudwatch/alarm/standard", metrics, "by the metrics that it looks at")


def _dashboard(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("dashboard", Category.MONITORING, "cloudwatch/dashboard/standard", 1)


def _mail(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used("notices", Category.MONITORING, "sns/email/100k", lambda _: Decimal("0.001"), "100 a month")


def _recorder(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used(
        "configuration items",
        Category.OVERSIGHT,
        "config/items/each",
        lambda usage: usage.findings / 1_000,
        "one for a thousand events",
    )


def _rule(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used(
        "rule evaluations",
        Category.OVERSIGHT,
        "config/evaluations/each",
        lambda usage: usage.findings / 10_000,
        "a few an hour",
    )


def _detector(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used(
        "events looked at", Category.OVERSIGHT, "guardduty/events/million", lambda usage: usage.findings / MILLION
    )
    yield used("flow logs looked at", Category.OVERSIGHT, "guardduty/flow-logs/gb", lambda usage: usage.gb_logs / 4)


def _trail(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used(
        "trail of management events",
        Category.OVERSIGHT,
        "cloudtrail/trail/first",
        lambda usage: usage.findings / 100_000,
    )


def _budget(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("budget", Category.OVERSIGHT, "budgets/budget/month", 1)


MODELS: dict[str, Model] = {
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
    "aws:cloudwatch/dashboard:Dashboard": _dashboard,
    "aws:sns/topic:Topic": _mail,
    "aws:cfg/recorder:Recorder": _recorder,
    "aws:cfg/rule:Rule": _rule,
    "aws:guardduty/detector:Detector": _detector,
    "aws:cloudtrail/trail:Trail": _trail,
    "aws:budgets/budget:Budget": _budget,
}
