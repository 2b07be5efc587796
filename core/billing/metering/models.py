"""Usage: facts, the keys that make each of them count once, and what is counted of them by meters."""

import datetime as dt
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, Numeric, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

USAGE_OUTCOMES = ("settled", "refused", "metered")
AGGREGATIONS = ("count", "sum", "max", "unique", "latest")
CORRECTIONS = ("void", "replace", "restore")
_QUANTITY = Numeric(38, 12)


class UsageEvent(Table):
    """A fact, partitioned by month of `occurred_at`; never changed.

    `settled`: paid by ledger transaction `transaction_id`. `refused`: delivered, but the floor did not allow the
    charge; it is settled by sending it again with the same key. `arithmetic` is all that recomputes the charge.
    `metered`: counted by the meters of its `event_name`, and rated on an invoice; it has no price of its own.
    """

    __tablename__ = "usage_events"
    __table_args__ = (
        # That `customer_id` is a customer of the tenant is held by a trigger, once a statement.
        CheckConstraint(one_of("outcome", USAGE_OUTCOMES), name="outcome"),
        CheckConstraint("(outcome = 'settled') = (transaction_id IS NOT NULL)", name="settled"),
        CheckConstraint(
            "input_tokens >= 0 AND output_tokens >= 0 AND cached_tokens BETWEEN 0 AND input_tokens", name="tokens"
        ),
        CheckConstraint("amount_micro >= 0", name="amount"),
        CheckConstraint("quantity >= 0", name="quantity"),
        # And `kind`, in the migration: a metered event has a name and no price, any other the reverse.
        Index("usage_events_recent_idx", "tenant_id", "occurred_at", "id", postgresql_where="outcome <> 'metered'"),
        Index(
            "usage_events_metered_idx",
            "tenant_id",
            "customer_id",
            "occurred_at",
            postgresql_where="outcome = 'metered'",
        ),
        Index(
            "usage_events_hour_idx",
            "tenant_id",
            "occurred_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32},
        ),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    idempotency_key: Mapped[str]
    outcome: Mapped[str]
    model: Mapped[str | None]
    input_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    amount_micro: Mapped[int | None]
    currency: Mapped[str | None]
    price_book_version: Mapped[int | None]
    arithmetic: Mapped[dict[str, Any] | None]
    transaction_id: Mapped[UUID | None]
    hold_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    event_name: Mapped[str | None]
    properties: Mapped[dict[str, Any] | None]
    quantity: Mapped[Decimal | None] = mapped_column(_QUANTITY)


class UsageKey(Table):
    """A caller's idempotency key, kept for ever: its one usage event and, once settled, its one transaction."""

    __tablename__ = "usage_keys"
    __table_args__ = (
        CheckConstraint("NOT (is_metered AND transaction_id IS NOT NULL)", name="metered"),
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
    is_metered: Mapped[bool] = mapped_column(server_default="false")


class Meter(TenantRow, Table):
    """What is counted of a tenant's events; how is said by its versions. Code and aggregation never change."""

    __tablename__ = "meters"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        UniqueConstraint("tenant_id", "code"),
        CheckConstraint(one_of("aggregation", AGGREGATIONS), name="aggregation"),
    )

    code: Mapped[str]
    name: Mapped[str]
    aggregation: Mapped[str]
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class MeterVersion(Table):
    """A definition, in force for events that occurred from `effective_from` until the next version's; never changed."""

    __tablename__ = "meter_versions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "meter_id"], ["meters.tenant_id", "meters.id"]),
        CheckConstraint("version >= 1", name="version"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    meter_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    event_name: Mapped[str]
    property: Mapped[str | None]
    filters: Mapped[list[Any]] = mapped_column(JSONB)
    dimensions: Mapped[list[str]]
    effective_from: Mapped[datetime]
    created_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UsageAggregate(Table):
    """What one version of a meter counted of one customer in one hour (UTC), by dimensions: derived, never the truth.

    `dimensions` is the JSON list of the values of the version's dimensions. Of `total`, `peak` and `last` the one that
    the meter's aggregation needs is set.
    """

    __tablename__ = "usage_aggregates"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "meter_id", "version"],
            ["meter_versions.tenant_id", "meter_versions.meter_id", "meter_versions.version"],
        ),
        CheckConstraint("events > 0", name="events"),
        Index("usage_aggregates_bucket_idx", "tenant_id", "bucket"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    meter_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    dimensions: Mapped[str] = mapped_column(primary_key=True)
    events: Mapped[int]
    total: Mapped[Decimal | None] = mapped_column(Numeric)
    peak: Mapped[Decimal | None] = mapped_column(_QUANTITY)
    last: Mapped[Decimal | None] = mapped_column(_QUANTITY)
    last_at: Mapped[datetime | None]
    last_event_id: Mapped[UUID | None]


class UsageDistinct(Table):
    """A value that a meter of unique values met on a day (UTC); `hours` has a bit for each hour that it was met in."""

    __tablename__ = "usage_distinct"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "meter_id", "version"],
            ["meter_versions.tenant_id", "meter_versions.meter_id", "meter_versions.version"],
        ),
        CheckConstraint("hours > 0 AND hours < 16777216", name="hours"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    meter_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    dimensions: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    hours: Mapped[int] = mapped_column(Integer)


class UsageBackfill(TenantRow, Table):
    """Late events that came in together with a reason; reverted as a whole, once. `changes` is what it changed."""

    __tablename__ = "usage_backfills"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        UniqueConstraint("tenant_id", "idempotency_key"),
        CheckConstraint("(reverted_at IS NULL) = (revert_reason IS NULL)", name="reverted"),
    )

    idempotency_key: Mapped[str]
    input_hash: Mapped[bytes]
    reason: Mapped[str]
    created_by: Mapped[UUID]
    events: Mapped[int]
    changes: Mapped[list[Any]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    reverted_at: Mapped[datetime | None]
    reverted_by: Mapped[UUID | None]
    revert_reason: Mapped[str | None]


class UsageBackfillEvent(Table):
    """An event that a backfill brought."""

    __tablename__ = "usage_backfill_events"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "backfill_id"], ["usage_backfills.tenant_id", "usage_backfills.id"]),
        Index("usage_backfill_events_backfill_idx", "tenant_id", "backfill_id"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    backfill_id: Mapped[UUID]
    event_occurred_at: Mapped[datetime]


class UsageCorrection(TenantRow, Table):
    """Says of an event that it counts no more (`void`, `replace`) or again (`restore`): the last one holds.

    `replacement_id` is the event that counts instead. Who, why and when are the trail; never changed.
    """

    __tablename__ = "usage_corrections"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "backfill_id"], ["usage_backfills.tenant_id", "usage_backfills.id"]),
        CheckConstraint(one_of("kind", CORRECTIONS), name="kind"),
        CheckConstraint("(kind = 'replace') = (replacement_id IS NOT NULL)", name="replacement"),
        Index("usage_corrections_event_idx", "tenant_id", "event_id", "id"),
    )

    event_id: Mapped[UUID]
    event_occurred_at: Mapped[datetime]
    kind: Mapped[str]
    replacement_id: Mapped[UUID | None]
    backfill_id: Mapped[UUID | None]
    reason: Mapped[str]
    corrected_by: Mapped[UUID]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UsageTouched(Table):
    """An hour (UTC) of a tenant's usage that was written since it was last checked."""

    __tablename__ = "usage_touched"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    bucket: Mapped[datetime] = mapped_column(primary_key=True)


class UsageCheck(TenantRow, Table):
    """An hour counted anew from its events against what the aggregates say; `checked_at` NULL while it is to be done.

    `accepted` and `aggregated` are counts of events by meters; `differing` how many aggregates were not as counted.
    """

    __tablename__ = "usage_checks"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint("(checked_at IS NULL) = (accepted IS NULL)", name="checked"),
        Index("usage_checks_open_idx", "tenant_id", "id", postgresql_where="checked_at IS NULL OR differing > 0"),
    )

    bucket: Mapped[datetime]
    due_at: Mapped[datetime]
    checked_at: Mapped[datetime | None]
    accepted: Mapped[int | None]
    aggregated: Mapped[int | None]
    differing: Mapped[int | None]
