"""Meters, metered events beside reconciled calls, what is counted of them, and the trail of corrections."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import isolate, never_changed

revision = "0010"
down_revision = "0009"

SQL = Path(__file__).parent.parent / "sql" / "0010"

TABLES = {
    "meters": "SELECT, INSERT, UPDATE (name, archived_at)",
    "meter_versions": "SELECT, INSERT",
    "usage_aggregates": "SELECT, INSERT, UPDATE (events, total, peak, last, last_at, last_event_id), DELETE",
    "usage_distinct": "SELECT, INSERT, UPDATE (hours), DELETE",
    "usage_backfills": "SELECT, INSERT, UPDATE (reverted_at, reverted_by, revert_reason)",
    "usage_backfill_events": "SELECT, INSERT",
    "usage_corrections": "SELECT, INSERT",
    "usage_touched": "SELECT, INSERT, DELETE",
    "usage_checks": "SELECT, INSERT, UPDATE (checked_at, accepted, aggregated, differing)",
}
NEVER_CHANGED = ("meter_versions", "usage_backfill_events", "usage_corrections")


def upgrade() -> None:
    create_meters()
    create_counted()
    create_trail()
    create_checks()
    for table, rights in TABLES.items():
        isolate(table, app=rights)
    for table in NEVER_CHANGED:
        never_changed(table)
    op.execute("CREATE INDEX IF NOT EXISTS subscriptions_customer_idx ON subscriptions (tenant_id, customer_id)")
    driver = op.get_bind().connection.driver_connection
    assert driver is not None, "a migration runs on an open connection"
    driver.execute((SQL / "metering.sql").read_text())


def create_meters() -> None:
    op.create_table(
        "meters",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("aggregation", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "aggregation IN ('count', 'sum', 'max', 'unique', 'latest')", name=op.f("meters_aggregation_check")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("meters_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("meters_pkey")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("meters_tenant_id_code_key")),
    )
    op.create_table(
        "meter_versions",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("meter_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("event_name", sa.Text(), nullable=False),
        sa.Column("property", sa.Text(), nullable=True),
        sa.Column("filters", postgresql.JSONB(), nullable=False),
        sa.Column("dimensions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.UUID(), nullable=True),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("version >= 1", name=op.f("meter_versions_version_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "meter_id"],
            ["meters.tenant_id", "meters.id"],
            name=op.f("meter_versions_tenant_id_meter_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "meter_id", "version", name=op.f("meter_versions_pkey")),
    )


def create_counted() -> None:
    op.create_table(
        "usage_aggregates",
        *_counted_by("usage_aggregates", sa.Column("bucket", sa.DateTime(timezone=True), nullable=False)),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=True),
        sa.Column("peak", sa.Numeric(38, 12), nullable=True),
        sa.Column("last", sa.Numeric(38, 12), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_event_id", sa.UUID(), nullable=True),
        sa.CheckConstraint("events > 0", name=op.f("usage_aggregates_events_check")),
        sa.PrimaryKeyConstraint(
            "tenant_id",
            "meter_id",
            "customer_id",
            "bucket",
            "version",
            "dimensions",
            name=op.f("usage_aggregates_pkey"),
        ),
    )
    op.create_index("usage_aggregates_bucket_idx", "usage_aggregates", ["tenant_id", "bucket"])
    op.create_table(
        "usage_distinct",
        *_counted_by("usage_distinct", sa.Column("day", sa.Date(), nullable=False)),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.CheckConstraint("hours > 0 AND hours < 16777216", name=op.f("usage_distinct_hours_check")),
        sa.PrimaryKeyConstraint(
            "tenant_id",
            "meter_id",
            "customer_id",
            "day",
            "version",
            "dimensions",
            "value",
            name=op.f("usage_distinct_pkey"),
        ),
    )


def _counted_by(table: str, when: sa.Column[object]) -> list[sa.Column[object] | sa.ForeignKeyConstraint]:
    return [
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("meter_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        when,
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("dimensions", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f(f"{table}_tenant_id_customer_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "meter_id", "version"],
            ["meter_versions.tenant_id", "meter_versions.meter_id", "meter_versions.version"],
            name=op.f(f"{table}_tenant_id_meter_id_version_fkey"),
        ),
    ]


def create_trail() -> None:
    op.create_table(
        "usage_backfills",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.UUID(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("reverted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reverted_by", sa.UUID(), nullable=True),
        sa.Column("revert_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(reverted_at IS NULL) = (revert_reason IS NULL)", name=op.f("usage_backfills_reverted_check")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("usage_backfills_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("usage_backfills_pkey")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("usage_backfills_tenant_id_idempotency_key_key")),
    )
    op.create_table(
        "usage_backfill_events",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("backfill_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("event_occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "backfill_id"],
            ["usage_backfills.tenant_id", "usage_backfills.id"],
            name=op.f("usage_backfill_events_tenant_id_backfill_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "event_id", name=op.f("usage_backfill_events_pkey")),
    )
    op.create_index("usage_backfill_events_backfill_idx", "usage_backfill_events", ["tenant_id", "backfill_id"])
    op.create_table(
        "usage_corrections",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("event_occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("replacement_id", sa.UUID(), nullable=True),
        sa.Column("backfill_id", sa.UUID(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("corrected_by", sa.UUID(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("kind IN ('void', 'replace', 'restore')", name=op.f("usage_corrections_kind_check")),
        sa.CheckConstraint(
            "(kind = 'replace') = (replacement_id IS NOT NULL)", name=op.f("usage_corrections_replacement_check")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "backfill_id"],
            ["usage_backfills.tenant_id", "usage_backfills.id"],
            name=op.f("usage_corrections_tenant_id_backfill_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("usage_corrections_pkey")),
    )
    op.create_index("usage_corrections_event_idx", "usage_corrections", ["tenant_id", "event_id", "id"])


def create_checks() -> None:
    op.create_table(
        "usage_touched",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("usage_touched_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "bucket", name=op.f("usage_touched_pkey")),
    )
    op.create_table(
        "usage_checks",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted", sa.BigInteger(), nullable=True),
        sa.Column("aggregated", sa.BigInteger(), nullable=True),
        sa.Column("differing", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(checked_at IS NULL) = (accepted IS NULL)", name=op.f("usage_checks_checked_check")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("usage_checks_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("usage_checks_pkey")),
    )
    op.create_index(
        "usage_checks_open_idx",
        "usage_checks",
        ["tenant_id", "id"],
        postgresql_where="checked_at IS NULL OR differing > 0",
    )
