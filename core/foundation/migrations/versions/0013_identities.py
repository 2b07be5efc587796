"""Accounts elsewhere that sign users in."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from core.foundation.migrations.security import enclose

revision = "0013"
down_revision = "0012"

SQL = Path(__file__).parent.parent / "sql" / "0013"


def upgrade() -> None:
    op.create_table(
        "user_identities",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("registered", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("provider IN ('google', 'github')", name=op.f("user_identities_provider_check")),
        sa.CheckConstraint("length(subject) BETWEEN 1 AND 255", name=op.f("user_identities_subject_check")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("user_identities_user_id_fkey")),
        sa.PrimaryKeyConstraint("provider", "subject", name=op.f("user_identities_pkey")),
        sa.UniqueConstraint("user_id", "provider", name=op.f("user_identities_user_id_provider_key")),
    )
    enclose("user_identities")
    op.execute((SQL / "identities.sql").read_text())
