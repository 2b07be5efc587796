"""What somebody changes behind the program's back: as the superuser, with triggers off, and put back afterwards."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg


@asynccontextmanager
async def altered(
    admin: psycopg.AsyncConnection[Any], statement: str, *, tables: Sequence[str]
) -> AsyncGenerator[None]:
    """`statement` holds inside; `tables` names those that it changes. It must change something."""
    await admin.execute("SET session_replication_role = replica")
    for table in tables:
        await _run(admin, f"CREATE TEMP TABLE kept_{table} AS TABLE {table}")
    done = await _run(admin, statement)
    await admin.commit()
    assert done.rowcount > 0, f"nothing is changed by {statement}"
    try:
        yield
    finally:
        for table in tables:
            await _run(admin, f"DELETE FROM {table}")
            await _run(admin, f"INSERT INTO {table} SELECT * FROM kept_{table}")
            await _run(admin, f"DROP TABLE kept_{table}")
        await admin.execute("SET session_replication_role = origin")
        await admin.commit()


async def _run(admin: psycopg.AsyncConnection[Any], statement: str) -> psycopg.AsyncCursor[Any]:
    return await admin.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]  (a test's own text)
