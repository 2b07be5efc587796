"""What a move writes into both its servers: that there is one, how far it is, and a publication by its owner."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import enclose

revision = "0009"
down_revision = "0008"

SQL = Path(__file__).parent.parent / "sql" / "0009"


def upgrade() -> None:
    op.create_table(
        "moves",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("side IN ('source', 'target')", name=op.f("moves_side_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("moves_pkey")),
    )
    # A server takes part in one move at a time.
    op.create_index("moves_under_way", "moves", ["side"], unique=True, postgresql_where="ended_at IS NULL")
    op.create_table(
        "move_positions",
        sa.Column("move_id", sa.UUID(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("lsn", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("direction IN ('forward', 'back')", name=op.f("move_positions_direction_check")),
        sa.PrimaryKeyConstraint("move_id", "direction", name=op.f("move_positions_pkey")),
    )
    op.execute((SQL / "moves.sql").read_text())
    for table in ("moves", "move_positions"):
        enclose(table, operator="SELECT")
