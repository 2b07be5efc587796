"""Movements on the payment provider's account that are not ours, acknowledged by an operator."""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate, never_changed

revision = "0035"
down_revision = "0031"

SQL = Path(__file__).parent.parent / "sql" / "0035"


def upgrade() -> None:
    op.execute((SQL / "tables.sql").read_text())
    isolate("payment_acknowledgements", app="SELECT, INSERT")
    never_changed("payment_acknowledgements")


def downgrade() -> None:
    op.drop_table("payment_acknowledgements")
