"""Subscriptions by version, quantity and coupon, their history, and what is to be billed."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import isolate, never_changed

revision = "0015"
down_revision = "0014"

SQL = Path(__file__).parent.parent / "sql" / "0015"

TABLES = {
    "subscription_terms": "SELECT, INSERT, UPDATE (effective_to)",
    "subscription_items": "SELECT, INSERT, UPDATE (effective_to)",
    "subscription_changes": "SELECT, INSERT",
    "coupon_redemptions": "SELECT, INSERT, UPDATE (last_ordinal)",
    "invoice_items": "SELECT, INSERT, UPDATE (bill_at, invoice_id)",
}
# What a subscription may change of itself besides what it could before: never its customer or its currency.
CHANGES = (
    "plan_tenant_id, plan_id, version, price_id, collection, interval, interval_count, cycle, proration, anchor, "
    "anchor_day, zone, period_number, ordinal, paid_through, trial_end, trial_notice_at, paused_at, resume_at, "
    "cancel_at, pending, commitment, commitment_from, commitment_left, due_at, parked_at, parked_error, cancel_reason"
)


def upgrade() -> None:
    extend_subscriptions()
    op.execute((SQL / "tables.sql").read_text())
    # Before row security binds the owner, too.
    op.execute((SQL / "backfill.sql").read_text())
    check_subscriptions()
    op.execute((SQL / "guards.sql").read_text())
    for table, rights in TABLES.items():
        isolate(table, app=rights)
    never_changed("subscription_changes")
    op.execute(f"GRANT UPDATE ({CHANGES}) ON subscriptions TO cloudbill_app")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    for function in ("guard_invoice_item", "refuse_usage_billed_twice", "guard_effective", "guard_redemption"):
        op.execute(f"DROP FUNCTION {function}()")
    for check in ("interval", "cycle", "proration", "collection", "cycle_range", "canceled", "paused", "ended",
                  "commitment", "parked"):  # fmt: skip
        op.drop_constraint(op.f(f"subscriptions_{check}_check"), "subscriptions")
    op.drop_index("subscriptions_due_idx", "subscriptions")
    for column in (*_required(), *_optional()):
        op.drop_column("subscriptions", column.name)


def _required() -> list[sa.Column[object]]:
    return [
        sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("collection", sa.Text(), nullable=False, server_default="automatic"),
        sa.Column("interval", sa.Text(), nullable=False, server_default="month"),
        sa.Column("interval_count", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("cycle", sa.Text(), nullable=False, server_default="anniversary"),
        sa.Column("proration", sa.Text(), nullable=False, server_default="second"),
        sa.Column("anchor", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("zone", sa.Text(), nullable=False, server_default="UTC"),
        sa.Column("period_number", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("ordinal", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("paid_through", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    ]


def _optional() -> list[sa.Column[object]]:
    return [
        sa.Column("anchor_day", sa.BigInteger()),
        *(
            sa.Column(name, sa.DateTime(timezone=True))
            for name in ("trial_end", "trial_notice_at", "paused_at", "resume_at", "cancel_at")
        ),
        sa.Column("pending", postgresql.JSONB()),
        sa.Column("commitment", postgresql.JSONB()),
        sa.Column("commitment_from", sa.DateTime(timezone=True)),
        sa.Column("commitment_left", sa.BigInteger()),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("parked_at", sa.DateTime(timezone=True)),
        sa.Column("parked_error", sa.Text()),
        sa.Column("cancel_reason", sa.Text()),
    ]


def extend_subscriptions() -> None:
    for column in (*_required(), *_optional()):
        op.add_column("subscriptions", column)
    op.create_index(
        "subscriptions_due_idx", "subscriptions", ["tenant_id", "due_at"], postgresql_where="due_at IS NOT NULL"
    )


def check_subscriptions() -> None:
    for column in _required():
        # They were for the rows there were.
        op.alter_column("subscriptions", column.name, server_default=None)
    for name, condition in (
        ("interval", "interval IN ('day', 'week', 'month', 'quarter', 'year')"),
        ("cycle", "cycle IN ('anniversary', 'calendar')"),
        ("proration", "proration IN ('second', 'day')"),
        ("collection", "collection IN ('automatic', 'send_invoice')"),
        ("cycle_range", "interval_count BETWEEN 1 AND 365 AND anchor_day BETWEEN 1 AND 31"),
        ("canceled", "(state = 'canceled') = (canceled_at IS NOT NULL)"),
        ("paused", "(state = 'paused') = (paused_at IS NOT NULL)"),
        ("ended", "state <> 'canceled' OR (due_at IS NULL AND pending IS NULL)"),
        ("commitment", "num_nulls(commitment, commitment_from, commitment_left) IN (0, 3)"),
        ("parked", "(parked_at IS NULL) = (parked_error IS NULL)"),
    ):
        op.create_check_constraint(op.f(f"subscriptions_{name}_check"), "subscriptions", condition)
