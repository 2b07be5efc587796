"""Invitations are mailed; what the provider still says of an erased customer is not kept."""

from pathlib import Path

from alembic import op

revision = "0036"
down_revision = "0035"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0036" / "invitations.sql").read_text())


def downgrade() -> None:
    """Mails of invitations go with it: the former schema knows no such recipient."""
    op.execute("REVOKE UPDATE (expires_at) ON invitations FROM cloudbill_app")
    op.execute("ALTER TABLE notification_messages NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM notification_messages WHERE recipient_kind = 'invitation'")
    op.execute("ALTER TABLE notification_messages FORCE ROW LEVEL SECURITY")
    op.execute(
        "ALTER TABLE notification_messages DROP CONSTRAINT notification_messages_recipient_kind_check, "
        "ADD CONSTRAINT notification_messages_recipient_kind_check CHECK (recipient_kind IN ('customer', 'user'))"
    )
    before = (SQL / "0001" / "payments.sql").read_text()
    begin = before.index("CREATE FUNCTION close_provider_event")
    end = before.index("END $$;", begin) + len("END $$;")
    op.execute(before[begin:end].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
