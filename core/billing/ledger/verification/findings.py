"""What verification says: one finding for each thing that is not as it must be."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import AsyncRowFactory, tuple_row

FETCHED_AT_ONCE = 2_000
"""Rows in memory at a time, however long a ledger is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that breaks a promise. `check` is stable; `row` names it by our ids; `detail` says what is wrong."""

    tenant: str
    check: str
    row: str
    detail: str

    def __str__(self) -> str:
        return f"{self.tenant}: {self.row}: {self.detail} [{self.check}]"


async def stream(
    connection: psycopg.AsyncConnection[Any],
    query: LiteralString,
    tenant_id: UUID,
    *,
    row_factory: AsyncRowFactory[Any] = tuple_row,
) -> AsyncIterator[Any]:
    """The rows of a query about one tenant (`%(tenant)s`), without holding them all."""
    async with connection.cursor(name="verification", row_factory=row_factory) as cursor:
        cursor.itersize = FETCHED_AT_ONCE
        await cursor.execute(query, {"tenant": tenant_id})
        async for row in cursor:
            yield row
