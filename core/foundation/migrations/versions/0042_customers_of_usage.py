"""Whose customers usage is of is asked once a statement; customers stay."""

from pathlib import Path

from alembic import op

revision = "0042"
down_revision = "0041"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0042" / "usage_customers.sql").read_text())


def downgrade() -> None:
    fence = (SQL / "0006" / "fence.sql").read_text()
    begin = fence.index("CREATE OR REPLACE FUNCTION create_usage_partition(")
    op.execute(fence[begin : fence.index("END $$;", begin) + len("END $$;")])
    for trigger in ("never_deleted", "never_truncated", "never_renamed"):
        op.execute(f"DROP TRIGGER {trigger} ON customers")
    op.execute("DROP FUNCTION check_usage_customers() CASCADE")
    op.execute(
        "ALTER TABLE usage_events ADD CONSTRAINT usage_events_tenant_id_customer_id_fkey "
        "FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)"
    )
