"""Failovers are evidence, too."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("ALTER TABLE recovery_evidence DROP CONSTRAINT recovery_evidence_kind_check")
    op.execute(
        "ALTER TABLE recovery_evidence ADD CONSTRAINT recovery_evidence_kind_check "
        "CHECK (kind IN ('drill', 'restore', 'release', 'failover'))"
    )
