"""Usage: metered facts and the keys that make each of them count once."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

USAGE_OUTCOMES = ("settled", "refused")


class UsageEvent(Table):
    """A metered fact, partitioned by month of `occurred_at`; never changed.

    `settled`: paid by ledger transaction `transaction_id`. `refused`: delivered, but the floor did not allow the
    charge; it is settled by sending it again with the same key. `arithmetic` is all that recomputes the charge.
    """

    __tablename__ = "usage_events"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        CheckConstraint(one_of("outcome", USAGE_OUTCOMES), name="outcome"),
        CheckConstraint("(outcome = 'settled') = (transaction_id IS NOT NULL)", name="settled"),
        CheckConstraint(
            "input_tokens >= 0 AND output_tokens >= 0 AND cached_tokens BETWEEN 0 AND input_tokens", name="tokens"
        ),
        CheckConstraint("amount_micro >= 0", name="amount"),
        Index("usage_events_recent_idx", "tenant_id", "occurred_at", "id"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    idempotency_key: Mapped[str]
    outcome: Mapped[str]
    model: Mapped[str]
    input_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    output_tokens: Mapped[int]
    amount_micro: Mapped[int]
    currency: Mapped[str]
    price_book_version: Mapped[int]
    arithmetic: Mapped[dict[str, Any]]
    transaction_id: Mapped[UUID | None]
    hold_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UsageKey(Table):
    """A caller's idempotency key, kept for ever: its one usage event and, once settled, its one transaction."""

    __tablename__ = "usage_keys"
    __table_args__ = (
        # Partial, so that no plan can take it for a question that only the primary key answers.
        Index(
            "usage_keys_transaction_key",
            "tenant_id",
            "transaction_id",
            unique=True,
            postgresql_where="transaction_id IS NOT NULL",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    input_hash: Mapped[bytes]
    event_id: Mapped[UUID]
    event_occurred_at: Mapped[datetime]
    transaction_id: Mapped[UUID | None]
