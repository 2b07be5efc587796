"""What the payment provider said of a customer is in their export, found by the words by which it is erased."""

from pathlib import Path

from alembic import op

revision = "0040"
down_revision = "0039"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0040" / "exporting.sql").read_text())


def downgrade() -> None:
    before = (SQL / "0038" / "erasing.sql").read_text()
    begin = before.index("CREATE OR REPLACE FUNCTION erase_customer_traces(")
    op.execute(before[begin : before.index("END $$;", begin) + len("END $$;")])
    op.execute("DROP FUNCTION provider_events_of(uuid, integer)")
    op.execute("DROP FUNCTION provider_words_of(uuid)")
