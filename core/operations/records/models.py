"""The chain of a tenant's audit log, and who was erased."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

SUBJECT_KINDS = ("customer", "user")


class AuditBlock(Table):
    """A run of audit rows in the tenant's chain, sealed shortly after they were committed; never changed."""

    __tablename__ = "audit_blocks"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("octet_length(hash) = 32", name="hash"),
        CheckConstraint("octet_length(digests) = 32 * cardinality(entry_ids)", name="digests"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes]
    entry_ids: Mapped[list[UUID]]
    digests: Mapped[bytes]
    sealed_at: Mapped[datetime]


class Erasure(TenantRow, Table):
    """A tombstone: whom to erase again in a copy from before. Users stand with tenant zero, which all of them share."""

    __tablename__ = "erasures"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(one_of("subject_kind", SUBJECT_KINDS), name="subject_kind"),
        UniqueConstraint("tenant_id", "subject_id"),
        Index("erasures_open_idx", "tenant_id", "kept_until", postgresql_where="completed_at IS NULL"),
    )

    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    requested_by: Mapped[UUID]
    erased_at: Mapped[datetime]
    keeps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """What the law makes us keep, why and until when."""
    kept_until: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
