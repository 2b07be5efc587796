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


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """`query` must hold for `seconds`; the runbook is docs/runbooks/`name`.md."""

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
