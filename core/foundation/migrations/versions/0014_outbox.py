"""The outbox: facts that others are told of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import isolate

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "outbox_events",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("fact", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=True),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("spread_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("outbox_events_tenant_id_fkey")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("outbox_events_tenant_id_customer_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("outbox_events_pkey")),
        sa.UniqueConstraint(
            "tenant_id", "kind", "subject_id", "fact", name=op.f("outbox_events_tenant_id_kind_subject_id_fact_key")
        ),
    )
    op.create_index(
        "outbox_events_waiting_idx",
        "outbox_events",
        ["tenant_id", "recorded_at", "id"],
        postgresql_where=sa.text("spread_at IS NULL"),
    )
    isolate("outbox_events", app="SELECT, INSERT, UPDATE (spread_at)")


def downgrade() -> None:
    op.drop_table("outbox_events")
