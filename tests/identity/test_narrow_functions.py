"""The application reaches users, sign-ins and keys through narrow functions only, and cannot widen its rights."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support.callers import Caller

TABLES = ("users", "sign_ins", "refresh_tokens", "signing_keys", "user_identities")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["app", "operator"])
async def test_the_tables_themselves_are_closed(
    tenant: Caller, connect: Callable[..., Any], role: str, table: str
) -> None:
    key = "subject" if table == "user_identities" else "id"
    for statement in (f"SELECT * FROM {table}", f"DELETE FROM {table}", f"UPDATE {table} SET {key} = {key}"):
        connection = await connect(role)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement)


async def test_the_operator_sees_users_without_their_passwords(tenant: Caller, connect: Callable[..., Any]) -> None:
    operator = await connect("operator")
    rows = await (await operator.execute("SELECT email, installation_role FROM users")).fetchall()
    assert rows == [("owner@acme.test", None)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await operator.execute("SELECT password_hash FROM users")


async def test_the_operators_role_may_call_none_of_the_functions(tenant: Caller, connect: Callable[..., Any]) -> None:
    owner = await connect("owner")
    names = await (
        await owner.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace "
            "AND p.prosecdef AND p.prorettype <> 'trigger'::regtype "
            "AND (has_function_privilege('cloudbill_operator', p.oid, 'EXECUTE') "
            "     OR has_function_privilege('public', p.oid, 'EXECUTE'))"
        )
    ).fetchall()
    assert names == []


async def test_definer_functions_have_a_fixed_search_path(tenant: Caller, connect: Callable[..., Any]) -> None:
    owner = await connect("owner")
    loose = await (
        await owner.execute(
            "SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef "
            "AND NOT coalesce(p.proconfig::text LIKE '%search_path=pg_catalog, pg_temp%', false)"
        )
    ).fetchall()
    assert loose == []


async def test_no_function_makes_an_operator_or_replaces_a_signing_key(
    tenant: Caller, connect: Callable[..., Any]
) -> None:
    app = await connect("app")
    await app.execute("SELECT create_first_signing_key('mine', 'pem', 'x'::bytea)")
    await app.execute("SELECT create_user(gen_random_uuid(), 'eve@example.com', null, 'hash')")
    await app.commit()
    admin = await connect("admin")
    assert await (await admin.execute("SELECT count(*) FROM signing_keys")).fetchone() == (1,)
    row = await (await admin.execute("SELECT installation_role FROM users WHERE email = 'eve@example.com'")).fetchone()
    assert row == (None,)


async def test_members_are_those_of_the_current_tenant(
    tenant: Caller, other: Caller, connect: Callable[..., Any]
) -> None:
    app = await connect("app")
    assert await (await app.execute("SELECT email FROM list_members()")).fetchall() == []
    await app.execute("SELECT set_config('app.tenant_id', id::text, true) FROM find_tenant_by_slug('globex')")
    assert await (await app.execute("SELECT email FROM list_members()")).fetchall() == [("owner@globex.test",)]
