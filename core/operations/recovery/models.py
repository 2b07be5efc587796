"""Evidence of recovery, holds on the worker, how it stands, what runs: no tenant's, written by narrow functions."""

from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

KINDS = ("drill", "restore", "release", "failover", "drill_begun")


class Evidence(Table):
    """One piece: `hash` is the SHA-256 of the previous hash and the document, as it stands there. Never changed."""

    __tablename__ = "recovery_evidence"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint(one_of("kind", KINDS), name="kind"),
        CheckConstraint("octet_length(hash) = 32", name="hash"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    document: Mapped[str]
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes]
    signature: Mapped[bytes]
    recorded_at: Mapped[datetime]


class WorkerHold(Table):
    """A copy's worker waits until somebody has seen to what the world did since `state_of`. Released once."""

    __tablename__ = "worker_holds"
    __table_args__ = (CheckConstraint("(released_at IS NULL) = (release IS NULL)", name="released"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str]
    state_of: Mapped[datetime]
    nothing_lost: Mapped[bool] = mapped_column(server_default=text("false"))
    """The copy has all that was committed: nothing was given out that it does not know."""
    held_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    release: Mapped[str | None]


RUN_KINDS = ("drill", "backup")
RunState = Literal["waiting", "running", "passed", "failed", "lost"]
RUN_STATES: tuple[str, ...] = get_args(RunState)


class RecoveryStanding(Table):
    """How one part of recovery stands, as the worker saw it last. An `error` says why it could not look since."""

    __tablename__ = "recovery_standing"
    __table_args__ = (CheckConstraint("(document IS NULL) = (seen_at IS NULL)", name="seen"),)

    part: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    seen_at: Mapped[datetime | None]
    error: Mapped[str | None]
    asked_at: Mapped[datetime]


class RecoveryRun(Table):
    """A drill or a backup that somebody started; without `requested_by`, the schedule did. One of a kind at a time."""

    __tablename__ = "recovery_runs"
    __table_args__ = (
        CheckConstraint(one_of("kind", RUN_KINDS), name="kind"),
        CheckConstraint(one_of("state", RUN_STATES), name="state"),
        CheckConstraint("(state IN ('waiting', 'running')) = (finished_at IS NULL)", name="finished"),
        Index("recovery_runs_under_way", "kind", unique=True, postgresql_where=text("state IN ('waiting', 'running')")),
        Index("recovery_runs_kind_idx", "kind", "requested_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    what: Mapped[str]
    """A drill's scenario; what a backup is of."""
    state: Mapped[str]
    requested_at: Mapped[datetime]
    requested_by: Mapped[UUID | None]
    reason: Mapped[str | None]
    started_at: Mapped[datetime | None]
    beat_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    steps: Mapped[list[Any]] = mapped_column(JSONB)
    said: Mapped[str | None]
    """What it does at the moment."""
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[str | None]
    evidence: Mapped[int | None]
