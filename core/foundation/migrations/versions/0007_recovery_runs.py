"""How recovery stands, and the drills and backups that somebody started, while they run and afterwards."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import enclose

revision = "0007"
down_revision = "0006"

SQL = Path(__file__).parent.parent / "sql" / "0007"


def upgrade() -> None:
    op.create_table(
        "recovery_standing",
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(document IS NULL) = (seen_at IS NULL)", name=op.f("recovery_standing_seen_check")),
        sa.PrimaryKeyConstraint("part", name=op.f("recovery_standing_pkey")),
    )
    op.create_table(
        "recovery_runs",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.UUID(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("result", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("evidence", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('drill', 'backup')", name=op.f("recovery_runs_kind_check")),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'passed', 'failed', 'lost')", name=op.f("recovery_runs_state_check")
        ),
        sa.CheckConstraint(
            "(state IN ('waiting', 'running')) = (finished_at IS NULL)", name=op.f("recovery_runs_finished_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("recovery_runs_pkey")),
    )
    op.create_index(
        "recovery_runs_under_way",
        "recovery_runs",
        ["kind"],
        unique=True,
        postgresql_where="state IN ('waiting', 'running')",
    )
    op.create_index("recovery_runs_kind_idx", "recovery_runs", ["kind", "requested_at"], unique=False)
    op.execute((SQL / "recovery_runs.sql").read_text())
    for table in ("recovery_standing", "recovery_runs"):
        enclose(table, operator="SELECT")
