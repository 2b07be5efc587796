"""Credits for certain models or meters only: accounts of their own, and holds that keep some of them.

And money of invoices: a refund that the provider refused may be tried again, a record by hand taken back.
"""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate, never_changed

revision = "0031"
down_revision = "0030"

FOLDER = Path(__file__).parent.parent / "sql"

TABLES = {
    "credit_targets": "SELECT, INSERT",
    # Shares of open holds only: they go with the hold's end.
    "hold_shares": "SELECT, INSERT, DELETE",
}


def upgrade() -> None:
    for part in ("tables", "guards", "payments", "read_charges", "write_ledger"):
        op.execute((FOLDER / "0031" / f"{part}.sql").read_text())
    for table, rights in TABLES.items():
        isolate(table, app=rights)
    never_changed("credit_targets")


def downgrade() -> None:
    """Refused by the database while there are limited credits: they would be lost."""
    op.execute(
        "DROP INDEX refunds_credit_note_key; CREATE UNIQUE INDEX refunds_credit_note_key "
        "ON refunds (tenant_id, credit_note_id, payment_id) WHERE credit_note_id IS NOT NULL"
    )
    op.execute(_function((FOLDER / "0001" / "payments.sql").read_text(), "guard_payment"))
    op.execute("DROP TABLE hold_shares, credit_targets")
    op.execute("DROP FUNCTION check_hold_share(), check_credit_target(), refuse_wrong_shares(uuid, uuid)")
    ledger = (FOLDER / "0001" / "ledger.sql").read_text()
    for name in ("refuse_wrong_held", "check_hold", "guard_hold"):
        op.execute(_function(ledger, name))
    op.execute(_function((FOLDER / "0001" / "posting.sql").read_text(), "write_ledger"))
    op.execute((FOLDER / "0002" / "read_charges.sql").read_text())
    op.execute(
        "DROP INDEX holds_open_idx; "
        "ALTER TABLE holds DROP COLUMN limited_micro; "
        "CREATE INDEX holds_open_idx ON holds (tenant_id, account_id, expires_at) INCLUDE (amount_micro) "
        "WHERE state = 'open'; "
        "ALTER TABLE accounts DROP CONSTRAINT accounts_kind_check, DROP CONSTRAINT accounts_floor_of_wallet_check, "
        "DROP CONSTRAINT accounts_held_check, ADD CONSTRAINT accounts_kind_check "
        "CHECK (kind IN ('wallet', 'receivable', 'revenue', 'clearing', 'granted')), "
        "ADD CONSTRAINT accounts_floor_of_wallet_check CHECK ((kind = 'wallet') = (floor_micro IS NOT NULL)), "
        "ADD CONSTRAINT accounts_held_check CHECK (held_micro >= 0 AND (kind = 'wallet' OR held_micro = 0))"
    )


def _function(source: str, name: str) -> str:
    """A function as an older file makes it, to take the place of a newer one."""
    begin = source.index(f"CREATE FUNCTION {name}(")
    end = source.index("END $$;", begin) + len("END $$;")
    return source[begin:end].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
