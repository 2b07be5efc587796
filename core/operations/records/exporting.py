"""Everything that is held of a person, as one JSON document: from every table that names a customer."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from cryptography.fernet import InvalidToken
from psycopg import sql
from psycopg.rows import tuple_row
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.database import driver_connection
from core.identity.tenants.auditing import audit_subject
from core.identity.tenants.customers import CustomerNotFound
from core.identity.tenants.models import Customer
from core.identity.tenants.subject_keys import find_seals

MOST_ROWS = 10_000
"""Of one table; beyond it the document says how many there are and from where to read on."""


async def export_customer(
    session: AsyncSession, *, tenant_id: UUID, customer_id: UUID, now: datetime
) -> dict[str, Any]:
    """The person's own row, every row that names them, and what the audit log says of them. Raises CustomerNotFound."""
    if await session.get(Customer, (tenant_id, customer_id)) is None:
        raise CustomerNotFound
    connection = await driver_connection(session)
    tables: dict[str, Any] = {}
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_TABLES)
        for table, column in await cursor.fetchall():
            statement = sql.SQL(
                "SELECT to_jsonb(t) FROM {} t WHERE tenant_id = %s AND {} = %s ORDER BY 1 LIMIT %s"
            ).format(sql.Identifier(table), sql.Identifier(column))
            await cursor.execute(statement, [tenant_id, customer_id, MOST_ROWS + 1])
            rows = [row[0] for row in await cursor.fetchall()]
            if rows:
                tables[table] = {"rows": rows[:MOST_ROWS], "isWhole": len(rows) <= MOST_ROWS}
    return {
        "schema": 1,
        "customerId": str(customer_id),
        "exportedAt": now.isoformat(),
        "tables": tables,
        "audit": await _audit(connection, session, tenant_id, customer_id),
    }


async def _audit(
    connection: psycopg.AsyncConnection[Any], session: AsyncSession, tenant_id: UUID, customer_id: UUID
) -> list[dict[str, Any]]:
    key = audit_subject(customer_id)
    seal = (await find_seals(session, tenant_id, [key])).get(key)
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_AUDIT, [tenant_id, str(customer_id), MOST_ROWS])
        rows = await cursor.fetchall()
    found: list[dict[str, Any]] = []
    for action, occurred_at, change in rows:
        opened: Any = None
        if change is not None and seal is not None:
            try:
                opened = orjson.loads(seal.open(bytes(change)))
            except InvalidToken:
                opened = None
        found.append({"action": action, "occurredAt": occurred_at.isoformat(), "change": opened})
    return found


_TABLES = """
SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT a.attisdropped AND has_table_privilege(c.oid, 'SELECT')
  AND (a.attname = 'customer_id' OR c.relname = 'customers' AND a.attname = 'id')
  AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id')
ORDER BY c.relname
"""
_AUDIT = """
SELECT action, occurred_at, change FROM audit_log WHERE tenant_id = %s AND subject = %s ORDER BY id LIMIT %s
"""
