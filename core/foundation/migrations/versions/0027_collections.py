"""Invoices are paid: tries to charge them, how they are collected, money recorded by hand."""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate

revision = "0027"
down_revision = "0026"

SQL = Path(__file__).parent.parent / "sql" / "0027"

TABLES = {
    "payment_attempts": "SELECT, INSERT, UPDATE (state, failure_code, advice_code, concluded_at, lease_until)",
    "dunning_terms": "SELECT, INSERT, UPDATE (retry_days, final_days, final_action, overdue_action, changed_at)",
    "collections": "SELECT, INSERT, UPDATE (state, attempt_id, tries, notices, last_code, next_step, first_failed_at, "
    "last_tried_at, next_at, outcome, ended_at, fault, postponed_to)",
}
MADE_OPTIONAL = {
    "disputes": ("invoice_id",),
    "refunds": ("credit_note_id", "invoice_id"),
    "payments": ("recorded_by", "received_at", "reference", "invoice_id"),
}


def upgrade() -> None:
    op.execute((SQL / "tables.sql").read_text())
    for table, rights in TABLES.items():
        isolate(table, app=rights)


def downgrade() -> None:
    """Refused by the database while there are payments of invoices: they would be lost."""
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION guard_collection()")
    op.execute("DROP FUNCTION guard_payment_attempt()")
    op.execute("DROP INDEX refunds_payment_idx")
    for table, columns in MADE_OPTIONAL.items():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_of_check")
        if table == "payments":
            op.execute(
                "ALTER TABLE payments DROP CONSTRAINT payments_of_invoice_check, "
                "DROP CONSTRAINT payments_reference_check, DROP CONSTRAINT payments_means_check, "
                "ADD CONSTRAINT payments_means_check CHECK (means IN ('intent', 'checkout'))"
            )
        for column in columns:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column} CASCADE")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN purchase_id SET NOT NULL")
