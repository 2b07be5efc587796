"""Digests are equal exactly where rows are: on either version, whatever a server's settings say."""

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from core.operations.transfer import chunks, schema
from core.operations.transfer.differing import Difference, compare, differences
from core.operations.transfer.digests import Digests, digest
from core.operations.transfer.tables import Table, inventory, settle
from tests.support.everything import add_exotic, fill_everything
from tests.support.twins import MOVER, Place, Twins

HOSTILE = {
    "timezone": "Asia/Kathmandu",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "client_encoding": "LATIN1",
    "lc_monetary": "C",
    "standard_conforming_strings": "off",
    "search_path": "pg_temp",
    "row_security": "off",
    "default_transaction_read_only": "on",
    "statement_timeout": "1s",
    "lc_numeric": "C",
}


@pytest.fixture(scope="module")
def filled(twins: Twins) -> Iterator[tuple[Place, Place]]:
    """The older server's database with rows of every table, and its copy on the newer."""
    older, newer = twins.pair()
    for place in (older, newer):
        add_exotic(place.url("owner"))
    fill_everything(older.url("admin"))
    copy(older, newer)
    yield older, newer
    twins.drop(older)
    twins.drop(newer)


def copy(older: Place, newer: Place) -> list[Table]:
    """All rows, as the movers of both sides and the target's owner."""
    with settle(older.connect("mover")) as source:
        tables = inventory(source)
        with settle(newer.connect("owner")) as owner:
            schema.strip(owner, tables, source="a test")
        with settle(newer.connect("mover")) as target:
            for table in tables:
                for chunk in chunks.plan(source, table, chunk_bytes=700):
                    assert chunks.copy_in(target, table, chunks.copy_out(source, chunk)) == chunk.rows
    schema.rebuild(newer.url("owner"))
    with settle(newer.connect("owner")) as owner:
        schema.forget(owner)
    return tables


def test_equal_rows_have_equal_digests_on_15_and_18_whatever_the_servers_say(filled: tuple[Place, Place]) -> None:
    older, newer = filled
    with newer.connect("admin") as admin:
        for name, value in HOSTILE.items():
            admin.execute(
                sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                    sql.Identifier(MOVER), sql.Identifier(newer.database), sql.Identifier(name), value
                )
            )
    with settle(older.connect("mover")) as source, settle(newer.connect("mover")) as target:
        tables = inventory(source)
        here, there = (digest(side, tables, salt="a grain") for side in (source, target))
        other = digest(source, tables, salt="another")
    assert here == there
    assert here.root() == there.root()
    assert other.root() != here.root()
    assert Digests.from_json(here.to_json()) == here
    assert len(here.leaves) > 35, "rows of nearly every table"
    assert here.rows("exotic") == 12
    assert len(here.tenants()) == 5, "three tenants, the installation's own rows, and tenant zero's"


def test_the_schema_is_the_same_again_after_the_rows_have_come(filled: tuple[Place, Place]) -> None:
    older, newer = filled
    with settle(older.connect("mover")) as source, settle(newer.connect("mover")) as target:
        here, there = schema.describe(source), schema.describe(target)
    assert schema.differences(here, there) == []
    assert here["row security ledger_entries"] == "on, forced"
    assert here["policy holds.mover_moves"] == "ALL to cloudbill_mover using true with check true"


@pytest.mark.timeout(1200)
def test_each_of_many_single_corruptions_is_found_and_named(
    filled: tuple[Place, Place], pytestconfig: pytest.Config, record_property: Any
) -> None:
    chance = random.Random(pytestconfig.getoption("--proof-seed"))
    count = pytestconfig.getoption("--proof-count") or 80
    older, newer = filled
    with settle(older.connect("mover")) as source, settle(newer.connect("admin")) as target:
        tables = [table for table in inventory(source) if table.columns]
        here = digest(source, tables)
        done: dict[str, int] = {}
        for number in range(count):
            kind = ("changed", "missing", "extra", "swapped")[number % 4]
            expected, found = _corrupted(source, target, tables, here, kind, chance)
            assert sorted(expected) == sorted(found), f"corruption {number}, {kind}"
            done[kind] = done.get(kind, 0) + 1
        assert compare(source, target, tables) == []
    record_property("result", f"{count} corruptions, each named: {done}; columns of every table and of 25 types")


def _corrupted(
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    tables: list[Table],
    here: Digests,
    kind: str,
    chance: random.Random,
) -> tuple[list[str], list[str]]:
    """What must be named, and what was; the target is as before."""
    while True:
        table = chance.choice(tables)
        if kind == "swapped" and not (table.tenant_column and table.name != "tenants"):
            continue
        with target.transaction(force_rollback=True):
            target.execute("SET LOCAL session_replication_role = replica")
            target.execute("SET LOCAL timezone = 'UTC'")
            try:
                with target.transaction():
                    expected = _inject(target, table, kind, chance)
            except (psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation, psycopg.errors.UniqueViolation):
                continue
            if not expected:
                continue
            target.execute("SET LOCAL ROLE cloudbill_mover")
            named = list(differences(source, target, tables, here, digest(target, tables)))
            return expected, [_name(one) for one in named]


def _name(one: Difference) -> str:
    key = "/".join(one.key.values())
    return f"{one.table} {key} {one.kind} {','.join(one.columns)}{one.found_in or ''}"


def _inject(target: psycopg.Connection[Any], table: Table, kind: str, chance: random.Random) -> list[str]:
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in table.key)
    rows = target.execute(sql.SQL("SELECT {}, ctid, tableoid FROM {}").format(texts, table.identifier)).fetchall()
    if not rows:
        return []
    *key, ctid, oid = chance.choice(rows)
    where = sql.SQL("ctid = {} AND tableoid = {}").format(sql.Literal(ctid), sql.Literal(oid))
    name = "/".join(key)
    if kind == "missing":
        target.execute(sql.SQL("DELETE FROM {} WHERE {}").format(table.identifier, where))
        return [f"{table.name} {name} missing "]
    if kind == "extra":
        own = [column for column in table.key if column != table.tenant_column] or list(table.key)
        column = chance.choice(own)
        values = [
            _changed(one.name, one.type) if one.name == column else sql.Identifier(one.name) for one in table.columns
        ]
        row = target.execute(
            sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} WHERE {} RETURNING {}").format(
                table.identifier, table.column_list, sql.SQL(", ").join(values), table.identifier, where, texts
            )
        ).fetchone()
        assert row
        return [f"{table.name} {'/'.join(row)} extra "]
    if kind == "swapped":
        assert table.tenant_column
        mine = key[table.key.index(table.tenant_column)]
        others = sorted({row[table.key.index(table.tenant_column)] for row in rows} - {mine})
        if not others:
            return []
        other = chance.choice(others)
        target.execute(
            sql.SQL("UPDATE {} SET {} = {} WHERE {}").format(
                table.identifier, sql.Identifier(table.tenant_column), sql.Literal(other), where
            )
        )
        return [f"{table.name} {name} other_tenant {other}"]
    column = chance.choice([one for one in table.columns if one.name not in table.key] or [None])
    if column is None:
        return []
    row = target.execute(
        sql.SQL("SELECT {} IS NULL FROM {} WHERE {}").format(sql.Identifier(column.name), table.identifier, where)
    ).fetchone()
    assert row
    new = _made(column.type) if row[0] else chance.choice([_changed(column.name, column.type), sql.SQL("NULL")])
    target.execute(
        sql.SQL("UPDATE {} SET {} = {} WHERE {}").format(table.identifier, sql.Identifier(column.name), new, where)
    )
    return [f"{table.name} {name} changed {column.name}"]


_CHANGES = {
    "bigint": "{0} + 1",
    "integer": "{0} # 1",
    "smallint": "({0} # 1::smallint)",
    "text": "{0} || 'x'",
    "bytea": "{0} || '\\x00'",
    "uuid": "gen_random_uuid()",
    "boolean": "NOT {0}",
    "jsonb": "jsonb_build_array({0})",
    "json": "({0}::text || ' ')::json",
    "numeric": "CASE WHEN {0} = 'NaN' THEN 0 ELSE ({0}::text || '0')::numeric END",
    "date": "CASE WHEN isfinite({0}) THEN {0} - 1 ELSE 'epoch' END",
    "real": "CASE WHEN {0} = 1 THEN 2 ELSE 1 END",
    "double precision": "CASE WHEN {0} = 0 THEN 5e-324 ELSE 0 END",
    "interval": "{0} + '1 microsecond'",
    "inet": "'10.1.2.3'",
    "tstzrange": "'[2020-01-01,2020-01-02]'",
}


def _changed(name: str, kind: str) -> sql.Composed:
    """Another value, as near to this one as the type allows."""
    column = sql.Identifier(name)
    if kind.startswith("timestamp"):
        return sql.SQL("CASE WHEN isfinite({0}) THEN {0} + '1 microsecond'::interval ELSE 'epoch' END").format(column)
    if kind.endswith("[]"):
        return sql.SQL("CASE WHEN {0} = '{{}}' THEN ARRAY[NULL]::{1} ELSE '{{}}' END").format(column, sql.SQL(kind))
    if kind.startswith("numeric("):
        return sql.SQL("coalesce({}, 0) - 0.000001").format(column)
    if kind.startswith("character("):
        return sql.SQL("CASE WHEN {0} = 'z' THEN 'y' ELSE 'z' END").format(column)
    if kind.startswith("character varying"):
        return sql.SQL("{} || ' '").format(column)
    if kind.startswith("bit("):
        return sql.SQL("~{}").format(column)
    if kind.startswith("time "):
        return sql.SQL("{} + '1 microsecond'::interval").format(column)
    if kind.startswith("procrastinate"):  # an enum of ours: its first word, or its last
        return sql.SQL("CASE WHEN {0} = enum_first({0}) THEN enum_last({0}) ELSE enum_first({0}) END").format(column)
    return sql.SQL(_CHANGES[kind]).format(column)


def _made(kind: str) -> sql.Composable:
    """Some value where there was none."""
    values = {
        "text": "''",
        "bytea": "''",
        "uuid": "gen_random_uuid()",
        "jsonb": "'null'",
        "json": "'{}'",
        "boolean": "false",
    }
    if kind.startswith("timestamp") or kind == "date":
        return sql.SQL("'epoch'")
    if kind.endswith("[]"):
        return sql.SQL("'{}'")
    if kind.startswith("character"):
        return sql.SQL("''")
    if kind.startswith("bit("):
        return sql.SQL("B'00000'")
    if kind.startswith("time "):
        return sql.SQL("'00:00'")
    if kind == "inet":
        return sql.SQL("'::'")
    if kind == "tstzrange":
        return sql.SQL("'empty'")
    return sql.SQL(values.get(kind, "'0'"))
