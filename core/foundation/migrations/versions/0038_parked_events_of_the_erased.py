"""What the provider says of erased customers is kept nowhere, and waits for somebody to look without naming anybody."""

from pathlib import Path

from alembic import op

revision = "0038"
down_revision = "0037"

SQL = Path(__file__).parent.parent / "sql"
_FORMER = {
    "0036/invitations.sql": "close_provider_event",
    "0028/records.sql": "erase_customer_traces",
    "0001/payments.sql": "reopen_provider_event",
}


def upgrade() -> None:
    op.execute((SQL / "0038" / "erasing.sql").read_text())


def downgrade() -> None:
    for file, function in _FORMER.items():
        before = (SQL / file).read_text()
        begin = before.index(f"FUNCTION {function}(")
        end = before.index("END $$;", begin) + len("END $$;")
        op.execute(f"CREATE OR REPLACE {before[begin:end]}")
    op.execute("DROP FUNCTION customers_told_of(text, jsonb)")
    op.execute("DROP FUNCTION without_persons(jsonb, text)")
