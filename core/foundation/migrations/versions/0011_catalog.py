"""Products, versions of plans and the parts of their prices, coupons. What was sold before keeps its terms."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import isolate, never_changed

revision = "0011"
down_revision = "0010"

SQL = Path(__file__).parent.parent / "sql" / "0011"

INSTALLATION_TABLES = {
    "products": "SELECT, INSERT, UPDATE (name, description, archived_at)",
    "plan_versions": "SELECT, INSERT",
    "price_components": "SELECT, INSERT",
}
TENANT_TABLES = {
    "coupons": "SELECT, INSERT, UPDATE (name, redeemed, archived_at)",
    "coupon_plans": "SELECT, INSERT",
    "coupon_products": "SELECT, INSERT",
}
NEVER_CHANGED = ("plan_versions", "price_components", "coupon_plans", "coupon_products")
INTERVALS = "('day', 'week', 'month', 'quarter', 'year')"


def upgrade() -> None:
    create_products()
    create_versions()
    create_components()
    create_coupons()
    # Before row security binds the owner, too.
    op.execute((SQL / "backfill.sql").read_text())
    op.create_foreign_key(
        op.f("prices_tenant_id_plan_id_version_fkey"),
        "prices",
        "plan_versions",
        ["tenant_id", "plan_id", "version"],
        ["tenant_id", "plan_id", "version"],
    )
    for table, rights in INSTALLATION_TABLES.items():
        isolate(table, app=rights, installation_rows=True)
    for table, rights in TENANT_TABLES.items():
        isolate(table, app=rights)
    for table in NEVER_CHANGED:
        never_changed(table)
    op.execute("GRANT UPDATE (description) ON plans TO cloudbill_app")
    op.execute((SQL / "functions.sql").read_text())


def create_products() -> None:
    op.create_table(
        "products",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("products_pkey")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("products_tenant_id_code_key")),
    )
    op.add_column("plans", sa.Column("product_id", sa.UUID(), nullable=True))
    op.add_column("plans", sa.Column("description", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("plans_tenant_id_product_id_fkey"), "plans", "products", ["tenant_id", "product_id"], ["tenant_id", "id"]
    )


def create_versions() -> None:
    op.create_table(
        "plan_versions",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("plan_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("interval_count", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.Text(), nullable=False),
        sa.Column("proration", sa.Text(), nullable=False),
        sa.Column("applies", sa.Text(), nullable=False),
        sa.Column("trial_days", sa.BigInteger(), nullable=True),
        sa.Column("trial_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(f"interval IN {INTERVALS}", name=op.f("plan_versions_interval_check")),
        sa.CheckConstraint("interval_count BETWEEN 1 AND 365", name=op.f("plan_versions_interval_count_check")),
        sa.CheckConstraint("cycle IN ('anniversary', 'calendar')", name=op.f("plan_versions_cycle_check")),
        sa.CheckConstraint("proration IN ('second', 'day')", name=op.f("plan_versions_proration_check")),
        sa.CheckConstraint("applies IN ('new', 'renewal')", name=op.f("plan_versions_applies_check")),
        sa.CheckConstraint("trial_days BETWEEN 1 AND 730", name=op.f("plan_versions_trial_days_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "plan_id"], ["plans.tenant_id", "plans.id"], name=op.f("plan_versions_tenant_id_plan_id_fkey")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "plan_id", "version", name=op.f("plan_versions_pkey")),
    )
    op.add_column("prices", sa.Column("minimum", postgresql.JSONB(), nullable=True))
    op.add_column("prices", sa.Column("commitment", postgresql.JSONB(), nullable=True))
    op.drop_constraint(op.f("prices_interval_check"), "prices")
    op.create_check_constraint(op.f("prices_interval_check"), "prices", f"interval IN {INTERVALS}")


def create_components() -> None:
    op.create_table(
        "price_components",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("price_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_add_on", sa.Boolean(), nullable=False),
        sa.Column("meter_id", sa.UUID(), nullable=True),
        sa.Column("definition", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("kind IN ('recurring', 'usage', 'one_time')", name=op.f("price_components_kind_check")),
        sa.CheckConstraint("(kind = 'usage') = (meter_id IS NOT NULL)", name=op.f("price_components_meter_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "price_id"],
            ["prices.tenant_id", "prices.id"],
            name=op.f("price_components_tenant_id_price_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "meter_id"],
            ["meters.tenant_id", "meters.id"],
            name=op.f("price_components_tenant_id_meter_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("price_components_pkey")),
        sa.UniqueConstraint("tenant_id", "price_id", "code", name=op.f("price_components_tenant_id_price_id_code_key")),
    )


def create_coupons() -> None:
    op.create_table(
        "coupons",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("percent", sa.Numeric(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("duration", sa.Text(), nullable=False),
        sa.Column("periods", sa.BigInteger(), nullable=True),
        sa.Column("redeem_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("max_redemptions", sa.BigInteger(), nullable=True),
        sa.Column("redeemed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("duration IN ('once', 'repeating', 'forever')", name=op.f("coupons_duration_check")),
        sa.CheckConstraint(
            "(percent IS NULL) <> (amount_minor IS NULL) AND (amount_minor IS NULL) = (currency IS NULL)",
            name=op.f("coupons_takes_check"),
        ),
        # Also refuses NaN, which numeric knows.
        sa.CheckConstraint(
            "(percent > 0 AND percent <= 100) IS NOT FALSE AND (amount_minor > 0) IS NOT FALSE",
            name=op.f("coupons_range_check"),
        ),
        sa.CheckConstraint("(duration = 'repeating') = (periods IS NOT NULL)", name=op.f("coupons_periods_check")),
        sa.CheckConstraint(
            "redeemed >= 0 AND (redeemed <= max_redemptions) IS NOT FALSE", name=op.f("coupons_redeemed_check")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("coupons_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("coupons_pkey")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("coupons_tenant_id_code_key")),
    )
    for table, parent in (("coupon_plans", "plan"), ("coupon_products", "product")):
        op.create_table(
            table,
            sa.Column("tenant_id", sa.UUID(), nullable=False),
            sa.Column("coupon_id", sa.UUID(), nullable=False),
            sa.Column(f"{parent}_id", sa.UUID(), nullable=False),
            sa.ForeignKeyConstraint(
                ["tenant_id", "coupon_id"],
                ["coupons.tenant_id", "coupons.id"],
                name=op.f(f"{table}_tenant_id_coupon_id_fkey"),
            ),
            sa.ForeignKeyConstraint(
                ["tenant_id", f"{parent}_id"],
                [f"{parent}s.tenant_id", f"{parent}s.id"],
                name=op.f(f"{table}_tenant_id_{parent}_id_fkey"),
            ),
            sa.PrimaryKeyConstraint("tenant_id", "coupon_id", f"{parent}_id", name=op.f(f"{table}_pkey")),
        )
