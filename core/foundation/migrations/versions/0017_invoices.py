"""Invoices: numbers, lines, taxes, what they were computed from, payments, credit notes; customers that are parked."""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate, never_changed

revision = "0017"
down_revision = "0016"

SQL = Path(__file__).parent.parent / "sql" / "0017"

CHANGES = (
    "state, collection, finalize_at, series, sequence, number, finalized_at, due_at, period_start, period_end, lines, "
    "subtotal_minor, discount_minor, tax_minor, total_minor, applied_minor, paid_minor, credited_minor, open_minor, "
    "memo, paid_at, voided_at, uncollectible_at"
)
TABLES = {
    "subject_keys": "SELECT, INSERT, UPDATE (key, destroyed_at)",
    "invoice_series": "SELECT, INSERT, UPDATE (next_sequence)",
    "invoice_numbers": "SELECT, INSERT",
    "invoices": f"SELECT, INSERT, UPDATE ({CHANGES})",
    "invoice_lines": "SELECT, INSERT",
    "invoice_taxes": "SELECT, INSERT",
    "invoice_inputs": "SELECT, INSERT",
    "invoice_payments": "SELECT, INSERT",
    "credit_notes": "SELECT, INSERT",
    "credit_note_lines": "SELECT, INSERT",
    "parked_customers": "SELECT, INSERT, UPDATE (resolved_at, resolved_by, resolution)",
    "invoicing_rules": "SELECT, INSERT, UPDATE",
}
NEVER_CHANGED = (
    "invoice_numbers",
    "invoice_lines",
    "invoice_taxes",
    "invoice_inputs",
    "invoice_payments",
    "credit_notes",
    "credit_note_lines",
)
FUNCTIONS = (
    "check_invoice_number",
    "check_invoice_number_used",
    "guard_invoice_series",
    "check_invoice_series",
    "guard_invoice",
    "check_invoice",
    "check_invoice_paid",
    "check_invoice_settlement",
    "refuse_wrong_paid(uuid, uuid)",
    "check_draft",
    "guard_item_invoice",
    "check_item_reverses",
    "check_credit_note",
    "check_credit_note_line",
    "guard_parked_customer",
    "guard_subject_key",
)
KINDS_BEFORE = (
    "purchase", "usage", "refund", "refund_reversal", "dispute", "dispute_reversal", "receivable_payment", "grant",
    "adjustment",
)  # fmt: skip
KINDS = (*KINDS_BEFORE, "invoice", "invoice_credit")


def upgrade() -> None:
    let_ledger_post(KINDS)
    op.execute((SQL / "tables.sql").read_text())
    op.execute((SQL / "guards.sql").read_text())
    for table, rights in TABLES.items():
        isolate(table, app=rights)
    for table in NEVER_CHANGED:
        never_changed(table)


def let_ledger_post(kinds: tuple[str, ...]) -> None:
    name = op.f("ledger_transactions_kind_check")
    op.drop_constraint(name, "ledger_transactions")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(name, "ledger_transactions", f"kind IN ({listed})")


def downgrade() -> None:
    let_ledger_post(KINDS_BEFORE)
    op.execute("DROP TRIGGER check_item_reverses ON invoice_items")
    op.execute("DROP TRIGGER check_draft ON invoice_items")
    op.execute("DROP TRIGGER guard_item_invoice ON invoice_items")
    op.drop_constraint(op.f("invoice_items_tenant_id_invoice_id_fkey"), "invoice_items")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table} CASCADE")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function if '(' in function else function + '()'}")
