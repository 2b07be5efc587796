"""A row of every table, made from the catalog alone: so that a table added tomorrow is attacked too."""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from graphlib import TopologicalSorter
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Connection = psycopg.AsyncConnection[Any]

_numbers = itertools.count(1)

# What the catalog does not tell: values that a CHECK asks for beyond a list of words.
SPECIAL: dict[tuple[str, str], Any] = {
    ("credit_uses", "last_version"): 10**12,
    ("credit_lots", "rolled_from"): UUID("019b76da-a800-7000-8000-0000000000c0"),
    ("accounts", "floor_micro"): 0,
    ("holds", "limited_micro"): 0,
    ("credit_targets", "models"): ["gpt-4o"],
    ("coupons", "percent"): Decimal(10),
    ("coupons", "amount_minor"): None,
    ("coupons", "currency"): None,
    ("audit_blocks", "digests"): b"",
    ("holds", "closed_at"): datetime(2026, 6, 1, tzinfo=UTC),
    ("holds", "state"): "settled",
    ("invoice_settings", "logo_type"): None,
    ("invoice_settings", "number_digits"): 4,
    ("credit_notes", "to_open_minor"): 2,
    ("credit_notes", "to_refund_minor"): 0,
    ("credit_notes", "to_wallet_minor"): 0,
    ("credit_notes", "total_minor"): 2,
    ("invoice_lines", "discount_minor"): 0,
    ("invoice_numbers", "document_id"): uuid4(),
    ("invoice_numbers", "kind"): "invoice",
    ("invoice_numbers", "reason"): None,
    ("invoice_series", "next_sequence"): 1,
    ("invoices", "discount_minor"): 0,
    ("invoices", "tax_minor"): 0,
    ("invoices", "state"): "open",
    ("invoices", "number"): "INV-1",
    ("invoices", "finalized_at"): datetime(2026, 6, 1, tzinfo=UTC),
    ("invoicing_rules", "times_history"): 2,
    ("ledger_blocks", "digests"): b"",
    ("ledger_transactions", "kind"): "grant",
    ("ledger_transactions", "reference"): "a cause",
    ("outbox_events", "kind"): "invoice.paid",
    ("late_corrections", "as_of"): datetime(2026, 6, 2, tzinfo=UTC),
    ("late_corrections", "credited"): Jsonb([]),
    ("parked_customers", "resolution"): "replayed",
    ("parked_customers", "resolved_at"): datetime(2026, 6, 1, tzinfo=UTC),
    ("subject_keys", "key"): b"key",
    ("moves", "ended_at"): datetime(2026, 6, 1, tzinfo=UTC),
    ("collections", "state"): "waiting",
    ("collections", "next_at"): datetime(2026, 6, 1, tzinfo=UTC),
    ("payment_attempts", "state"): "failed",
    ("payment_attempts", "concluded_at"): datetime(2026, 6, 1, tzinfo=UTC),
    ("payment_methods", "exp_year"): 2034,
    ("payment_setups", "state"): "succeeded",
    ("price_components", "kind"): "usage",
    ("recovery_runs", "finished_at"): datetime(2026, 6, 1, tzinfo=UTC),
    ("recovery_runs", "state"): "passed",
    ("invoice_items", "kind"): "usage",
    ("invoice_items", "ordinal"): 0,
    ("invoice_items", "period_start"): datetime(2026, 6, 1, tzinfo=UTC),
    ("invoice_items", "period_end"): datetime(2026, 6, 1, tzinfo=UTC),
    ("subscription_items", "quantity"): Decimal(1),
    ("subscriptions", "current_period_end"): datetime(2030, 1, 1, tzinfo=UTC),
    ("tax_rates", "country"): "DE",
    ("usage_events", "cached_tokens"): 0,
    ("usage_events", "outcome"): "refused",
    ("usage_events", "model"): "gpt-4o",
    ("usage_events", "input_tokens"): 1,
    ("usage_events", "output_tokens"): 1,
    ("usage_events", "amount_micro"): 1,
    ("usage_events", "currency"): "USD",
    ("usage_events", "price_book_version"): 1,
    ("usage_events", "arithmetic"): Jsonb({}),
    ("usage_corrections", "kind"): "void",
    ("usage_corrections", "replacement_id"): None,
}

# References that exclude another one of the row's: a payment is of a purchase or of an invoice.
LEFT_OUT = (
    ("disputes", "invoice_id"),
    ("payments", "invoice_id"),
    ("refunds", "credit_note_id"),
    ("refunds", "invoice_id"),
)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A foreign key."""

    name: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


HELD_BY_TRIGGER = {
    "usage_events": (
        Reference(
            name="usage_events_customer",
            columns=("tenant_id", "customer_id"),
            parent="customers",
            parent_columns=("tenant_id", "id"),
        ),
    ),
}
"""Held like a foreign key, by statement."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A table as the catalog describes it."""

    name: str
    columns: dict[str, str]
    required: frozenset[str]
    choices: dict[str, list[str]]
    key: tuple[str, ...]
    references: tuple[Reference, ...] = field(default=())

    @property
    def tenant_column(self) -> str | None:
        """The column that names the tenant a row belongs to; None for a table of the installation's own."""
        if self.name == "tenants":
            return "id"
        return "tenant_id" if "tenant_id" in self.key else None


async def read_shapes(admin: Connection) -> dict[str, Shape]:
    """All tables of the product, parents first; left out are partitions, the job library's own and the write fence."""
    shapes: dict[str, Shape] = {}
    async with admin.cursor(row_factory=dict_row) as cursor:
        tables = await (await cursor.execute(_TABLES)).fetchall()
        columns = await (await cursor.execute(_COLUMNS)).fetchall()
        checks = await (await cursor.execute(_CHECKS)).fetchall()
        keys = await (await cursor.execute(_KEYS)).fetchall()
    for table in tables:
        name = table["name"]
        own = [column for column in columns if column["table"] == name]
        shapes[name] = Shape(
            name=name,
            columns={column["name"]: column["type"] for column in own},
            required=frozenset(column["name"] for column in own if column["required"]),
            choices=_choices(check["definition"] for check in checks if check["table"] == name),
            key=next((tuple(key["columns"]) for key in keys if key["table"] == name and key["kind"] == "p"), ()),
            references=tuple(
                Reference(
                    name=key["name"],
                    columns=tuple(key["columns"]),
                    parent=key["parent"],
                    parent_columns=tuple(key["parent_columns"]),
                )
                for key in keys
                if key["table"] == name and key["kind"] == "f"
            )
            + HELD_BY_TRIGGER.get(name, ()),
        )
    order = TopologicalSorter(
        {name: {one.parent for one in shape.references} - {name} for name, shape in shapes.items()}
    )
    return {name: shapes[name] for name in order.static_order()}


def fill(shape: Shape, tenant: UUID, parents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A row of this tenant with every column set that has to be, and every reference pointing to `parents`."""
    row = {
        name: SPECIAL.get((shape.name, name), _value(shape, name, kind))
        for name, kind in shape.columns.items()
        if name in shape.required or (shape.name, name) in SPECIAL
    }
    for reference in shape.references:
        parent = parents[reference.parent]
        row |= {
            column: parent[parent_column]
            for column, parent_column in zip(reference.columns, reference.parent_columns, strict=True)
        }
    row |= {column: None for table, column in LEFT_OUT if table == shape.name}
    if shape.tenant_column:
        row[shape.tenant_column] = tenant
    return row


async def insert(connection: Connection, table: str, row: dict[str, Any]) -> dict[str, Any]:
    """Insert the row; what the database made of it."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() * len(row)),
    )
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, list(row.values()))
        made = await cursor.fetchone()
    assert made
    return made


async def settle_world(admin: Connection, shapes: dict[str, Shape], tenant: UUID) -> dict[str, dict[str, Any]]:
    """One row of every table for this tenant, past triggers, row security and deferred checks."""
    await admin.execute("SET session_replication_role = replica")
    world: dict[str, dict[str, Any]] = {}
    for name, shape in shapes.items():
        world[name] = await insert(admin, name, fill(shape, tenant, world))
    await admin.execute("SET session_replication_role = origin")
    await admin.commit()
    return world


def fresh_key(shape: Shape, row: dict[str, Any]) -> dict[str, Any]:
    """The row under a key of its own: ids and texts that no reference uses are made anew."""
    used = {column for reference in shape.references for column in reference.columns} | {shape.tenant_column}
    return {
        name: _value(shape, name, shape.columns[name])
        if value is not None
        and name not in used
        and name not in shape.choices
        and (shape.columns[name] in ("uuid", "text", "bytea") or name in shape.key)
        else value
        for name, value in row.items()
    }


def adapted(row: dict[str, Any]) -> dict[str, Any]:
    """A row that was read, ready to be written again."""
    return {name: Jsonb(value) if isinstance(value, dict) else value for name, value in row.items()}


_TEXTS = {"currency": "USD", "last4": "4242"}


def _value(shape: Shape, column: str, kind: str) -> Any:
    if column in shape.choices:
        return shape.choices[column][0]
    if kind.endswith("[]"):
        return []
    values: dict[str, Any] = {
        "uuid": uuid4(),
        "text": _TEXTS.get(column) or f"{column[:12].replace('_', '-')}-{uuid4().hex[:8]}",
        "bigint": next(_numbers) if column in shape.key else 1,
        "integer": 1,
        "numeric": Decimal(1),
        "boolean": False,
        "bytea": uuid4().bytes * 2,
        "jsonb": Jsonb({}),
        "timestamp with time zone": datetime(2026, 6, 1, tzinfo=UTC),
        "date": datetime(2026, 6, 1, tzinfo=UTC).date(),
    }
    return values[kind]


def _choices(definitions: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for definition in definitions:
        if match := re.fullmatch(r'CHECK \(\(+"?(\w+)"? = ANY \(ARRAY\[([^]]*)\]\)\)( OR .*)?\)+', definition):
            found[match[1]] = re.findall(r"'([^']*)'", match[2])
    return found


_TABLES = """
SELECT c.relname AS name FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname NOT LIKE 'procrastinate%' AND c.relname NOT IN ('alembic_version', 'write_fence')
ORDER BY 1
"""
_COLUMNS = """
SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, NULL) AS type,
       a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""
_CHECKS = """
SELECT c.relname AS table, pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'c' AND c.relnamespace = 'public'::regnamespace
"""
_KEYS = """
SELECT c.relname AS table, k.conname AS name, k.contype AS kind, p.relname AS parent,
       (SELECT array_agg(a.attname::text ORDER BY n) FROM unnest(k.conkey) WITH ORDINALITY AS u (number, n)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number) AS columns,
       (SELECT array_agg(a.attname::text ORDER BY n) FROM unnest(k.confkey) WITH ORDINALITY AS u (number, n)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number) AS parent_columns
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_class p ON p.oid = k.confrelid
WHERE k.contype IN ('p', 'f') AND c.relnamespace = 'public'::regnamespace AND k.conparentid = 0
"""
