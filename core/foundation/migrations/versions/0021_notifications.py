"""Messages to people, their texts, and webhooks to tenants."""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate, never_changed

revision = "0021"
down_revision = "0020"

SQL = Path(__file__).parent.parent / "sql" / "0021"

TABLES = {
    "notification_messages": (
        "SELECT, INSERT, UPDATE (state, reason, template_version, language, attempts, provider, provider_id, sent_at)"
    ),
    "notification_templates": "SELECT, INSERT",
    "notification_settings": "SELECT, INSERT, UPDATE (language, sms, reply_to, updated_at)",
    "notification_opt_outs": "SELECT, INSERT, DELETE",
    "webhook_endpoints": (
        "SELECT, INSERT, UPDATE (url, description, kinds, state, disabled_reason, secret, former_secret, former_until, "
        "failing_since)"
    ),
    "webhook_deliveries": (
        "SELECT, INSERT, UPDATE (state, attempts, failures, next_attempt_at, last_status, last_error, closed_at)"
    ),
    "webhook_attempts": "SELECT, INSERT",
}


def upgrade() -> None:
    op.execute((SQL / "tables.sql").read_text())
    for table, rights in TABLES.items():
        isolate(table, app=rights)
    never_changed("notification_templates")
    op.execute((SQL / "functions.sql").read_text())


def downgrade() -> None:
    op.execute("DROP FUNCTION last_worker_release()")
    for table in reversed(TABLES):
        op.drop_table(table)
