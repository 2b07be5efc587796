"""Rates of tax: what the installation knows of them, and what tenants add."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from core.foundation.migrations.security import isolate, never_changed

revision = "0018"
down_revision = "0017"

SQL = Path(__file__).parent.parent / "sql" / "0018"


def upgrade() -> None:
    op.create_table(
        "tax_rates",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), server_default="", nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("percent", sa.Numeric(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        # Also refuses NaN, which numeric knows.
        sa.CheckConstraint("percent >= 0 AND percent <= 100", name=op.f("tax_rates_percent_check")),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("tax_rates_country_check")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("tax_rates_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("tax_rates_pkey")),
        sa.UniqueConstraint(
            "tenant_id",
            "country",
            "region",
            "code",
            "effective_from",
            name=op.f("tax_rates_tenant_id_country_region_code_effective_from_key"),
        ),
    )
    # Before row security binds the owner, too.
    op.execute((SQL / "rates.sql").read_text())
    isolate("tax_rates", app="SELECT, INSERT", installation_rows=True)
    never_changed("tax_rates")


def downgrade() -> None:
    op.drop_table("tax_rates")
