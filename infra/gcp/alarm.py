"""An alarm, as data: a question in PromQL that has an answer only while something is wrong.

The application's metrics come through the collector under their own names; Google's have its own form of theirs:
`cloudsql.googleapis.com/database/up` is `cloudsql_googleapis_com:database_up`.
"""

from dataclasses import dataclass

from infra.config import Role
from infra.contract import Severity

MINUTE = 60
BACKUP_FAILURES = "cloudbill_backup_failures"
SCHEDULE_FAILURES = "cloudbill_schedule_failures"
"""Counted from logs (`alerts.py`)."""


RUNBOOKS = {
    "api-down": "instances-failing",
    "api-failed": "unreachable",
    "backup-failures": "backup-failed",
    "cache-cpu": "cache",
    "cache-memory": "cache",
    "cache-unreachable": "cache",
    "certificate-expiry": "certificate",
    "console-down": "instances-failing",
    "console-failed": "unreachable",
    "cpu": "service-busy",
    "database-cpu": "database-slow",
    "database-memory": "database-slow",
    "database-unreachable": "database-down",
    "error-rate": "errors",
    "errors-5xx": "errors",
    "failed-sign-ins": "sign-ins",
    "latency-p95": "slow",
    "latency-p99": "slow",
    "memory": "service-busy",
    "nat-dropped": "nat",
    "pool-exhaustion": "pool-exhausted",
    "reconciliation-errors": "reconciliation",
    "scaled-out": "service-busy",
    "schedule-failures": "schedule-failed",
    "storage-full": "database-storage",
    "task-failures": "task-failed",
    "webhook-failures": "webhooks",
}
"""The same runbooks as on AWS, where an alarm has another name."""


def runbook(name: str) -> str:
    """Where an alarm's runbook lies."""
    return f"docs/runbooks/{RUNBOOKS.get(name, name)}.md"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """`query` must hold for `seconds`; the runbook is `runbook(name)`."""

    name: str
    severity: Severity
    title: str
    query: str
    seconds: int = 5 * MINUTE


@dataclass(frozen=True, kw_only=True)
class Watched:
    """How Google calls the parts: `database` is PROJECT:INSTANCE, `cache` the instance's id."""

    database: str
    cache: str
    services: dict[Role, str]
    job: str
