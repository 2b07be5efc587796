"""Evidence of recovery and holds on the worker: no tenant's, written through narrow functions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

KINDS = ("drill", "restore", "release")


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
    held_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    release: Mapped[str | None]
