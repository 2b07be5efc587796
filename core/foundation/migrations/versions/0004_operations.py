"""What the installation remembers of itself: deployments with their graphs, estimates, actual costs, alerts."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import enclose, never_changed

revision = "0004"
down_revision = "0003"

SQL = Path(__file__).parent.parent / "sql" / "0004"
TABLES = ("deployments", "cost_estimates", "actual_costs", "alerts")


def upgrade() -> None:
    create_tables()
    op.execute((SQL / "operations.sql").read_text())
    for table in TABLES:
        enclose(table, operator="SELECT")
    never_changed("cost_estimates")
    never_changed("actual_costs")


def create_tables() -> None:
    op.create_table(
        "deployments",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("stack", sa.Text(), nullable=False),
        sa.Column("cloud", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("source_digest", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.UUID(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("outputs", postgresql.JSONB(), nullable=False),
        sa.Column("policies", postgresql.JSONB(), nullable=True),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
        sa.Column("graph", sa.LargeBinary(), nullable=False),
        sa.Column("resources", sa.BigInteger(), nullable=False),
        sa.Column("estimate_error", sa.Text(), nullable=True),
        sa.CheckConstraint("cloud IN ('aws', 'gcp')", name=op.f("deployments_cloud_check")),
        sa.CheckConstraint("kind IN ('deployed', 'recorded')", name=op.f("deployments_kind_check")),
        sa.CheckConstraint(
            "outcome IN ('running', 'succeeded', 'failed', 'recorded')", name=op.f("deployments_outcome_check")
        ),
        sa.CheckConstraint("(outcome = 'running') = (finished_at IS NULL)", name=op.f("deployments_finished_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("deployments_pkey")),
        sa.UniqueConstraint("idempotency_key", name=op.f("deployments_idempotency_key_key")),
    )
    op.create_index("deployments_stack_idx", "deployments", ["stack", "id"], unique=False)
    op.create_table(
        "cost_estimates",
        sa.Column("deployment_id", sa.UUID(), nullable=False),
        sa.Column("usage", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("monthly", sa.Numeric(), nullable=False),
        sa.Column("by_category", postgresql.JSONB(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("warnings", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("usage IN ('small', 'base', 'large')", name=op.f("cost_estimates_usage_check")),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], name=op.f("cost_estimates_deployment_id_fkey")),
        sa.PrimaryKeyConstraint("deployment_id", "usage", name=op.f("cost_estimates_pkey")),
    )
    op.create_table(
        "actual_costs",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("stack", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_by", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("actual_costs_pkey")),
    )
    op.create_index("actual_costs_month_idx", "actual_costs", ["stack", "month", "id"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("stack", sa.Text(), nullable=True),
        sa.Column("runbook", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("source IN ('installation', 'aws', 'gcp')", name=op.f("alerts_source_check")),
        sa.CheckConstraint("severity IN ('critical', 'warning', 'info')", name=op.f("alerts_severity_check")),
        sa.CheckConstraint("state IN ('firing', 'ended')", name=op.f("alerts_state_check")),
        sa.CheckConstraint("(state = 'firing') = (ended_at IS NULL)", name=op.f("alerts_ended_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("alerts_pkey")),
    )
    op.create_index("alerts_firing_key", "alerts", ["source", "key"], unique=True, postgresql_where="state = 'firing'")
    op.create_index("alerts_key_idx", "alerts", ["source", "key", "since"], unique=False)
