"""The first schema: tenants, users, ledger, credits, usage, payments, jobs; row security on all of it."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

from core.foundation.migrations.security import create_roles, enclose, isolate, never_changed

revision = "0001"
down_revision = None

SQL = Path(__file__).parent.parent / "sql" / "0001"

ALL_ROWS = "SELECT, INSERT, UPDATE, DELETE"
TENANT_TABLES = {
    "memberships": ALL_ROWS,
    "invitations": "SELECT, INSERT, UPDATE (accepted_at, revoked_at)",
    "api_keys": "SELECT, INSERT, UPDATE (revoked_at)",
    "audit_log": "SELECT, INSERT",
    "idempotency_keys": "SELECT, INSERT, DELETE",
    "tenant_clocks": "SELECT, INSERT, UPDATE (now_at)",
    "customers": "SELECT, INSERT, UPDATE (external_id, name, email)",
    "accounts": "SELECT, INSERT, UPDATE (balance_micro, held_micro, version)",
    "ledger_transactions": "SELECT, INSERT",
    "ledger_entries": "SELECT, INSERT",
    "ledger_blocks": "SELECT, INSERT",
    "holds": "SELECT, INSERT, UPDATE (state, closed_at, transaction_id)",
    "usage_events": "SELECT, INSERT",
    "usage_keys": "SELECT, INSERT, UPDATE (event_id, event_occurred_at, transaction_id)",
    "subscriptions": "SELECT, INSERT, UPDATE (state, current_period_start, current_period_end, canceled_at)",
    "purchases": "SELECT, INSERT, UPDATE (state, paid_by, paid_at, refunded_minor, lease_until)",
    "payments": "SELECT, INSERT, UPDATE (state, provider_id, provider_intent_id, failure_code, updated_at)",
    "refunds": "SELECT, INSERT, UPDATE (state, provider_id, failure_code, updated_at)",
    "disputes": "SELECT, INSERT, UPDATE (state, closed_at)",
}
INSTALLATION_TABLES = {
    "credit_packages": "SELECT, INSERT, UPDATE (archived_at)",
    "plans": "SELECT, INSERT, UPDATE (name, archived_at)",
    "prices": "SELECT, INSERT",
    "price_books": "SELECT, INSERT",
    "model_prices": "SELECT, INSERT",
}
NEVER_CHANGED = (
    "audit_log",
    "ledger_transactions",
    "ledger_entries",
    "ledger_blocks",
    "usage_events",
    "prices",
    "price_books",
    "model_prices",
)


def upgrade() -> None:
    create_roles()
    run("foundation.sql")
    create_tables()
    for table, rights in TENANT_TABLES.items():
        isolate(table, app=rights)
    isolate("tenants", app="SELECT, INSERT, UPDATE (name, charge_policy)", tenant_column="id")
    for table, rights in INSTALLATION_TABLES.items():
        isolate(table, app=rights, installation_rows=True)
    enclose("users", operator="SELECT (id, email, name, installation_role, created_at, disabled_at)")
    enclose("sign_ins")
    enclose("refresh_tokens")
    enclose("signing_keys")
    enclose("provider_events", operator="SELECT")
    enclose("job_errors", operator="SELECT")
    for table in NEVER_CHANGED:
        never_changed(table)
    run("ledger.sql")
    run("usage.sql")
    run("posting.sql")
    run("time.sql")
    run("identity.sql")
    run("payments.sql")
    script(SchemaManager.get_schema())
    run("jobs.sql")
    run("seed.sql")
    op.execute("GRANT USAGE ON SCHEMA public TO cloudbill_app, cloudbill_operator, cloudbill_mover")
    op.execute("GRANT SELECT ON alembic_version TO cloudbill_app, cloudbill_operator")


def run(file_name: str) -> None:
    script((SQL / file_name).read_text())


def script(statements: str) -> None:
    # The driver itself, without parameters: several statements at once, and a % is a %.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None, "a migration runs on an open connection"
    driver.execute(statements)


def create_tables() -> None:
    op.create_table(
        "credit_packages",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_micro", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_minor > 0 AND credits_micro > 0", name=op.f("credit_packages_positive_check")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("credit_packages_pkey")),
        sa.UniqueConstraint("tenant_id", "code", "currency", name=op.f("credit_packages_tenant_id_code_currency_key")),
    )
    op.create_table(
        "ledger_blocks",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("transaction_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ledger_blocks_number_check")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ledger_blocks_hash_check")),
        sa.CheckConstraint(
            "octet_length(digests) = 32 * cardinality(transaction_ids)", name=op.f("ledger_blocks_digests_check")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "number", name=op.f("ledger_blocks_pkey")),
    )
    op.create_index("ledger_blocks_recent_idx", "ledger_blocks", ["tenant_id", "sealed_at"], unique=False)
    op.create_table(
        "ledger_transactions",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "kind IN ('purchase', 'usage', 'refund', 'refund_reversal', 'dispute', 'dispute_reversal', "
            "'receivable_payment', 'grant', 'adjustment')",
            name=op.f("ledger_transactions_kind_check"),
        ),
        sa.CheckConstraint("(kind = 'usage') = (reference IS NULL)", name=op.f("ledger_transactions_reference_check")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("ledger_transactions_pkey")),
    )
    op.create_index(
        "ledger_transactions_reference_key",
        "ledger_transactions",
        ["tenant_id", "kind", "reference"],
        unique=True,
        postgresql_where="kind <> 'usage'",
    )
    op.create_table(
        "plans",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("plans_pkey")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("plans_tenant_id_code_key")),
    )
    op.create_table(
        "price_books",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("price_books_pkey")),
        sa.UniqueConstraint(
            "tenant_id", "currency", "version", name=op.f("price_books_tenant_id_currency_version_key")
        ),
    )
    op.create_table(
        "provider_events",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("provider_account_id", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.UUID(), nullable=True),
        sa.Column("provider_created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('received', 'applied', 'ignored', 'parked')", name=op.f("provider_events_state_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("provider_events_pkey")),
        sa.UniqueConstraint(
            "provider_account_id", "provider_id", name=op.f("provider_events_provider_account_id_provider_id_key")
        ),
    )
    op.create_index(
        "provider_events_open_idx",
        "provider_events",
        ["received_at"],
        unique=False,
        postgresql_where="state IN ('received', 'parked')",
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("public_pem", sa.Text(), nullable=False),
        sa.Column("private_pem_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("signs_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verifies_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("signing_keys_pkey")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("is_probe", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("charge_policy", sa.Text(), server_default="refuse", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("charge_policy IN ('refuse', 'receivable')", name=op.f("tenants_charge_policy_check")),
        sa.CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]{1,62}$'", name=op.f("tenants_slug_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("tenants_pkey")),
        sa.UniqueConstraint("slug", name=op.f("tenants_slug_key")),
    )
    op.create_table(
        "usage_keys",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("event_occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transaction_id", sa.UUID(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("usage_keys_pkey")),
    )
    op.create_index(
        "usage_keys_transaction_key",
        "usage_keys",
        ["tenant_id", "transaction_id"],
        unique=True,
        postgresql_where="transaction_id IS NOT NULL",
    )
    op.create_table(
        "users",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("installation_role", sa.Text(), nullable=True),
        sa.Column("last_tenant_id", sa.UUID(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("installation_role IN ('operator', 'finance')", name=op.f("users_installation_role_check")),
        sa.CheckConstraint("email = lower(email)", name=op.f("users_email_folded_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        sa.UniqueConstraint("email", name=op.f("users_email_key")),
    )
    op.create_table(
        "api_keys",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("rate_limit", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("api_keys_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("api_keys_pkey")),
        sa.UniqueConstraint("prefix", name=op.f("api_keys_prefix_key")),
    )
    op.create_table(
        "audit_log",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=True),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("audit_log_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("audit_log_pkey")),
    )
    op.create_table(
        "customers",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("is_self", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("customers_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("customers_pkey")),
        sa.UniqueConstraint("tenant_id", "external_id", name=op.f("customers_tenant_id_external_id_key")),
    )
    op.create_index("customers_self_key", "customers", ["tenant_id"], unique=True, postgresql_where="is_self")
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("idempotency_keys_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "door", "key", name=op.f("idempotency_keys_pkey")),
    )
    op.create_table(
        "invitations",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("invited_by", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('owner', 'finance', 'developer', 'read_only')", name=op.f("invitations_role_check")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("invitations_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("invitations_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("invitations_token_hash_key")),
    )
    op.create_table(
        "memberships",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "role IN ('owner', 'finance', 'developer', 'read_only')", name=op.f("memberships_role_check")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("memberships_tenant_id_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("memberships_user_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("memberships_pkey")),
    )
    op.create_index(op.f("memberships_user_id_idx"), "memberships", ["user_id"], unique=False)
    op.create_table(
        "model_prices",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("price_book_id", sa.UUID(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("input_per_million", sa.Numeric(), nullable=False),
        sa.Column("cached_per_million", sa.Numeric(), nullable=False),
        sa.Column("output_per_million", sa.Numeric(), nullable=False),
        sa.CheckConstraint(
            "input_per_million BETWEEN 0 AND 1000000 AND cached_per_million BETWEEN 0 AND 1000000 "
            "AND output_per_million BETWEEN 0 AND 1000000",
            name=op.f("model_prices_range_check"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "price_book_id"],
            ["price_books.tenant_id", "price_books.id"],
            name=op.f("model_prices_tenant_id_price_book_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "price_book_id", "model", name=op.f("model_prices_pkey")),
    )
    op.create_table(
        "prices",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("plan_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("interval IN ('month', 'year')", name=op.f("prices_interval_check")),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("prices_amount_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "plan_id"], ["plans.tenant_id", "plans.id"], name=op.f("prices_tenant_id_plan_id_fkey")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("prices_pkey")),
        sa.UniqueConstraint(
            "tenant_id", "plan_id", "version", "currency", name=op.f("prices_tenant_id_plan_id_version_currency_key")
        ),
    )
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("tenant_id", sa.UUID(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_because", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("sign_ins_user_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("sign_ins_pkey")),
    )
    op.create_index(op.f("sign_ins_user_id_idx"), "sign_ins", ["user_id"], unique=False)
    op.create_table(
        "tenant_clocks",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("now_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("tenant_clocks_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("tenant_clocks_pkey")),
    )
    op.create_table(
        "accounts",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("floor_micro", sa.BigInteger(), nullable=True),
        sa.Column("balance_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "(kind = 'wallet') = (floor_micro IS NOT NULL)", name=op.f("accounts_floor_of_wallet_check")
        ),
        sa.CheckConstraint("held_micro >= 0 AND (kind = 'wallet' OR held_micro = 0)", name=op.f("accounts_held_check")),
        sa.CheckConstraint("kind <> 'receivable' OR balance_micro <= 0", name=op.f("accounts_receivable_check")),
        sa.CheckConstraint(
            "kind IN ('wallet', 'receivable', 'revenue', 'clearing', 'granted')", name=op.f("accounts_kind_check")
        ),
        sa.CheckConstraint("balance_micro - held_micro >= floor_micro", name=op.f("accounts_floor_check")),
        sa.CheckConstraint("version >= 0", name=op.f("accounts_version_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("accounts_tenant_id_customer_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("accounts_pkey")),
        sa.UniqueConstraint(
            "tenant_id",
            "customer_id",
            "kind",
            "currency",
            name=op.f("accounts_tenant_id_customer_id_kind_currency_key"),
        ),
    )
    op.create_table(
        "purchases",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("package_code", sa.Text(), nullable=False),
        sa.Column("package_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_micro", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("success_url", sa.Text(), nullable=False),
        sa.Column("cancel_url", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_by", sa.Text(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'paid', 'failed', 'canceled', 'refunded')", name=op.f("purchases_state_check")
        ),
        sa.CheckConstraint("paid_by IN ('intent', 'checkout')", name=op.f("purchases_paid_by_check")),
        sa.CheckConstraint("(paid_by IS NULL) = (paid_at IS NULL)", name=op.f("purchases_paid_check")),
        sa.CheckConstraint("amount_minor > 0 AND credits_micro > 0", name=op.f("purchases_amount_check")),
        sa.CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name=op.f("purchases_refunded_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("purchases_tenant_id_customer_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("purchases_pkey")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("purchases_tenant_id_idempotency_key_key")),
    )
    op.create_index(
        "purchases_open_idx",
        "purchases",
        ["recorded_at"],
        unique=False,
        postgresql_where="state IN ('pending', 'failed')",
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("sign_in_id", sa.UUID(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["sign_in_id"], ["sign_ins.id"], name=op.f("refresh_tokens_sign_in_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("refresh_tokens_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("refresh_tokens_token_hash_key")),
    )
    op.create_index(op.f("refresh_tokens_sign_in_id_idx"), "refresh_tokens", ["sign_in_id"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("plan_tenant_id", sa.UUID(), nullable=False),
        sa.Column("plan_id", sa.UUID(), nullable=False),
        sa.Column("price_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("current_period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("current_period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("canceled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('incomplete', 'trialing', 'active', 'past_due', 'paused', 'canceled')",
            name=op.f("subscriptions_state_check"),
        ),
        sa.CheckConstraint("current_period_end > current_period_start", name=op.f("subscriptions_period_check")),
        sa.CheckConstraint(
            "plan_tenant_id IN (tenant_id, '00000000-0000-0000-0000-000000000000')",
            name=op.f("subscriptions_plan_tenant_check"),
        ),
        sa.ForeignKeyConstraint(
            ["plan_tenant_id", "plan_id"],
            ["plans.tenant_id", "plans.id"],
            name=op.f("subscriptions_plan_tenant_id_plan_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["plan_tenant_id", "price_id"],
            ["prices.tenant_id", "prices.id"],
            name=op.f("subscriptions_plan_tenant_id_price_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("subscriptions_tenant_id_customer_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("subscriptions_pkey")),
    )
    op.create_table(
        "usage_events",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price_book_version", sa.BigInteger(), nullable=False),
        sa.Column("arithmetic", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("transaction_id", sa.UUID(), nullable=True),
        sa.Column("hold_id", sa.UUID(), nullable=True),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "(outcome = 'settled') = (transaction_id IS NOT NULL)", name=op.f("usage_events_settled_check")
        ),
        sa.CheckConstraint("outcome IN ('settled', 'refused')", name=op.f("usage_events_outcome_check")),
        sa.CheckConstraint("amount_micro >= 0", name=op.f("usage_events_amount_check")),
        sa.CheckConstraint(
            "input_tokens >= 0 AND output_tokens >= 0 AND cached_tokens BETWEEN 0 AND input_tokens",
            name=op.f("usage_events_tokens_check"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("usage_events_tenant_id_customer_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", "occurred_at", name=op.f("usage_events_pkey")),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_index("usage_events_recent_idx", "usage_events", ["tenant_id", "occurred_at", "id"], unique=False)
    op.create_table(
        "holds",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("transaction_id", sa.UUID(), nullable=True),
        sa.Column("balance_after_micro", sa.BigInteger(), nullable=False),
        sa.Column("available_after_micro", sa.BigInteger(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name=op.f("holds_closed_check")),
        sa.CheckConstraint("(state = 'settled') = (transaction_id IS NOT NULL)", name=op.f("holds_settled_check")),
        sa.CheckConstraint("state IN ('open', 'settled', 'released', 'expired')", name=op.f("holds_state_check")),
        sa.CheckConstraint("amount_micro > 0", name=op.f("holds_amount_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["accounts.tenant_id", "accounts.id"],
            name=op.f("holds_tenant_id_account_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
            name=op.f("holds_tenant_id_customer_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "transaction_id"],
            ["ledger_transactions.tenant_id", "ledger_transactions.id"],
            name=op.f("holds_tenant_id_transaction_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("holds_pkey")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("holds_tenant_id_idempotency_key_key")),
    )
    op.create_index(
        "holds_open_idx",
        "holds",
        ["tenant_id", "account_id", "expires_at"],
        unique=False,
        postgresql_include=["amount_micro"],
        postgresql_where="state = 'open'",
    )
    op.create_table(
        "ledger_entries",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.UUID(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("balance_after_micro", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["accounts.tenant_id", "accounts.id"],
            name=op.f("ledger_entries_tenant_id_account_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "transaction_id"],
            ["ledger_transactions.tenant_id", "ledger_transactions.id"],
            name=op.f("ledger_entries_tenant_id_transaction_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "account_id", "version", name=op.f("ledger_entries_pkey")),
    )
    op.create_index(
        op.f("ledger_entries_tenant_id_transaction_id_idx"),
        "ledger_entries",
        ["tenant_id", "transaction_id"],
        unique=False,
    )
    op.create_table(
        "payments",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("purchase_id", sa.UUID(), nullable=False),
        sa.Column("means", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("provider_account_id", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("provider_intent_id", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("means IN ('intent', 'checkout')", name=op.f("payments_means_check")),
        sa.CheckConstraint(
            "state IN ('pending', 'succeeded', 'failed', 'canceled')", name=op.f("payments_state_check")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "purchase_id"],
            ["purchases.tenant_id", "purchases.id"],
            name=op.f("payments_tenant_id_purchase_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("payments_pkey")),
        sa.UniqueConstraint("tenant_id", "purchase_id", "means", name=op.f("payments_tenant_id_purchase_id_means_key")),
    )
    op.create_index("payments_intent_idx", "payments", ["provider_account_id", "provider_intent_id"], unique=False)
    op.create_index("payments_provider_key", "payments", ["provider_account_id", "provider_id"], unique=True)
    op.create_table(
        "refunds",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("purchase_id", sa.UUID(), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_micro", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.UUID(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("input_hash", sa.LargeBinary(), nullable=True),
        sa.Column("provider_account_id", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'succeeded', 'failed', 'canceled')", name=op.f("refunds_state_check")),
        sa.CheckConstraint("origin IN ('requested', 'reported', 'duplicate')", name=op.f("refunds_origin_check")),
        sa.CheckConstraint("amount_minor > 0 AND credits_micro >= 0", name=op.f("refunds_amount_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "purchase_id"],
            ["purchases.tenant_id", "purchases.id"],
            name=op.f("refunds_tenant_id_purchase_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payments.tenant_id", "payments.id"],
            name=op.f("refunds_tenant_id_payment_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("refunds_pkey")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("refunds_tenant_id_idempotency_key_key")),
    )
    op.create_index("refunds_open_idx", "refunds", ["updated_at"], unique=False, postgresql_where="state = 'pending'")
    op.create_index("refunds_provider_key", "refunds", ["provider_account_id", "provider_id"], unique=True)
    op.create_table(
        "disputes",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("purchase_id", sa.UUID(), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_micro", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("provider_account_id", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'won', 'lost')", name=op.f("disputes_state_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "purchase_id"],
            ["purchases.tenant_id", "purchases.id"],
            name=op.f("disputes_tenant_id_purchase_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payments.tenant_id", "payments.id"],
            name=op.f("disputes_tenant_id_payment_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("disputes_pkey")),
    )
    op.create_index("disputes_provider_key", "disputes", ["provider_account_id", "provider_id"], unique=True)
    op.create_table(
        "job_errors",
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("job_errors_pkey")),
    )
