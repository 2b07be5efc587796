"""What the payment provider told us, stored once. No tenant is known yet, hence reached through functions only."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

PROVIDER_EVENT_STATES = ("received", "applied", "ignored", "parked")


class ProviderEvent(Table):
    """An event of the provider's; applied once, in whatever order it came."""

    __tablename__ = "provider_events"
    __table_args__ = (
        UniqueConstraint("provider_account_id", "provider_id"),
        CheckConstraint(one_of("state", PROVIDER_EVENT_STATES), name="state"),
        Index("provider_events_open_idx", "received_at", postgresql_where="state IN ('received', 'parked')"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_account_id: Mapped[str]
    provider_id: Mapped[str]
    type: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str | None]
    tenant_id: Mapped[UUID | None]
    provider_created_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    closed_at: Mapped[datetime | None]
