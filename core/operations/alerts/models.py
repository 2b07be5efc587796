"""Alerts: no tenant's, written through narrow functions, never changed once they have ended."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

SOURCES = ("installation", "aws", "gcp")
SEVERITIES = ("critical", "warning", "info")
STATES = ("firing", "ended")


class Alert(Table):
    """Something that fires, or fired. `key` is what the source knows it by; only one of a key fires at a time."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint(one_of("source", SOURCES), name="source"),
        CheckConstraint(one_of("severity", SEVERITIES), name="severity"),
        CheckConstraint(one_of("state", STATES), name="state"),
        CheckConstraint("(state = 'firing') = (ended_at IS NULL)", name="ended"),
        Index("alerts_firing_key", "source", "key", unique=True, postgresql_where="state = 'firing'"),
        Index("alerts_key_idx", "source", "key", "since"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    key: Mapped[str]
    name: Mapped[str]
    severity: Mapped[str]
    state: Mapped[str]
    summary: Mapped[str]
    stack: Mapped[str | None]
    runbook: Mapped[str | None]
    since: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    details: Mapped[dict[str, Any]]
