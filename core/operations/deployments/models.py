"""Deployments: no tenant's, written through narrow functions, never changed once they are over."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

CLOUDS = ("aws", "gcp")
KINDS = ("deployed", "recorded")
OUTCOMES = ("running", "succeeded", "failed", "recorded")


class Deployment(Table):
    """A stack as it was at one time. `graph` is its recorded graph, JSON under zlib."""

    __tablename__ = "deployments"
    __table_args__ = (
        CheckConstraint(one_of("cloud", CLOUDS), name="cloud"),
        CheckConstraint(one_of("kind", KINDS), name="kind"),
        CheckConstraint(one_of("outcome", OUTCOMES), name="outcome"),
        CheckConstraint("(outcome = 'running') = (finished_at IS NULL)", name="finished"),
        Index("deployments_stack_idx", "stack", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    stack: Mapped[str]
    cloud: Mapped[str]
    environment: Mapped[str]
    kind: Mapped[str]
    revision: Mapped[str | None]
    version: Mapped[str | None]
    source_digest: Mapped[str | None]
    outcome: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID]
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    input_hash: Mapped[bytes]
    outputs: Mapped[dict[str, Any]]
    policies: Mapped[dict[str, Any] | None]
    steps: Mapped[dict[str, Any]]
    graph: Mapped[bytes]
    resources: Mapped[int]
    estimate_error: Mapped[str | None]
