"""Tenant A, with any SQL it likes, against tenant B: reading, writing, guessing, referring. On every table."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors, sql

from tests.support.rows import Shape, adapted, fresh_key, insert
from tests.support.servers import Role
from tests.tenancy.conftest import A, B, Worlds

Connection = psycopg.AsyncConnection[Any]

REFUSED = (errors.InsufficientPrivilege, errors.RestrictViolation)
"""No right to it, or a policy or trigger says no."""


async def attempt(connection: Connection, statement: sql.Composed, *values: Any) -> int | Exception:
    """How many rows it touched, or how it was refused. Nothing stays of it."""
    try:
        async with connection.transaction(force_rollback=True):
            return (await connection.execute(statement, values)).rowcount
    except psycopg.Error as error:
        return error


def touches_of(shape: Shape) -> list[str]:
    return [name for name in shape.columns if name not in shape.key]


async def count(connection: Connection, table: str, column: str, tenant: UUID) -> int:
    found = await connection.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(column)), [tenant]
    )
    row = await found.fetchone()
    assert row
    return row[0]


async def test_every_table_has_a_row_of_both_tenants(worlds: Worlds, admin: Connection) -> None:
    # Otherwise what follows would pass by finding nothing.
    for shape in worlds.tenant_tables:
        assert shape.tenant_column
        assert await count(admin, shape.name, shape.tenant_column, A) == 1, shape.name
        assert await count(admin, shape.name, shape.tenant_column, B) == 1, shape.name
    assert len(worlds.tenant_tables) >= 25


async def test_a_reads_its_own_rows_and_none_of_bs(worlds: Worlds, app: Connection) -> None:
    for shape in worlds.tenant_tables:
        assert shape.tenant_column
        assert await count(app, shape.name, shape.tenant_column, A) == 1, shape.name
        assert await count(app, shape.name, shape.tenant_column, B) == 0, shape.name


async def test_a_guessing_bs_ids_finds_nothing(worlds: Worlds, app: Connection) -> None:
    for shape in worlds.tenant_tables:
        row = worlds.foreign[shape.name]
        for column in (name for name, kind in shape.columns.items() if kind in ("uuid", "text", "bytea")):
            if row[column] is None or row[column] == worlds.own[shape.name][column]:
                continue
            found = await app.execute(
                sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(shape.name), sql.Identifier(column)),
                [row[column]],
            )
            assert found.rowcount == 0, f"{shape.name}.{column}"


@pytest.mark.parametrize("setting", ["", None])
async def test_without_a_tenant_nothing_of_a_tenant_is_seen(
    worlds: Worlds, connect: Callable[[Role], Awaitable[Connection]], setting: str | None
) -> None:
    app = await connect("app")
    if setting is not None:
        await app.execute("SELECT set_config('app.tenant_id', %s, false)", [setting])
    for shape in worlds.tenant_tables:
        assert shape.tenant_column
        for tenant in (A, B):
            assert await count(app, shape.name, shape.tenant_column, tenant) == 0, shape.name


async def test_tables_without_a_tenant_are_closed_to_the_application(worlds: Worlds, app: Connection) -> None:
    for shape in worlds.shapes.values():
        if shape.tenant_column:
            continue
        for statement in ("SELECT * FROM {}", "DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES"):
            outcome = await attempt(app, sql.SQL(statement).format(sql.Identifier(shape.name)))
            assert isinstance(outcome, errors.InsufficientPrivilege), f"{statement} {shape.name}: {outcome}"


async def test_a_changes_nothing_of_b(worlds: Worlds, app: Connection) -> None:
    for shape in worlds.tenant_tables:
        assert shape.tenant_column
        for column in shape.columns:
            outcome = await attempt(
                app,
                sql.SQL("UPDATE {} SET {} = {} WHERE {} = %s").format(
                    *map(sql.Identifier, (shape.name, column, column, shape.tenant_column))
                ),
                B,
            )
            assert outcome == 0 or isinstance(outcome, REFUSED), f"{shape.name}.{column}: {outcome}"


async def test_a_deletes_nothing_of_b(worlds: Worlds, app: Connection) -> None:
    for shape in worlds.tenant_tables:
        assert shape.tenant_column
        where = sql.SQL("DELETE FROM {} WHERE {} = %s").format(*map(sql.Identifier, (shape.name, shape.tenant_column)))
        outcome = await attempt(app, where, B)
        assert outcome == 0 or isinstance(outcome, REFUSED), f"{shape.name}: {outcome}"
        truncation = await attempt(app, sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(shape.name)))
        assert isinstance(truncation, REFUSED), f"{shape.name}: {truncation}"


async def test_a_writes_no_row_for_b(worlds: Worlds, app: Connection) -> None:
    for shape in worlds.tenant_tables:
        row = adapted(fresh_key(shape, worlds.foreign[shape.name]))
        assert row[shape.tenant_column or ""] == B
        with pytest.raises(REFUSED):
            async with app.transaction(force_rollback=True):
                await insert(app, shape.name, row)


async def test_a_gives_no_row_of_its_own_to_b(worlds: Worlds, app: Connection) -> None:
    for shape in worlds.tenant_tables:
        column = sql.Identifier(shape.tenant_column or "")
        outcome = await attempt(
            app, sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s").format(sql.Identifier(shape.name), column, column), B, A
        )
        assert isinstance(outcome, REFUSED), f"{shape.name}: {outcome}"


# Of a parent there is one row at most, and A has it already. That its other keys carry the tenant is read in the
# catalog (test_catalog.py).
ONE_EACH = ("collections",)


async def test_a_refers_to_no_row_of_b(worlds: Worlds, app: Connection) -> None:
    """PostgreSQL checks foreign keys past row security: only a key that carries the tenant keeps A out."""
    tried = 0
    for shape in worlds.tenant_tables:
        for reference in shape.references:
            named = [column for column in reference.columns if column != shape.tenant_column]
            if not named or not worlds.shapes[reference.parent].tenant_column:
                continue
            # A column that other references share (a plan and its price) turns with all of them.
            turned = [other for other in shape.references if set(named) & set(other.columns)]
            row = fresh_key(shape, worlds.own[shape.name])
            row |= {
                column: worlds.foreign[one.parent][parent_column]
                for one in turned
                for column, parent_column in zip(one.columns, one.parent_columns, strict=True)
                if column != shape.tenant_column
            }
            # What a row may leave out, and what else would refuse it for being A's own once more.
            others = {column for one in shape.references if one not in turned for column in one.columns}
            spared = {column: None for column in others - shape.required - {shape.tenant_column}}
            outcome: Exception | None = None
            # What may be there once of a kind is tried as one of another kind.
            another = {"currency": "JPY", "as_of_before": datetime(2026, 5, 1, tzinfo=UTC)}
            other_kind = {name: value for name, value in another.items() if name in row}
            if shape.columns.get("number") == "bigint":
                other_kind["number"] = 2
            for tried_row in (row, row | spared, row | other_kind):
                outcome = None
                try:
                    async with app.transaction(force_rollback=True):
                        await insert(app, shape.name, adapted(tried_row))
                except psycopg.Error as error:
                    outcome = error
                # A payment is of a purchase or of an invoice: of which it is then, is for the next try to say.
                is_of_another = isinstance(outcome, errors.CheckViolation) and str(
                    outcome.diag.constraint_name
                ).endswith("_of_check")
                if not isinstance(outcome, errors.UniqueViolation) and not is_of_another:
                    break
            if shape.name in ONE_EACH and isinstance(outcome, errors.UniqueViolation):
                continue
            assert outcome is not None, f"{reference.name} let tenant A refer to a row of tenant B"
            refused_by = getattr(outcome, "diag", None) and outcome.diag.constraint_name
            assert isinstance(outcome, (*REFUSED, errors.ForeignKeyViolation)) or (
                isinstance(outcome, errors.CheckViolation) and str(refused_by).endswith("_plan_tenant_check")
            ), f"{reference.name}: {outcome!r}"
            tried += isinstance(outcome, errors.ForeignKeyViolation | errors.CheckViolation)
    assert tried >= 15


async def test_a_turns_no_reference_towards_b(worlds: Worlds, app: Connection) -> None:
    for shape in worlds.tenant_tables:
        for reference in shape.references:
            named = [column for column in reference.columns if column != shape.tenant_column]
            if not named or not worlds.shapes[reference.parent].tenant_column:
                continue
            parent = worlds.foreign[reference.parent]
            values = [
                parent[parent_column]
                for column, parent_column in zip(reference.columns, reference.parent_columns, strict=True)
                if column in named
            ]
            change = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in named)
            outcome = await attempt(
                app, sql.SQL("UPDATE {} SET {}").format(sql.Identifier(shape.name), change), *values
            )
            assert isinstance(outcome, (*REFUSED, errors.ForeignKeyViolation, errors.CheckViolation)), (
                f"{reference.name}: {outcome!r}"
            )


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE cloudbill_operator",
        "SET ROLE cloudbill_mover",
        "SET ROLE cloudbill_owner",
        "SET SESSION AUTHORIZATION cloudbill_owner",
        "SET session_replication_role = replica",
        "ALTER TABLE accounts DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE accounts NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
        "DROP POLICY tenant_reads ON accounts",
        "DROP TRIGGER check_ledger_entry ON ledger_entries",
        "CREATE OR REPLACE FUNCTION app_tenant() RETURNS uuid LANGUAGE sql STABLE RETURN NULL",
        "CREATE TABLE loot ()",
        "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql RETURN 'epoch'::timestamptz",
        "GRANT cloudbill_operator TO cloudbill_test_app",
        "GRANT SELECT ON users TO cloudbill_test_app",
        "COPY accounts FROM PROGRAM 'true'",
        "COPY accounts TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "CREATE EXTENSION plpgsql",
        "LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE",
    ],
)
async def test_the_application_cannot_lift_what_binds_it(app: Connection, statement: str) -> None:
    outcome = await attempt(app, sql.SQL(statement).format())
    assert isinstance(outcome, errors.InsufficientPrivilege | errors.DuplicateObject), outcome


async def test_asking_past_row_security_is_an_error_and_no_leak(worlds: Worlds, app: Connection) -> None:
    await app.execute("SET row_security = off")
    await app.commit()
    for shape in worlds.tenant_tables:
        outcome = await attempt(app, sql.SQL("SELECT * FROM {}").format(sql.Identifier(shape.name)))
        assert isinstance(outcome, errors.InsufficientPrivilege), f"{shape.name}: {outcome}"


async def test_a_leaky_function_sees_no_row_of_b(worlds: Worlds, app: Connection) -> None:
    # A cheap function of one's own in the WHERE clause would be run before the policy, were it not for the barrier.
    await app.execute(
        "CREATE FUNCTION pg_temp.peek(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS "
        "$$ BEGIN RAISE NOTICE 'seen %', t; RETURN true; END $$"
    )
    seen: list[str] = []
    app.add_notice_handler(lambda notice: seen.append(notice.message_primary or ""))
    for shape in worlds.tenant_tables:
        column = sql.Identifier(shape.tenant_column or "")
        await app.execute(
            sql.SQL("SELECT 1 FROM {} WHERE pg_temp.peek({}::text)").format(sql.Identifier(shape.name), column)
        )
    assert seen
    assert [line for line in seen if str(B) in line] == []


async def test_the_operator_reads_both_and_writes_nothing(
    worlds: Worlds, connect: Callable[[Role], Awaitable[Connection]]
) -> None:
    operator = await connect("operator")
    await operator.execute("SELECT set_config('app.tenant_id', %s, false)", [str(A)])
    await operator.commit()
    for shape in worlds.shapes.values():
        table = sql.Identifier(shape.name)
        if shape.tenant_column:
            assert await count(operator, shape.name, shape.tenant_column, A) == 1
            assert await count(operator, shape.name, shape.tenant_column, B) == 1
        names = sql.SQL(", ").join(map(sql.Identifier, shape.columns))
        row = adapted(fresh_key(shape, worlds.own[shape.name]))
        attempts = [
            (sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                table, names, sql.SQL(", ").join(sql.Placeholder() * len(row))), list(row.values())),
            (sql.SQL("DELETE FROM {}").format(table), []),
            (sql.SQL("TRUNCATE {} CASCADE").format(table), []),
            *[(sql.SQL("UPDATE {} SET {} = {}").format(table, *[sql.Identifier(c)] * 2), []) for c in shape.columns],
        ]  # fmt: skip
        for statement, values in attempts:
            outcome = await attempt(operator, statement, *values)
            assert isinstance(outcome, errors.InsufficientPrivilege), f"{statement.as_string(operator)}: {outcome}"


async def test_the_operator_reads_no_secret(worlds: Worlds, connect: Callable[[Role], Awaitable[Connection]]) -> None:
    operator = await connect("operator")
    for table, column in (
        ("users", "password_hash"),
        ("refresh_tokens", "token_hash"),
        ("signing_keys", "private_pem_encrypted"),
        ("sign_ins", "user_id"),
        ("user_identities", "subject"),
    ):
        outcome = await attempt(
            operator, sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
        )
        assert isinstance(outcome, errors.InsufficientPrivilege), f"{table}.{column}: {outcome}"
    assert worlds.shapes["users"].columns.keys() >= {"password_hash"}


async def test_partitions_are_no_way_around_their_parent(app: Connection, admin: Connection) -> None:
    found = await admin.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relispartition AND relkind = 'r'"
    )
    partitions = [name for (name,) in await found.fetchall()]
    assert "usage_events_elsewhere" in partitions
    for partition in partitions:
        for statement in ("SELECT * FROM {}", "DELETE FROM {}"):
            outcome = await attempt(app, sql.SQL(statement).format(sql.Identifier(partition)))
            assert outcome == 0 or isinstance(outcome, errors.InsufficientPrivilege), f"{partition}: {outcome}"
