"""What was proven of recovery, in a chain that nobody can edit, and the hold on the worker of a restored copy."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from core.foundation.migrations.security import enclose, never_changed

revision = "0005"
down_revision = "0004"

SQL = Path(__file__).parent.parent / "sql" / "0005"


def upgrade() -> None:
    op.create_table(
        "recovery_evidence",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("recovery_evidence_number_check")),
        sa.CheckConstraint("kind IN ('drill', 'restore', 'release')", name=op.f("recovery_evidence_kind_check")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("recovery_evidence_hash_check")),
        sa.PrimaryKeyConstraint("number", name=op.f("recovery_evidence_pkey")),
    )
    op.create_table(
        "worker_holds",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("release", sa.Text(), nullable=True),
        sa.CheckConstraint("(released_at IS NULL) = (release IS NULL)", name=op.f("worker_holds_released_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("worker_holds_pkey")),
    )
    op.execute((SQL / "recovery.sql").read_text())
    for table in ("recovery_evidence", "worker_holds"):
        enclose(table, operator="SELECT")
    never_changed("recovery_evidence")
