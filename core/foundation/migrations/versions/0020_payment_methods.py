"""Saved means of payment."""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate

revision = "0020"
down_revision = "0019"

SQL = Path(__file__).parent.parent / "sql" / "0020"

TABLES = {
    "provider_customers": "SELECT, INSERT",
    "payment_methods": "SELECT, INSERT, UPDATE (brand, last4, exp_month, exp_year, country, state, is_default, "
    "default_since, detached_at)",
    "payment_setups": "SELECT, INSERT, UPDATE (state, provider_id, provider_page_id, payment_method_id, failure_code, "
    "updated_at)",
}


def upgrade() -> None:
    op.execute((SQL / "tables.sql").read_text())
    for table, rights in TABLES.items():
        isolate(table, app=rights)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
