"""Usage that came in, or was amended, after an invoice had billed its time, and what was done about it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow


class LateUsage(Table):
    """An item whose usage is not as it was billed, perhaps: noted by the batch or amendment, gone once looked at."""

    __tablename__ = "late_usage"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "item_id"], ["invoice_items.tenant_id", "invoice_items.id"]),
        CheckConstraint("due_at >= noted_at", name="due"),
        Index("late_usage_due_idx", "tenant_id", "due_at"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    noted_at: Mapped[datetime]
    due_at: Mapped[datetime]


class LateCorrection(TenantRow, Table):
    """What an item came to differently by what was known at `as_of`; never changed.

    It goes on from where the one before it ended, so nothing is corrected twice. `correction_item_id` is the line that
    bills it, `credited` the parts of credit notes that take it back; with neither, others of its bill made up for it.
    """

    __tablename__ = "late_corrections"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        ForeignKeyConstraint(["tenant_id", "item_id"], ["invoice_items.tenant_id", "invoice_items.id"]),
        ForeignKeyConstraint(["tenant_id", "correction_item_id"], ["invoice_items.tenant_id", "invoice_items.id"]),
        UniqueConstraint("tenant_id", "item_id", "as_of_before", name="late_corrections_once_key"),
        CheckConstraint("as_of > as_of_before", name="later"),
        CheckConstraint("amount_minor <> 0", name="amount"),
        Index("late_corrections_invoice_idx", "tenant_id", "invoice_id"),
        Index(
            "late_corrections_correction_item_idx",
            "tenant_id",
            "correction_item_id",
            postgresql_where="correction_item_id IS NOT NULL",
        ),
    )

    invoice_id: Mapped[UUID]
    item_id: Mapped[UUID]
    as_of_before: Mapped[datetime]
    as_of: Mapped[datetime]
    amount_minor: Mapped[int]
    inputs: Mapped[dict[str, Any]]
    correction_item_id: Mapped[UUID | None]
    credited: Mapped[list[Any]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
