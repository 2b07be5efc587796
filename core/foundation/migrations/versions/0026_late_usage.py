"""Late usage: what came in after its time was billed, and what each correction came to."""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate, never_changed

revision = "0026"
down_revision = "0025"

SQL = Path(__file__).parent.parent / "sql" / "0026"


def upgrade() -> None:
    op.execute((SQL / "tables.sql").read_text())
    isolate("late_usage", app="SELECT, INSERT, DELETE")
    isolate("late_corrections", app="SELECT, INSERT")
    never_changed("late_corrections")


def downgrade() -> None:
    op.drop_index("invoice_items_billed_usage_idx", "invoice_items")
    op.drop_table("late_corrections")
    op.drop_table("late_usage")
