"""What the catalog says of every table: row security on and forced, keys that lead with the tenant, narrow rights."""

import re
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.support.rows import read_shapes

Connection = psycopg.AsyncConnection[Any]

# Read before a tenant is known, and reached through narrow functions alone.
BEFORE_A_TENANT = {"users", "sign_ins", "refresh_tokens", "signing_keys", "user_identities", "provider_events"}
# The job library's own: they hold our ids only, and no tenant's.
JOBS = {"procrastinate_jobs", "procrastinate_events", "procrastinate_periodic_defers", "procrastinate_workers"}
# What is kept of jobs beside the library's tables.
ABOUT_JOBS = {"job_errors"}
# What the installation remembers of itself: no tenant's, and reached through narrow functions too.
ITS_OWN = {
    "deployments",
    "cost_estimates",
    "actual_costs",
    "alerts",
    "moves",
    "move_positions",
    "recovery_evidence",
    "recovery_runs",
    "recovery_standing",
    "worker_holds",
}
VERSION = {"alembic_version"}
# Whether this server may be written: about the server, not its data.
FENCE = {"write_fence"}
# A foreign key that carries a tenant of its own: the installation's plans are everybody's.
OF_THE_INSTALLATION = {
    "subscriptions_plan_tenant_id_plan_id_fkey",
    "subscriptions_plan_tenant_id_price_id_fkey",
    "subscription_terms_plan_tenant_id_plan_id_fkey",
    "subscription_terms_plan_tenant_id_price_id_fkey",
    "subscription_items_plan_tenant_id_component_id_fkey",
}

ROLES = ("cloudbill_app", "cloudbill_operator", "cloudbill_mover")


async def rows(admin: Connection, statement: sql.SQL | str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
    query = sql.SQL(statement) if isinstance(statement, str) else statement
    return await (await admin.execute(query, parameters)).fetchall()


async def test_row_security_is_on_and_forced_for_every_table_with_a_policy_for_each_reader(admin: Connection) -> None:
    tables = await rows(
        admin,
        "SELECT relname, relrowsecurity AND relforcerowsecurity, relispartition FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'f')",
    )
    open_tables = {name for name, forced, _ in tables if not forced}
    assert open_tables == JOBS | VERSION
    policies = {
        (table, policy)
        for table, policy in await rows(
            admin, "SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public'"
        )
    }
    without = [
        (name, policy)
        for name, _, is_partition in tables
        if name not in open_tables and not is_partition
        for policy in (
            ("operator_reads", "mover_moves", "owner_functions")
            if name in BEFORE_A_TENANT | ABOUT_JOBS | ITS_OWN | FENCE
            else ("tenant_writes", "tenant_reads", "owner_reads", "operator_reads", "mover_moves")
        )
        if (name, policy) not in policies
    ]
    assert without == []


async def test_no_policy_lets_the_application_past_its_tenant(admin: Connection) -> None:
    found = await rows(
        admin,
        "SELECT tablename, policyname, qual, with_check FROM pg_policies "
        "WHERE schemaname = 'public' AND (roles && ARRAY['cloudbill_app', 'public']::name[])",
    )
    own = re.compile(r"\((tenant_id|id) = (public\.)?app_tenant\(\)\)")
    zero = r"( OR \(tenant_id = '00000000-0000-0000-0000-000000000000'::uuid\)\))?"
    loose = [
        (table, policy)
        for table, policy, using, check in found
        if not re.fullmatch(rf"\(?{own.pattern}{zero}", using) or (check is not None and not own.fullmatch(check))
    ]
    assert loose == []


async def test_the_only_tables_without_a_tenant_are_those_named_here(admin: Connection) -> None:
    shapes = await read_shapes(admin)
    assert {name for name, shape in shapes.items() if not shape.tenant_column} == BEFORE_A_TENANT | ABOUT_JOBS | ITS_OWN


async def test_every_table_asks_the_write_fence_before_a_statement_writes(admin: Connection) -> None:
    unfenced = await rows(
        admin,
        "SELECT c.relname FROM pg_class c "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT EXISTS ("
        "  SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
        "  WHERE t.tgrelid = c.oid AND t.tgname = 'fenced' AND p.proname = 'refuse_when_fenced' AND t.tgenabled = 'O' "
        # BEFORE, once a statement, at INSERT, UPDATE, DELETE and TRUNCATE: 2 + 4 + 16 + 8 + 32 of pg_trigger.h.
        "  AND t.tgtype = 62 AND t.tgqual IS NULL AND t.tgattr = '')",
    )
    assert {name for (name,) in unfenced} == VERSION | FENCE


async def test_keys_lead_with_the_tenant(admin: Connection) -> None:
    shapes = await read_shapes(admin)
    wrong = [name for name, shape in shapes.items() if shape.tenant_column and shape.key[0] != shape.tenant_column]
    assert wrong == []


async def test_foreign_keys_between_tenants_tables_carry_the_tenant(admin: Connection) -> None:
    shapes = await read_shapes(admin)
    wrong = [
        reference.name
        for shape in shapes.values()
        for reference in shape.references
        if shape.tenant_column and shapes[reference.parent].tenant_column
        if reference.columns[0] != shape.tenant_column and reference.name not in OF_THE_INSTALLATION
    ]
    assert wrong == []


async def test_a_column_that_names_a_row_of_the_tenant_is_a_foreign_key(admin: Connection) -> None:
    # PostgreSQL cannot hold these: a usage event is partitioned, and a trigger holds it to its transaction instead.
    held_otherwise = {
        ("credit_lots", "rolled_from"),  # for information: a lot is never deleted
        ("usage_events", "customer_id"),
        ("usage_events", "transaction_id"),
        ("usage_events", "hold_id"),
        ("usage_keys", "event_id"),
        ("usage_keys", "transaction_id"),
        ("usage_aggregates", "last_event_id"),
        ("usage_backfill_events", "event_id"),
        ("usage_corrections", "event_id"),
        ("usage_corrections", "replacement_id"),
        # A line refers to its item: the other way round a trigger asks.
        ("invoice_items", "reverses_line_id"),
        # An invoice's or a credit note's; a payment's, a refund's or a dispute's; a customer's or a user's.
        ("invoice_numbers", "document_id"),
        ("invoice_payments", "cause_id"),
        ("subject_keys", "subject_id"),
    }
    # Who did it: a user, an API key or a customer, kept also when that is long gone.
    actors = {
        ("audit_log", "actor_id"),
        ("audit_log", "sealed_for"),
        ("erasures", "requested_by"),
        ("erasures", "subject_id"),
        ("api_keys", "created_by"),
        ("invitations", "invited_by"),
        ("refunds", "requested_by"),
        ("payments", "recorded_by"),
        ("payment_acknowledgements", "acknowledged_by"),
        ("meter_versions", "created_by"),
        ("usage_backfills", "created_by"),
        ("usage_backfills", "reverted_by"),
        ("usage_corrections", "corrected_by"),
        ("subscription_changes", "actor_id"),
        ("credit_notes", "created_by"),
        ("parked_customers", "resolved_by"),
        ("notification_templates", "created_by"),
    }
    # What a fact is about: a row of one of many tables, written in the same transaction.
    held_otherwise |= {("outbox_events", "subject_id"), ("webhook_deliveries", "subject_id")}
    # Whom it is for: a customer of the tenant's or a user of the installation's, as `recipient_kind` says.
    held_otherwise |= {("notification_messages", "recipient_id")}
    shapes = await read_shapes(admin)
    loose = {
        (name, column)
        for name, shape in shapes.items()
        if shape.tenant_column
        for column, kind in shape.columns.items()
        if kind == "uuid" and column not in ("id", "tenant_id")
        if not any(column in reference.columns for reference in shape.references)
    }
    assert loose - held_otherwise - actors == set()


async def test_indexes_of_tenants_tables_lead_with_the_tenant(admin: Connection) -> None:
    # Under a policy an index that does not is of no use, but for what must be unique in the whole installation.
    unique_everywhere = {
        "provider_customers_provider_key",
        "payment_methods_provider_key",
        "payment_setups_provider_key",
        "tenants_slug_key",
        "api_keys_prefix_key",
        "invitations_token_hash_key",
        "disputes_provider_key",
        "payments_intent_idx",  # asked by a webhook, before a tenant is known
        "purchases_open_idx",  # asked by the worker for what is open in all tenants
        "refunds_open_idx",
        "payments_provider_key",
        "refunds_provider_key",
        "memberships_user_id_idx",  # asked by the sign-in, before a tenant is known
    }
    shapes = await read_shapes(admin)
    found = await rows(
        admin,
        "SELECT t.relname, i.relname, a.attname FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid "
        "JOIN pg_class i ON i.oid = x.indexrelid "
        "LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0] "
        "WHERE t.relnamespace = 'public'::regnamespace AND NOT t.relispartition",
    )
    wrong = {
        index
        for table, index, first in found
        if table in shapes and shapes[table].tenant_column and first != shapes[table].tenant_column
    }
    assert wrong - unique_everywhere == set()


async def test_the_application_and_the_readers_own_nothing_and_are_nobody_special(admin: Connection) -> None:
    special = await rows(
        admin,
        # The one that backups are taken as copies the server whole, and is nobody special besides.
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'cloudbill%%' AND rolname <> 'cloudbill_owner' "
        "AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb "
        "     OR rolreplication AND rolname <> 'cloudbill_backup')",
    )
    assert special == []
    owned = await rows(
        admin,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND pg_get_userbyid(relowner) <> 'cloudbill_owner' UNION ALL "
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND pg_get_userbyid(proowner) <> 'cloudbill_owner' UNION ALL "
        "SELECT datname FROM pg_database WHERE datname = current_database() "
        "AND pg_get_userbyid(datdba) <> 'cloudbill_owner'",
    )
    assert owned == []
    members = await rows(
        admin,
        "SELECT m.rolname, g.rolname FROM pg_auth_members JOIN pg_roles m ON m.oid = member "
        "JOIN pg_roles g ON g.oid = roleid WHERE m.rolname LIKE 'cloudbill%%' AND m.rolname <> 'cloudbill_owner'",
    )
    assert set(members) == {
        ("cloudbill_test_app", "cloudbill_app"),
        ("cloudbill_test_operator", "cloudbill_operator"),
        ("cloudbill_test_mover", "cloudbill_mover"),
    }


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_may_make_or_empty_tables(admin: Connection, role: str) -> None:
    assert await rows(admin, "SELECT has_schema_privilege(%s, 'public', 'CREATE')", role) == [(False,)]
    assert await rows(admin, "SELECT has_database_privilege(%s, current_database(), 'CREATE')", role) == [(False,)]
    rights = await rows(
        admin,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND (has_table_privilege(%s, oid, 'TRUNCATE') OR has_table_privilege(%s, oid, 'TRIGGER') "
        "OR has_table_privilege(%s, oid, 'REFERENCES'))",
        *[role] * 3,
    )
    assert rights == []


async def test_the_reading_operator_has_no_right_to_write(admin: Connection) -> None:
    writable = await rows(
        admin,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND (has_any_column_privilege('cloudbill_operator', oid, 'INSERT, UPDATE') "
        "OR has_table_privilege('cloudbill_operator', oid, 'INSERT, UPDATE, DELETE'))",
    )
    sequences = await rows(
        admin,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' "
        "AND CASE WHEN relkind = 'S' THEN has_sequence_privilege('cloudbill_operator', oid, 'USAGE, UPDATE') END",
    )
    assert (writable, sequences) == ([], [])


async def test_functions_with_the_owners_rights_are_closed_to_all_but_the_application(admin: Connection) -> None:
    # A function with its owner's rights looks names up in the catalog first, so that nobody can put theirs before it.
    functions = await rows(
        admin,
        "SELECT p.oid::regprocedure::text, p.proconfig, p.prorettype = 'trigger'::regtype, "
        "has_function_privilege('public', p.oid, 'EXECUTE'), "
        "has_function_privilege('cloudbill_operator', p.oid, 'EXECUTE') "
        "FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef",
    )
    assert functions
    loose_path = [name for name, options, *_ in functions if options != ["search_path=pg_catalog, pg_temp"]]
    callable_by_all = [name for name, _, is_trigger, public, _ in functions if public and not is_trigger]
    callable_by_reader = [name for name, _, is_trigger, _, reader in functions if reader and not is_trigger]
    assert (loose_path, callable_by_all, callable_by_reader) == ([], [], [])


async def test_the_tenant_function_is_stable(admin: Connection) -> None:
    # A volatile one would cost every policy its index.
    assert await rows(admin, "SELECT provolatile FROM pg_proc WHERE proname = 'app_tenant'") == [("s",)]


async def test_what_is_written_once_is_guarded_by_a_trigger_too(admin: Connection) -> None:
    guarded = await rows(
        admin,
        "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE t.tgname = 'never_changed' AND t.tgenabled = 'O' AND NOT c.relispartition",
    )
    assert {name for (name,) in guarded} == {
        "credit_targets",
        "credit_uses",
        "actual_costs",
        "audit_blocks",
        "audit_log",
        "cost_estimates",
        "coupon_plans",
        "coupon_products",
        "credit_note_lines",
        "credit_notes",
        "invoice_inputs",
        "invoice_lines",
        "invoice_numbers",
        "invoice_payments",
        "invoice_taxes",
        "late_corrections",
        "ledger_blocks",
        "ledger_entries",
        "ledger_transactions",
        "meter_versions",
        "model_prices",
        "notification_templates",
        "payment_acknowledgements",
        "plan_versions",
        "price_books",
        "price_components",
        "prices",
        "recovery_evidence",
        "subscription_changes",
        "tax_rates",
        "usage_backfill_events",
        "usage_corrections",
        "usage_events",
    }
