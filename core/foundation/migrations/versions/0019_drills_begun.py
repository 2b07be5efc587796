"""A drill in a cloud notes the copy that it is about to make: one that was killed is known by what it left."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute("ALTER TABLE recovery_evidence DROP CONSTRAINT recovery_evidence_kind_check")
    op.execute(
        "ALTER TABLE recovery_evidence ADD CONSTRAINT recovery_evidence_kind_check "
        "CHECK (kind IN ('drill', 'restore', 'release', 'failover', 'drill_begun'))"
    )


def downgrade() -> None:
    """What was noted stays; nothing of that kind is added any more."""
    op.execute("ALTER TABLE recovery_evidence DROP CONSTRAINT recovery_evidence_kind_check")
    op.execute(
        "ALTER TABLE recovery_evidence ADD CONSTRAINT recovery_evidence_kind_check "
        "CHECK (kind IN ('drill', 'restore', 'release', 'failover')) NOT VALID"
    )
