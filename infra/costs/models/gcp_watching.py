"""Logs, alert policies, metrics, uptime checks, schedules, notices."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from infra.costs.items import HOURS, Category, Item, Model, Stack, fixed, used
from infra.graph import Resource

FREE_DAYS = 30
CHECKS_AN_HOUR = 60


def _log_bucket(resource: Resource, stack: Stack) -> Iterable[Item]:
    days = int(resource.inputs.get("retentionDays") or FREE_DAYS)
    yield used("logs written", Category.LOGS, "logging/ingested/gib", lambda usage: usage.gb_logs)
    yield used(
        "logs kept",
        Category.LOGS,
        "logging/kept/gib",
        lambda usage: usage.gb_logs * max(0, days - FREE_DAYS) / 30,
        f"{days} days, the first {FREE_DAYS} free",
    )


def _alert(resource: Resource, stack: Stack) -> Iterable[Item]:
    conditions: Sequence[Any] = resource.inputs.get("conditions") or []
    yield fixed("alert conditions", Category.MONITORING, "monitoring/alert/condition", len(conditions))


def _dashboard(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used(
        "application metrics",
        Category.MONITORING,
        "monitoring/prometheus/million",
        lambda usage: usage.metric_samples,
        "samples that the collectors send; dashboards are free",
    )


def _uptime(resource: Resource, stack: Stack) -> Iterable[Item]:
    regions = len(resource.inputs.get("selectedRegions") or [None] * 6)
    yield fixed(
        "checks from outside",
        Category.MONITORING,
        "monitoring/uptime/thousand",
        CHECKS_AN_HOUR * HOURS * regions / 1000,
        f"each minute from {regions} regions",
    )


def _schedule(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("schedule", Category.MONITORING, "scheduler/job/month", 1)


def _topic(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used("messages", Category.MONITORING, "pubsub/data/tib", lambda _: Decimal("0.00001"), "10 MiB a month")


MODELS: dict[str, Model] = {
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": _log_bucket,
    "gcp:monitoring/alertPolicy:AlertPolicy": _alert,
    "gcp:monitoring/dashboard:Dashboard": _dashboard,
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": _uptime,
    "gcp:cloudscheduler/job:Job": _schedule,
    "gcp:pubsub/topic:Topic": _topic,
}
