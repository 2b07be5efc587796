"""What an audit row says beside who did what, the audit log's chain, and erasures."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import isolate, never_changed

revision = "0024"
down_revision = "0023"

SQL = Path(__file__).parent.parent / "sql" / "0024"


def upgrade() -> None:
    for column in (
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("origin", sa.LargeBinary(), nullable=True),
        sa.Column("change", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_for", sa.UUID(), nullable=True),
    ):
        op.add_column("audit_log", column)
    op.create_table(
        "audit_blocks",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("entry_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("audit_blocks_number_check")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("audit_blocks_hash_check")),
        sa.CheckConstraint(
            "octet_length(digests) = 32 * cardinality(entry_ids)", name=op.f("audit_blocks_digests_check")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("audit_blocks_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "number", name=op.f("audit_blocks_pkey")),
    )
    op.create_table(
        "erasures",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("requested_by", sa.UUID(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("keeps", postgresql.JSONB(), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("subject_kind IN ('customer', 'user')", name=op.f("erasures_subject_kind_check")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("erasures_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("erasures_pkey")),
        sa.UniqueConstraint("tenant_id", "subject_id", name=op.f("erasures_tenant_id_subject_id_key")),
    )
    op.create_index(
        "erasures_open_idx", "erasures", ["tenant_id", "kept_until"], postgresql_where="completed_at IS NULL"
    )
    isolate("audit_blocks", app="SELECT, INSERT")
    isolate("erasures", app="SELECT, INSERT, UPDATE (completed_at)")
    never_changed("audit_blocks")
    driver = op.get_bind().connection.driver_connection
    assert driver is not None, "a migration runs on an open connection"
    driver.execute((SQL / "records.sql").read_text())


def downgrade() -> None:
    op.execute("DROP FUNCTION erase_user(uuid, timestamptz)")
    op.drop_table("erasures")
    op.drop_table("audit_blocks")
    for column in ("request_id", "origin", "change", "sealed_for"):
        op.drop_column("audit_log", column)
