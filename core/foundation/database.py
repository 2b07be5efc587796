"""PostgreSQL: engines by role, and sessions that belong to one tenant.

`app.tenant_id` is set per transaction, so a pooled connection never carries a tenant into the next one. Policies
compare it through the STABLE function `app_tenant()`.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from core.foundation.fence import is_fenced
from core.foundation.following import Following, WritesPaused
from core.foundation.roles import ROLE_CHECK, refuse_unsafe
from core.foundation.roles import UnsafeRole as UnsafeRole  # raised by `refuse_unsafe_role`
from core.foundation.settings import Settings
from core.foundation.telemetry import POOL_EXHAUSTED

_TENANT = "tenant_id"


def sqlalchemy_url(url: str) -> str:
    """A libpq URL as SQLAlchemy's psycopg dialect wants it."""
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+psycopg"))


_CONNECT = {"connect_timeout": 5, "application_name": "cloudbill"}
COMMITTED: ContextVar[list[UUID] | None] = ContextVar("committed", default=None)
"""Where somebody asks: the tenants whose transactions this task has committed."""


def create_engine(where: Callable[[], str], settings: Settings) -> AsyncEngine:
    """An engine with the configured pool; connections are tested before use, since a failover leaves dead ones.

    New connections go to `where()` of that moment.
    """
    engine = create_async_engine(
        sqlalchemy_url(where()),
        pool_size=settings.db_pool_max,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args=_CONNECT,
    )

    def go_there(dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        _, there = dialect.create_connect_args(make_url(sqlalchemy_url(where())))
        parameters.clear()
        parameters.update({**there, **_CONNECT})

    event.listen(engine.sync_engine, "do_connect", go_there)
    return engine


_ENTER = text("SELECT set_config('app.tenant_id', :tenant, true)")
_ENTER_AUDITED = text("SELECT set_config('app.tenant_id', :tenant, true), set_config('app.audited', 'on', true)")
AUDITED = "audited"
"""In a session's `info`: the database notes what it changes (migrations/sql/0030/changes.sql)."""


class TenantSession(Session):
    """A session whose every transaction carries the tenant named in `info`."""


@event.listens_for(TenantSession, "after_begin")
def _set_tenant(session: Session, _transaction: Any, connection: Any) -> None:
    tenant_id: UUID | None = session.info.get(_TENANT)
    if tenant_id is not None:
        statement = _ENTER_AUDITED if session.info.get(AUDITED) else _ENTER
        connection.execute(statement, {"tenant": str(tenant_id)})


@contextmanager
def _counting(role: str) -> Generator[None]:
    """A pool that runs dry refuses who waited too long: that is counted where it happens."""
    try:
        yield
    except PoolTimeout:
        POOL_EXHAUSTED.labels(role).inc()
        raise


class Database:
    """The installation's database as this process reaches it: as the application and as the reading operator."""

    def __init__(self, settings: Settings) -> None:
        self.following = Following(settings)
        self.following.moved.append(self.dispose)
        self.app = create_engine(lambda: self.following.app_url, settings)
        self.operator = create_engine(lambda: self.following.operator_url, settings)
        self._pool_min = settings.db_pool_min
        self._app_sessions = async_sessionmaker(self.app, expire_on_commit=False, sync_session_class=TenantSession)
        self._operator_sessions = async_sessionmaker(self.operator, expire_on_commit=False)

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID, *, writes: bool = True) -> AsyncGenerator[AsyncSession]:
        """A transaction of one tenant; committed at the end, rolled back on any error.

        Raises WritesPaused; one that only reads does not wait for the write fence.
        """
        async with (
            self._written(waits=writes),
            self._app_sessions(info={_TENANT: tenant_id}) as session,
            session.begin(),
        ):
            yield session
        if writes and (committed := COMMITTED.get()) is not None:
            committed.append(tenant_id)

    @asynccontextmanager
    async def nobody(self) -> AsyncGenerator[AsyncSession]:
        """A transaction without a tenant: only the narrow functions and the jobs are in reach."""
        async with self._written(waits=False), self._app_sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def _written(self, *, waits: bool = True) -> AsyncGenerator[None]:
        """Waits while writing is paused, and notices when it is."""
        if waits and self.following.paused and not await self.following.settled():
            raise WritesPaused
        try:
            with _counting("app"):
                yield
        except DBAPIError as error:
            if is_fenced(error):
                self.following.met()
            elif isinstance(error.orig, psycopg.OperationalError) and error.orig.sqlstate is None:
                await self.following.lost()
            raise

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncSession]:
        """A read across all tenants as `cloudbill_operator`, which can write no table."""
        with _counting("operator"):
            async with self._operator_sessions() as session, session.begin():
                yield session

    async def refuse_unsafe_role(self) -> None:
        """Raises UnsafeRole when row security would not bind the application's role."""
        async with self.app.connect() as connection:
            row = (await connection.execute(text(ROLE_CHECK))).one()
        refuse_unsafe(row.name, is_super=row.is_super, bypasses=row.bypasses, owns=row.owns)

    async def open_pool(self) -> None:
        """Opens the application's first DB_POOL_MIN connections, so that no early request waits for one."""
        async with AsyncExitStack() as held:
            for _ in range(self._pool_min):
                await held.enter_async_context(self.app.connect())

    async def dispose(self) -> None:
        """Closes all connections."""
        await self.app.dispose()
        await self.operator.dispose()


async def driver_connection(session: AsyncSession) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection under a session's current transaction; ask anew inside each savepoint."""
    raw = await (await session.connection()).get_raw_connection()
    return cast("psycopg.AsyncConnection[Any]", raw.driver_connection)


async def plan_by_indexes(session: AsyncSession) -> None:
    """For the rest of the transaction, plans that are right for large tables, however small they are yet.

    Plans are kept for as long as a connection lives, also those of foreign keys and triggers: one that was made while a
    table was nearly empty reads it whole, ever again, while a run fills it.
    """
    await session.execute(text("SET LOCAL enable_seqscan = off"))
