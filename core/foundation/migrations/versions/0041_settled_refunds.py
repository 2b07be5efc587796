"""A refused refund says how much of it was given back otherwise."""

from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE refunds ADD COLUMN settled_minor bigint NOT NULL DEFAULT 0, "
        "ADD CONSTRAINT refunds_settled_check CHECK (settled_minor BETWEEN 0 AND amount_minor)"
    )
    op.execute("GRANT UPDATE (settled_minor) ON refunds TO cloudbill_app")


def downgrade() -> None:
    """What was settled is not known afterwards: what credit notes give back by hand is too much then."""
    op.execute("ALTER TABLE refunds DROP COLUMN settled_minor")
