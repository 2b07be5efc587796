"""What a request changes is noted for its row in the audit log."""

from pathlib import Path

from alembic import op

revision = "0030"
down_revision = "0029"

SQL = Path(__file__).parent.parent / "sql" / "0030"
TABLES = (
    "api_keys", "coupons", "credit_packages", "dunning_terms", "invitations", "invoice_settings", "invoices",
    "invoicing_rules", "memberships", "meters", "notification_opt_outs", "notification_settings", "payment_methods",
    "plans", "products", "retention_terms", "subscriptions", "tax_rates", "tenants", "wallet_watches",
    "webhook_endpoints",
)  # fmt: skip
"""What people set and decide. Usage, holds and books are records of themselves; customers are told by their room."""


def upgrade() -> None:
    op.execute((SQL / "changes.sql").read_text())
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW "
            "WHEN (current_setting('app.audited', true) = 'on') EXECUTE FUNCTION note_change()"
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER note_change ON {table}")
    op.execute("DROP FUNCTION note_change()")
