"""The database as this process reaches it: bound by row security, one tenant a transaction, nothing left behind."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.foundation.database import Database, UnsafeRole
from core.foundation.ids import INSTALLATION_ID
from core.foundation.settings import Settings
from tests.support.servers import Role, Servers

Connect = Callable[[Role], Awaitable[psycopg.AsyncConnection[Any]]]
TENANT = UUID("019b76da-a800-7000-8000-000000000001")


async def test_the_application_serves_with_a_role_that_is_bound(database: Database) -> None:
    await database.refuse_unsafe_role()


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_serving_as_owner_or_superuser_is_refused(
    make_settings: Callable[..., Settings], servers: Servers, database_name: str, role: Role
) -> None:
    unsafe = Database(make_settings(database_app_url=servers.url(role, database_name)))
    with pytest.raises(UnsafeRole, match="Give it a role that is only a member of cloudbill_app"):
        await unsafe.refuse_unsafe_role()
    await unsafe.dispose()


async def test_serving_as_a_role_that_bypasses_row_security_is_refused(
    make_settings: Callable[..., Settings], servers: Servers, database_name: str, connect: Connect
) -> None:
    admin = await connect("admin")
    login = f"bypass_{database_name}"
    await admin.execute(f"CREATE ROLE {login} LOGIN BYPASSRLS PASSWORD 'word' IN ROLE cloudbill_app")
    await admin.commit()
    address = servers.url("app", database_name).replace("cloudbill_test_app:test-app-word", f"{login}:word")
    unsafe = Database(make_settings(database_app_url=address))
    try:
        with pytest.raises(UnsafeRole):
            await unsafe.refuse_unsafe_role()
    finally:
        await unsafe.dispose()
        await admin.execute(f"DROP ROLE {login}")


async def test_a_tenant_is_set_for_one_transaction_only(make_settings: Callable[..., Settings]) -> None:
    database = Database(make_settings(db_pool_min=1, db_pool_max=1))
    seen = []
    async with database.tenant(TENANT) as session:
        backend = await session.scalar(text("SELECT pg_backend_pid()"))
        seen.append(await session.scalar(text("SELECT app_tenant()")))
    async with database.nobody() as session:
        assert await session.scalar(text("SELECT pg_backend_pid()")) == backend
        seen.append(await session.scalar(text("SELECT app_tenant()")))
    await database.dispose()
    assert seen == [TENANT, None]


async def test_a_failed_transaction_takes_its_tenant_with_it(make_settings: Callable[..., Settings]) -> None:
    database = Database(make_settings(db_pool_min=1, db_pool_max=1))
    with pytest.raises(DBAPIError):
        async with database.tenant(TENANT) as session:
            await session.execute(text("SELECT 1 / 0"))
    async with database.nobody() as session:
        assert await session.scalar(text("SELECT app_tenant()")) is None
    await database.dispose()


async def test_the_pool_opens_its_least_number_of_connections_and_no_more(
    make_settings: Callable[..., Settings], connect: Callable[..., Any]
) -> None:
    database = Database(make_settings(db_pool_min=3, db_pool_max=5))
    admin = await connect("admin")
    await database.open_pool()
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cloudbill' AND datname = current_database()"
    )
    opened = await (await admin.execute(query)).fetchone()
    await database.dispose()
    assert opened[0] == 3


async def test_a_savepoint_keeps_the_tenant(database: Database) -> None:
    async with database.tenant(TENANT) as session:
        with pytest.raises(DBAPIError):
            async with session.begin_nested():
                await session.execute(text("SELECT 1 / 0"))
        assert await session.scalar(text("SELECT app_tenant()")) == TENANT


async def test_the_reader_sees_all_tenants_and_nobody_sees_none(database: Database) -> None:
    async with database.reading() as session:
        assert (await session.scalars(text("SELECT id FROM tenants"))).all() == [INSTALLATION_ID]
    async with database.nobody() as session:
        assert (await session.scalars(text("SELECT id FROM tenants"))).all() == []


async def test_what_a_session_wrote_is_gone_after_an_error(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.tenant(TENANT) as session:
            await session.execute(
                text(
                    "INSERT INTO tenants (id, slug, name, currency, is_test, created_at) "
                    "VALUES (:id, 'acme', 'Acme', 'USD', false, now())"
                ),
                {"id": TENANT},
            )
            raise LookupError

    with pytest.raises(LookupError):
        await write_and_fail()
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM tenants")) == 1
