"""How long a tenant keeps a kind of record."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of
from core.operations.records.retention.kinds import TENANTS


class RetentionTerm(Table):
    """A tenant's own term; without a row the installation's holds."""

    __tablename__ = "retention_terms"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(one_of("kind", tuple(kind.name for kind in TENANTS)), name="kind"),
        CheckConstraint("days BETWEEN 1 AND 36500", name="days"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    days: Mapped[int]
    changed_at: Mapped[datetime]
