"""Credits in lots with terms, and the expiry of credits as a kind of posting."""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate, never_changed

revision = "0022"
down_revision = "0021"

SQL = Path(__file__).parent.parent / "sql" / "0022"

TABLES = {
    "credit_lots": "SELECT, INSERT, UPDATE (remaining_micro, state, look_at, rollover_micro)",
    "credit_uses": "SELECT, INSERT",
    "credit_positions": "SELECT, INSERT, UPDATE (version, owed_micro)",
}
KINDS_BEFORE = (
    "purchase", "usage", "refund", "refund_reversal", "dispute", "dispute_reversal", "receivable_payment", "grant",
    "adjustment", "invoice", "invoice_credit",
)  # fmt: skip


def upgrade() -> None:
    let_ledger_post((*KINDS_BEFORE, "expiry"))
    op.execute((SQL / "tables.sql").read_text())
    for table, rights in TABLES.items():
        isolate(table, app=rights)
    never_changed("credit_uses")


def let_ledger_post(kinds: tuple[str, ...]) -> None:
    name = op.f("ledger_transactions_kind_check")
    op.drop_constraint(name, "ledger_transactions")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(name, "ledger_transactions", f"kind IN ({listed})")


def downgrade() -> None:
    let_ledger_post(KINDS_BEFORE)
    for table in reversed(TABLES):
        op.drop_table(table)
