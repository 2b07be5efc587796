"""All that is held of a person, as one JSON document: every row that names a customer, and every row of those."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, LiteralString, cast
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
from core.identity.tenants.subject_keys import SubjectSeal, find_seals

MOST_ROWS = 10_000
"""Of one table; beyond it the document says that there are more."""
_SEALED = {"invoice_inputs": "parties"}
"""What stands sealed under the customer's own key, and is opened for it."""
_NAMED = {"notification_messages": "recipient_id", "customers": "id"}
"""Tables whose rows name a customer by another column."""
_SECRETS = frozenset({"client_secret", "clientSecret"})
"""Words with which somebody could still act: left out wherever they stand."""
_LEFT_OUT = {
    "audit_log": "What it says of the customer is under `audit`, opened; its other columns tell of those who acted.",
    "subject_keys": "The keys that seal what the audit log and invoices say of the customer, which is here in clear.",
    "client_secret": "The payment provider's words with which somebody could still confirm a payment.",
    "backups, log files": "Copies of what is here, which end by a retention of their own; logs hold ids only.",
}
Condition = Callable[[str], sql.Composed]
"""Whether the row of that alias is the customer's."""


async def export_customer(
    session: AsyncSession, *, tenant_id: UUID, customer_id: UUID, now: datetime
) -> dict[str, Any]:
    """The person's own row, every row of and below it, and what the audit log says of them. Raises CustomerNotFound."""
    if await session.get(Customer, (tenant_id, customer_id)) is None:
        raise CustomerNotFound
    seal = (await find_seals(session, tenant_id, [customer_id])).get(customer_id)
    connection = await driver_connection(session)
    tables: dict[str, Any] = {}
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_COLUMNS, [list(_NAMED), list(_NAMED.values())])
        named = {table: column for table, column in await cursor.fetchall()}
        await cursor.execute(_REFERENCES)
        conditions = _conditions(named, await cursor.fetchall())
        for table, is_of in sorted(conditions.items()):
            statement = sql.SQL("SELECT to_jsonb(t) FROM {} t WHERE {} ORDER BY 1 LIMIT {}").format(
                sql.Identifier(table), is_of("t"), sql.Literal(MOST_ROWS + 1)
            )
            await cursor.execute(statement, {"tenant": tenant_id, "customer": customer_id})
            rows = [_opened(table, row[0], seal) for row in await cursor.fetchall()]
            if rows:
                tables[table] = _part(rows)
        for table, statement in _TOLD.items():
            await cursor.execute(statement, {"tenant": tenant_id, "customer": customer_id, "most": MOST_ROWS + 1})
            rows = [_without_secrets(row[0]) for row in await cursor.fetchall()]
            if rows:
                tables[table] = _part(rows)
    return {
        "schema": 1,
        "customerId": str(customer_id),
        "exportedAt": now.isoformat(),
        "tables": tables,
        "leftOut": [{"what": what, "why": why} for what, why in _LEFT_OUT.items()],
        "audit": await _audit(connection, session, tenant_id, customer_id),
    }


def _conditions(named: dict[str, str], references: list[tuple[str, str, str, str]]) -> dict[str, Condition]:
    """By table, which of its rows are the customer's: those that name it, and those that refer to such a row."""
    found = {table: _names(column) for table, column in named.items()}
    reached = set(found)
    while reached:
        ways: dict[str, list[tuple[str, str, str, Condition]]] = {}
        for table, column, parent, parent_column in references:
            if parent in reached and table not in found:
                ways.setdefault(table, []).append((column, parent, parent_column, found[parent]))
        found |= {table: _refers(of_table) for table, of_table in ways.items()}
        reached = set(ways)
    return found


def _names(column: str) -> Condition:
    def condition(row: str) -> sql.Composed:
        return sql.SQL("{0}.tenant_id = %(tenant)s AND {0}.{1} = %(customer)s").format(
            sql.Identifier(row), sql.Identifier(column)
        )

    return condition


def _refers(ways: list[tuple[str, str, str, Condition]]) -> Condition:
    def condition(row: str) -> sql.Composed:
        above = f"{row}_of"
        found = [
            sql.SQL("{}.{} IN (SELECT {}.{} FROM {} {} WHERE {})").format(
                sql.Identifier(row),
                sql.Identifier(column),
                sql.Identifier(above),
                sql.Identifier(parent_column),
                sql.Identifier(parent),
                sql.Identifier(above),
                is_of(above),
            )
            for column, parent, parent_column, is_of in ways
        ]
        return sql.SQL("{}.tenant_id = %(tenant)s AND ({})").format(sql.Identifier(row), sql.SQL(" OR ").join(found))

    return condition


def _part(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"rows": rows[:MOST_ROWS], "isWhole": len(rows) <= MOST_ROWS}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        known = cast("dict[str, Any]", value)
        return {name: _without_secrets(part) for name, part in known.items() if name not in _SECRETS}
    if isinstance(value, list):
        return [_without_secrets(part) for part in cast("list[Any]", value)]
    return value


def _opened(table: str, row: dict[str, Any], seal: SubjectSeal | None) -> dict[str, Any]:
    column = _SEALED.get(table)
    if column is None or not row.get(column):
        return row
    try:
        opened = None if seal is None else orjson.loads(seal.open(bytes.fromhex(row[column].removeprefix("\\x"))))
    except InvalidToken:
        opened = None
    return row | {column: opened}


async def _audit(
    connection: psycopg.AsyncConnection[Any], session: AsyncSession, tenant_id: UUID, customer_id: UUID
) -> list[dict[str, Any]]:
    key = audit_subject(customer_id)
    seal = (await find_seals(session, tenant_id, [key])).get(key)
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_AUDIT, {"tenant": tenant_id, "customer": customer_id, "most": MOST_ROWS})
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


_COLUMNS = """
SELECT c.relname, min(a.attname::text) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT a.attisdropped AND has_table_privilege(c.oid, 'SELECT')
  AND (a.attname = 'customer_id'
    OR (c.relname::text, a.attname::text) IN (SELECT * FROM unnest(%s::text[], %s::text[])))
  AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id')
GROUP BY c.relname ORDER BY c.relname
"""
_REFERENCES = """
SELECT c.relname::text, a.attname::text, p.relname::text, b.attname::text
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[2]
JOIN pg_attribute b ON b.attrelid = p.oid AND b.attnum = k.confkey[2]
WHERE k.contype = 'f' AND cardinality(k.conkey) = 2 AND c.relnamespace = 'public'::regnamespace
  AND NOT c.relispartition AND c.oid <> p.oid AND has_table_privilege(c.oid, 'SELECT')
  AND EXISTS (
    SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id' AND t.attnum = k.conkey[1])
ORDER BY 1, 2
"""
# What repeats the person without referring to a row of theirs, by the words by which an erasure finds it, too.
_TOLD: dict[str, LiteralString] = {
    "idempotency_keys": """
SELECT jsonb_build_object('door', k.door, 'key', k.key, 'created_at', k.created_at, 'body', k.body)
FROM idempotency_keys k
WHERE k.tenant_id = %(tenant)s AND position(%(customer)s::text IN k.body::text) > 0
ORDER BY k.created_at, k.key LIMIT %(most)s
""",
    "provider_events": "SELECT provider_events_of(%(customer)s, %(most)s)",
}
_AUDIT = """
SELECT action, occurred_at, change FROM audit_log
WHERE tenant_id = %(tenant)s AND (subject = %(customer)s::text OR sealed_for = %(customer)s) ORDER BY id LIMIT %(most)s
"""
