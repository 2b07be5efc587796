"""Who customers are, where they live and in which currency they pay; how a tenant's invoices look."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import isolate

revision = "0016"
down_revision = "0015"

PROFILE = (
    "name, email, phone, address, tax_id, tax_treatment, tax_exempt_reason, language, time_zone, currency, changed_at"
)


def upgrade() -> None:
    for column in (
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("address", postgresql.JSONB(), nullable=True),
        sa.Column("tax_id", sa.Text(), nullable=True),
        sa.Column("tax_treatment", sa.Text(), server_default="automatic", nullable=False),
        sa.Column("tax_exempt_reason", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("customers", column)
    op.create_check_constraint(
        op.f("customers_tax_treatment_check"),
        "customers",
        "tax_treatment IN ('automatic', 'exempt', 'reverse_charge')",
    )
    op.create_check_constraint(
        op.f("customers_tax_exempt_check"), "customers", "(tax_treatment = 'exempt') = (tax_exempt_reason IS NOT NULL)"
    )
    op.execute(f"GRANT UPDATE ({PROFILE}) ON customers TO cloudbill_app")
    op.create_table(
        "invoice_settings",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=True),
        sa.Column("address", postgresql.JSONB(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("tax_ids", postgresql.JSONB(), nullable=False),
        sa.Column("registration", sa.Text(), nullable=True),
        sa.Column("tax_number", sa.Text(), nullable=True),
        sa.Column("one_stop_shop", sa.Boolean(), nullable=False),
        sa.Column("tax_rounding", sa.Text(), nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("logo_type", sa.Text(), nullable=True),
        sa.Column("accent_color", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("number_prefix", sa.Text(), nullable=False),
        sa.Column("credit_note_prefix", sa.Text(), nullable=False),
        sa.Column("number_digits", sa.BigInteger(), nullable=False),
        sa.Column("net_days", sa.BigInteger(), nullable=False),
        sa.Column("grace_hours", sa.BigInteger(), nullable=False),
        sa.Column("late_usage", sa.Text(), nullable=False),
        sa.Column("bank", postgresql.JSONB(), nullable=True),
        sa.Column("footer", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tax_rounding IN ('rate', 'line')", name=op.f("invoice_settings_tax_rounding_check")),
        sa.CheckConstraint(
            "late_usage IN ('next_invoice', 'credit_note')", name=op.f("invoice_settings_late_usage_check")
        ),
        sa.CheckConstraint("number_digits BETWEEN 1 AND 12", name=op.f("invoice_settings_number_digits_check")),
        sa.CheckConstraint("net_days BETWEEN 0 AND 365", name=op.f("invoice_settings_net_days_check")),
        sa.CheckConstraint("grace_hours BETWEEN 0 AND 720", name=op.f("invoice_settings_grace_hours_check")),
        sa.CheckConstraint("(logo IS NULL) = (logo_type IS NULL)", name=op.f("invoice_settings_logo_check")),
        sa.CheckConstraint("number_prefix <> credit_note_prefix", name=op.f("invoice_settings_prefix_check")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("invoice_settings_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("invoice_settings_pkey")),
    )
    isolate("invoice_settings", app="SELECT, INSERT, UPDATE")


def downgrade() -> None:
    op.drop_table("invoice_settings")
    for column in (
        "phone", "address", "tax_id", "tax_treatment", "tax_exempt_reason", "language", "time_zone", "currency",
        "changed_at",
    ):  # fmt: skip
        op.drop_column("customers", column)
