"""What an installation's database holds: every table with its columns and key, parents before children.

Read from the catalog alone, so that a table added tomorrow is taken along. A partitioned table counts as one.
"""

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from core.operations.transfer.errors import LargeObjects, RowsHidden, TableWithoutKey, UnsupportedTable

Connection = psycopg.Connection[Any]

LEFT_OUT: dict[str, str] = {
    "alembic_version": "the schema's revision: the target's own migrations write it, and it is compared",
    "write_fence": "whether this one server takes writes",
    "moves": "that this one server takes part in a move",
    "move_positions": "up to where another server's log was written into this one",
    "recovery_standing": "how this one server is backed up, written anew every minute",
}
"""Tables that stay behind, with the reason."""

_HELD_BY_TRIGGER: dict[str, set[str]] = {"usage_events": {"customers"}}
"""What refers to another table without a foreign key, and comes after it all the same."""

_SESSION = {
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "lc_monetary": "C",
    "xmloption": "content",
    "standard_conforming_strings": "on",
    "row_security": "on",
    "search_path": "pg_catalog, public, pg_temp",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One that is copied: generated ones are made anew by the target."""

    name: str
    type: str
    """As PostgreSQL writes it: `timestamp with time zone`, `text[]`."""

    built_in: bool
    """Its type has the same number on every server; an enum or a domain of ours has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the schema `public`."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """The primary key's columns, in its order."""

    tenant_column: str | None
    """The column of the key that says whose row it is; None for the installation's own tables."""

    @property
    def identifier(self) -> sql.Identifier:
        """`"public"."name"`."""
        return sql.Identifier("public", self.name)

    @property
    def column_list(self) -> sql.Composed:
        """All columns, as COPY and INSERT want them."""
        return sql.SQL(", ").join(sql.Identifier(column.name) for column in self.columns)

    @property
    def key_list(self) -> sql.Composed:
        """The key's columns."""
        return sql.SQL(", ").join(sql.Identifier(name) for name in self.key)

    def type_of(self, name: str) -> str:
        """A column's type."""
        return next(column.type for column in self.columns if column.name == name)


def settle(connection: Connection) -> Connection:
    """Settings of the session that values depend on, whatever server, database and role say; none that times out."""
    names, values = list(_SESSION), list(_SESSION.values())
    connection.execute(
        "SELECT pg_catalog.set_config(s.name, s.value, false) FROM unnest(%s::text[], %s::text[]) AS s (name, value)",
        [names, values],
    )
    return connection


def inventory(connection: Connection) -> list[Table]:
    """All tables but those LEFT_OUT, parents first.

    Raises TableWithoutKey, LargeObjects, UnsupportedTable, naming all of them.
    """
    found = connection.execute("SELECT count(*) FROM pg_catalog.pg_largeobject_metadata").fetchone()
    if found and found[0]:
        raise LargeObjects(
            f"the database holds {found[0]} large objects, which no table owns: put them into bytea columns, then "
            "remove them with lo_unlink"
        )
    rows = [row for row in connection.execute(_TABLES).fetchall() if row[0] not in LEFT_OUT]
    unsupported = [f"{name} ({trouble})" for name, trouble, *_ in rows if trouble]
    if unsupported:
        raise UnsupportedTable(f"not copied: {', '.join(unsupported)}; make plain tables of them, or drop them")
    keyless = [name for name, _, _, key, _ in rows if not key]
    if keyless:
        raise TableWithoutKey(
            f"no primary key: {', '.join(keyless)}; its rows cannot be named or compared. "
            "ALTER TABLE … ADD PRIMARY KEY, or drop it"
        )
    parents = {row[0]: ({*row[4]} | _HELD_BY_TRIGGER.get(row[0], set())) - {row[0]} for row in rows}
    tables = {name: _table(name, columns, key) for name, _, columns, key, _ in rows}
    return [tables[name] for name in _ordered(parents) if name in tables]


def refuse_hidden_rows(connection: Connection, tables: list[Table]) -> None:
    """Raises RowsHidden unless this login reads and writes every row of every table.

    `SET row_security = off` cannot ask it: it refuses every policy, one that hides nothing included.
    """
    asked: tuple[tuple[str, LiteralString], ...] = (("rows", _HIDDEN), ("rights", _NO_RIGHTS))
    for what, query in asked:
        hidden = [row[0] for row in connection.execute(query, [[table.name for table in tables]]).fetchall()]
        if hidden:
            user = connection.info.user
            more = f" and {len(hidden) - 5} more tables" if len(hidden) > 5 else ""
            raise RowsHidden(
                f"{user} does not have all {what} of {', '.join(hidden[:5])}{more}: sign in as a member of "
                "cloudbill_mover, and bring the schema up to date (`cloudbill migrate`)"
            )


def _table(name: str, columns: list[list[Any]], key: list[str]) -> Table:
    made = tuple(Column(column, kind, built_in) for column, kind, built_in, _ in columns)
    owned = next((column for column, kind, _, _ in columns if column == "tenant_id" and kind == "uuid"), None)
    tenant = "id" if name == "tenants" else owned if owned in key else None
    return Table(name=name, columns=made, key=tuple(key), tenant_column=tenant)


def _ordered(parents: dict[str, set[str]]) -> list[str]:
    sorter = TopologicalSorter({name: sorted(parents[name]) for name in sorted(parents)})
    try:
        return list(sorter.static_order())
    except CycleError:
        return sorted(parents)  # tables that refer to each other have no order, and none is needed without their keys


_TABLES = """
SELECT c.relname,
       CASE WHEN c.relkind = 'f' THEN 'foreign' WHEN c.relpersistence = 'u' THEN 'unlogged'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
                         WHERE i.inhrelid = c.oid OR (i.inhparent = c.oid AND p.relkind <> 'p')) THEN 'inherits'
       END,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(
                   a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
                   a.atttypid < 16384 AND t.typtype = 'b', a.attnotnull) ORDER BY a.attname COLLATE "C"), '[]')
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
       (SELECT array_agg(a.attname::text ORDER BY u.n)
        FROM pg_catalog.pg_constraint k, unnest(k.conkey) WITH ORDINALITY AS u (number, n)
        JOIN pg_catalog.pg_attribute a ON a.attnum = u.number
        WHERE k.conrelid = c.oid AND k.contype = 'p' AND a.attrelid = c.oid),
       (SELECT coalesce(array_agg(DISTINCT p.relname::text), '{}')
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
        WHERE k.conrelid = c.oid AND k.contype = 'f' AND NOT p.relispartition)
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
ORDER BY c.relname COLLATE "C"
"""

# A permissive policy of this login that shows and takes everything, and no restrictive one.
_HIDDEN = """
SELECT c.relname FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s) AND pg_catalog.row_security_active(c.oid)
  AND NOT (EXISTS (SELECT FROM pg_catalog.pg_policies p
                   WHERE p.schemaname = 'public' AND p.tablename = c.relname AND p.permissive = 'PERMISSIVE'
                     AND p.cmd = 'ALL' AND p.qual = 'true' AND coalesce(p.with_check, 'true') = 'true'
                     AND EXISTS (SELECT FROM unnest(p.roles) r
                                 WHERE r = 'public' OR pg_catalog.pg_has_role(current_user, r, 'USAGE')))
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_policies p
                           WHERE p.schemaname = 'public' AND p.tablename = c.relname AND p.permissive <> 'PERMISSIVE'))
ORDER BY 1
"""
_NO_RIGHTS = """
SELECT c.relname FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)
  AND NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
           AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') AND pg_catalog.has_table_privilege(c.oid, 'DELETE'))
ORDER BY 1
"""
