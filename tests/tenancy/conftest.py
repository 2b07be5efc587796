"""Two tenants with a row in every table, and a connection as the application."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.support.rows import Shape, read_shapes, settle_world
from tests.support.servers import Role

A = UUID("019b76da-a800-7000-8000-00000000000a")
B = UUID("019b76da-a800-7000-8000-00000000000b")

Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, kw_only=True)
class Worlds:
    """What two tenants have: a row of every table each."""

    shapes: dict[str, Shape]
    own: dict[str, dict[str, Any]]
    foreign: dict[str, dict[str, Any]]

    @property
    def tenant_tables(self) -> list[Shape]:
        """The tables whose rows belong to a tenant."""
        return [shape for shape in self.shapes.values() if shape.tenant_column]


@pytest.fixture
async def admin(connect: Callable[[Role], Awaitable[Connection]]) -> Connection:
    """A superuser's connection, which no policy binds."""
    return await connect("admin")


@pytest.fixture
async def worlds(admin: Connection) -> Worlds:
    """Tenant A's rows are `own`, tenant B's `foreign`."""
    shapes = await read_shapes(admin)
    return Worlds(shapes=shapes, own=await settle_world(admin, shapes, A), foreign=await settle_world(admin, shapes, B))


@pytest.fixture
async def app(connect: Callable[[Role], Awaitable[Connection]], worlds: Worlds) -> Connection:
    """The application's connection with tenant A set, as its sessions set it."""
    connection = await connect("app")
    await connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(A)])
    await connection.commit()
    return connection
