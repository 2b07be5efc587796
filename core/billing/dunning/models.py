"""How open invoices are collected: the tenant's terms, and one row for each that is being collected."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

COLLECTION_STATES = ("trying", "waiting", "ended")
FINAL_ACTIONS = ("pause", "cancel", "uncollectible", "leave")
MOST_RETRIES = 12
"""Card networks fine who tries a card more than 15 times in 30 days."""
OUTCOMES = ("paid", "closed", "recovered", *FINAL_ACTIONS)


class DunningTerms(Table):
    """A tenant's schedule; without a row the defaults of schedule.py hold."""

    __tablename__ = "dunning_terms"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(one_of("final_action", FINAL_ACTIONS), name="final_action"),
        CheckConstraint(one_of("overdue_action", FINAL_ACTIONS), name="overdue_action"),
        CheckConstraint(f"cardinality(retry_days) <= {MOST_RETRIES}", name="retry_days"),
        CheckConstraint("final_days BETWEEN 1 AND 180", name="final_days"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    retry_days: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    final_days: Mapped[int]
    final_action: Mapped[str]
    overdue_action: Mapped[str]
    changed_at: Mapped[datetime]


class Collection(TenantRow, Table):
    """An open invoice being collected. `next_at` is on the tenant's clock; an ended one stays as it ended."""

    __tablename__ = "collections"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(["tenant_id", "subscription_id"], ["subscriptions.tenant_id", "subscriptions.id"]),
        ForeignKeyConstraint(["tenant_id", "attempt_id"], ["payment_attempts.tenant_id", "payment_attempts.id"]),
        CheckConstraint("(fault IS NULL) = (postponed_to IS NULL)", name="fault"),
        UniqueConstraint("tenant_id", "invoice_id"),
        Index("collections_open_idx", "tenant_id", "next_at", postgresql_where="state <> 'ended'"),
        Index("collections_paused_idx", "tenant_id", "invoice_id",
              postgresql_where="state = 'ended' AND outcome = 'pause'"),
        CheckConstraint(one_of("state", COLLECTION_STATES), name="state"),
        CheckConstraint(one_of("outcome", OUTCOMES), name="outcome"),
        CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="next"),
        CheckConstraint("state <> 'trying' OR attempt_id IS NOT NULL", name="attempt"),
        CheckConstraint("(state = 'ended') = (outcome IS NOT NULL) AND (state = 'ended') = (ended_at IS NOT NULL)",
                        name="ended"),
        CheckConstraint("tries >= 0 AND notices >= 0", name="counts"),
    )  # fmt: skip

    invoice_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    subscription_id: Mapped[UUID | None]
    charges: Mapped[bool]
    """Whether a saved card is charged; else the customer pays by itself and is only reminded."""
    state: Mapped[str]
    attempt_id: Mapped[UUID | None]
    tries: Mapped[int]
    notices: Mapped[int]
    last_code: Mapped[str | None]
    next_step: Mapped[str | None]
    first_failed_at: Mapped[datetime | None]
    last_tried_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    fault: Mapped[str | None]
    """Why its last step could not be done; it is done again at `postponed_to`."""
    postponed_to: Mapped[datetime | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
