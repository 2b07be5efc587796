"""Lines written by hand are withdrawn while they wait or stand on a draft."""

from pathlib import Path

from alembic import op

revision = "0039"
down_revision = "0038"

SQL = Path(__file__).parent.parent / "sql" / "0039"


def upgrade() -> None:
    op.execute((SQL / "withdrawing.sql").read_text())


def downgrade() -> None:
    op.execute("REVOKE DELETE ON invoice_items FROM cloudbill_app")
    op.execute("DROP TRIGGER note_change ON invoice_items")
    op.execute("DROP TRIGGER guard_withdrawn ON invoice_items")
    op.execute("DROP FUNCTION guard_withdrawn_item()")
    op.execute(
        "CREATE TRIGGER never_deleted BEFORE DELETE ON invoice_items FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
