"""Tries to charge an invoice's payment: each is one confirmation at the provider, under a key of its own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

ATTEMPT_STATES = ("pending", "action_required", "succeeded", "failed", "canceled")
ATTEMPT_ORIGINS = ("collection", "tenant", "customer")


class PaymentAttempt(TenantRow, Table):
    """One try. `by`: the schedule, the tenant's own call, or the customer on a page."""

    __tablename__ = "payment_attempts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "payment_id"], ["payments.tenant_id", "payments.id"]),
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        ForeignKeyConstraint(["tenant_id", "payment_method_id"], ["payment_methods.tenant_id", "payment_methods.id"]),
        UniqueConstraint("tenant_id", "payment_id", "number"),
        Index(
            "payment_attempts_pending_key", "tenant_id", "invoice_id", unique=True, postgresql_where="state = 'pending'"
        ),
        Index("payment_attempts_invoice_idx", "tenant_id", "invoice_id", "id"),
        CheckConstraint(one_of("state", ATTEMPT_STATES), name="state"),
        CheckConstraint(one_of("origin", ATTEMPT_ORIGINS), name="origin"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("(state IN ('pending', 'action_required')) = (concluded_at IS NULL)", name="concluded"),
    )

    payment_id: Mapped[UUID]
    invoice_id: Mapped[UUID]
    number: Mapped[int]
    origin: Mapped[str]
    payment_method_id: Mapped[UUID]
    state: Mapped[str]
    failure_code: Mapped[str | None]
    advice_code: Mapped[str | None]
    created_at: Mapped[datetime]
    concluded_at: Mapped[datetime | None]
    """The tenant's time, as `created_at`."""
    lease_until: Mapped[datetime | None]
    """Wall time until which one job or request alone asks the provider."""
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
