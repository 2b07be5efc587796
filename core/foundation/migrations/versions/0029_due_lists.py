"""Indexes for what is asked every few seconds: which open invoices are to be collected."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"

INDEXES = (
    (
        "invoices_automatic_idx",
        "invoices",
        ("tenant_id", "finalized_at"),
        "state = 'open' AND collection = 'automatic'",
    ),
    ("subscriptions_never_paid_idx", "subscriptions", ("tenant_id", "id"), "cancel_reason = 'never_paid'"),
    ("collections_paused_idx", "collections", ("tenant_id", "invoice_id"), "state = 'ended' AND outcome = 'pause'"),
)


def upgrade() -> None:
    for name, table, columns, where in INDEXES:
        op.create_index(name, table, list(columns), postgresql_where=sa.text(where))


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table_name=table)
