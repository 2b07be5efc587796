"""An alarm, as data: a question in PromQL that has an answer only while something is wrong.

The application's metrics come through the collector under their own names; Google's have its own form of theirs:
`cloudsql.googleapis.com/database/up` is `cloudsql_googleapis_com:database_up`.
"""

from dataclasses import dataclass
from datetime import time

from infra.config import Role, StackConfig
from infra.contract import Severity

MINUTE = 60
AWAKE_FROM, AWAKE_UNTIL = time(6, 20), time(20, 0)
"""Of working days, UTC: `off_hours.py` starts at 6 and stops at 20; a database takes minutes to start."""
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
    "console-calls": "console-calls",
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
    "recompute-overdue": "invoices-drifted",
    "reconciliation-errors": "reconciliation",
    "scaled-out": "service-busy",
    "schedule-failures": "schedule-failed",
    "storage-full": "database-storage",
    "task-failures": "task-failed",
    "webhook-failures": "webhooks",
}
"""The same runbooks as on AWS, where an alarm has another name."""


AWAKE = (
    "day_of_week() > 0 and day_of_week() < 6 and "
    f"hour() * 60 + minute() >= {AWAKE_FROM.hour * 60 + AWAKE_FROM.minute} and hour() < {AWAKE_UNTIL.hour}"
)


def while_awake(config: StackConfig, query: str) -> str:
    """The same question, which has no answer at night where the stack sleeps. A snooze has fixed dates, and would
    have to be made anew every day; PromQL knows the hour (UTC), as the schedule does.
    """
    return f"({query}) and on() ({AWAKE})" if config.switches.off_hours else query


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
    awake: bool = False
    """Asks of what is stopped at night: in a stack with off-hours it is asked only while the stack is awake."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """How Google calls the parts: `database` is PROJECT:INSTANCE, `cache` the instance's id."""

    database: str
    cache: str
    services: dict[Role, str]
    job: str
