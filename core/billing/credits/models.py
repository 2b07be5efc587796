"""Holds on wallets."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

HOLD_STATES = ("open", "settled", "released", "expired")


class Hold(TenantRow, Table):
    """The most a call may cost, kept back until it is settled, released or expired (on the tenant's clock)."""

    __tablename__ = "holds"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"]),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "transaction_id"], ["ledger_transactions.tenant_id", "ledger_transactions.id"]
        ),
        UniqueConstraint("tenant_id", "idempotency_key"),
        CheckConstraint(one_of("state", HOLD_STATES), name="state"),
        CheckConstraint("amount_micro > 0", name="amount"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
        CheckConstraint("(state = 'settled') = (transaction_id IS NOT NULL)", name="settled"),
        Index(
            "holds_open_idx",
            "tenant_id",
            "account_id",
            "expires_at",
            postgresql_include=["amount_micro"],
            postgresql_where="state = 'open'",
        ),
    )

    account_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    amount_micro: Mapped[int]
    currency: Mapped[str]
    state: Mapped[str]
    idempotency_key: Mapped[str]
    input_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    transaction_id: Mapped[UUID | None]
    balance_after_micro: Mapped[int]
    available_after_micro: Mapped[int]
    """What the wallet had when the hold was made, for the same answer to the same key."""
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
