"""Watched wallets: alerts, and top-ups by a saved card."""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate

revision = "0023"
down_revision = "0022"

SQL = Path(__file__).parent.parent / "sql" / "0023"


def upgrade() -> None:
    op.execute((SQL / "tables.sql").read_text())
    isolate(
        "wallet_watches",
        app="SELECT, INSERT, UPDATE (alert_below_micro, is_low, crossings, package_code, top_up_below_micro, "
        "monthly_limit_minor, fired, purchase_id, blocked_until, failed_code, failed_at, changed_at)",
    )


def downgrade() -> None:
    op.drop_table("wallet_watches")
