"""Where tenants are called, what was sent there, and what they answered."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

import core.foundation.outbox  # noqa: F401  # pyright: ignore[reportUnusedImport]  # deliveries refer to facts
from core.foundation.tables import Table, TenantRow, one_of

ENDPOINT_STATES = ("active", "disabled", "deleted")
DELIVERY_STATES = ("pending", "delivered", "failed", "canceled")


class WebhookEndpoint(TenantRow, Table):
    """An address of the tenant's that is told of facts; `kinds` empty: of all. Secrets are sealed.

    `failing_since` is the first failure since the last success.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(one_of("state", ENDPOINT_STATES), name="state"),
    )

    url: Mapped[str]
    description: Mapped[str | None]
    kinds: Mapped[list[str]]
    state: Mapped[str]
    disabled_reason: Mapped[str | None]
    secret: Mapped[bytes]
    former_secret: Mapped[bytes | None]
    former_until: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WebhookDelivery(TenantRow, Table):
    """One fact for one endpoint. Those of one object go out in the order of `recorded_at` and the fact's id."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "endpoint_id"], ["webhook_endpoints.tenant_id", "webhook_endpoints.id"]),
        ForeignKeyConstraint(["tenant_id", "event_id"], ["outbox_events.tenant_id", "outbox_events.id"]),
        UniqueConstraint("tenant_id", "endpoint_id", "event_id"),
        CheckConstraint(one_of("state", DELIVERY_STATES), name="state"),
        Index(
            "webhook_deliveries_pending_idx",
            "tenant_id",
            "endpoint_id",
            "subject_id",
            "recorded_at",
            "event_id",
            postgresql_where="state = 'pending'",
        ),
        Index(None, "tenant_id", "endpoint_id", "id"),
    )

    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]
    subject_id: Mapped[UUID]
    recorded_at: Mapped[datetime]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime | None]
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class WebhookAttempt(Table):
    """One call, and what came back: the first part of the answer. Never changed."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "delivery_id"], ["webhook_deliveries.tenant_id", "webhook_deliveries.id"]),
        CheckConstraint("number >= 1", name="number"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    attempted_at: Mapped[datetime]
    milliseconds: Mapped[int]
    status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None]
    answer: Mapped[str | None]
