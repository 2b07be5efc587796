"""Holds on wallets, and credits that are for certain models or meters only."""

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
        CheckConstraint("limited_micro BETWEEN 0 AND amount_micro", name="limited"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
        CheckConstraint("(state = 'settled') = (transaction_id IS NOT NULL)", name="settled"),
        Index(
            "holds_open_idx",
            "tenant_id",
            "account_id",
            "expires_at",
            postgresql_include=["amount_micro", "limited_micro"],
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
    limited_micro: Mapped[int] = mapped_column(server_default="0")
    """What of it is kept of limited credits (HoldShare), not of the wallet."""
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class HoldShare(Table):
    """What an open hold keeps of limited credits; gone when it ends."""

    __tablename__ = "hold_shares"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "hold_id"], ["holds.tenant_id", "holds.id"]),
        ForeignKeyConstraint(["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"]),
        CheckConstraint("amount_micro > 0", name="amount"),
        Index("hold_shares_account_idx", "tenant_id", "account_id", postgresql_include=["amount_micro"]),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    hold_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    amount_micro: Mapped[int]


class CreditTarget(Table):
    """What an account of limited credits is for: calls of these models, usage by these meters. Never changed."""

    __tablename__ = "credit_targets"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"]),
        CheckConstraint("cardinality(models) + cardinality(meters) > 0", name="some"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    models: Mapped[list[str]]
    meters: Mapped[list[str]]
    created_at: Mapped[datetime]
