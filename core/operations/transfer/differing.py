"""Which rows differ between two servers: by table and key, with the columns, and those that changed hands.

Only where a tenant's digests differ is anything compared row by row: keys and hashes of that tenant's rows come from
both sides in the key's own bytes, bucket by bucket, and are matched here.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, LiteralString

from psycopg import sql

from core.operations.transfer.digests import INSTALLATION, Digests, digest, hash_of, row_hash
from core.operations.transfer.tables import Connection, Table

Kind = Literal["changed", "missing", "extra", "other_tenant"]
BUCKETS = 256
_WHOLE = 20_000
"""Tenants with fewer rows in a table are matched at once, without buckets."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One row that is not the same in the target. Values are never shown: they may be somebody's name."""

    table: str
    key: dict[str, str]
    """As the source has it; of an extra row, as the target has it."""

    kind: Kind
    tenant: str
    found_in: str | None = None
    """The tenant that has it in the target, when it is another."""

    columns: list[str] = field(default_factory=list[str])
    """Those that were changed."""

    def __str__(self) -> str:
        key = ", ".join(f"{name}={value}" for name, value in self.key.items())
        what = {
            "changed": f"changed in {', '.join(self.columns)}",
            "missing": "missing in the target",
            "extra": "only in the target",
            "other_tenant": f"tenant {self.tenant}'s in the source, {self.found_in}'s in the target",
        }[self.kind]
        return f"{self.table} ({key}): {what}"


@dataclass(frozen=True, slots=True)
class _Row:
    key: tuple[str, ...]
    hash: bytes
    body: bytes
    """Its hash without the tenant."""


def compare(source: Connection, target: Connection, tables: Sequence[Table], *, salt: str = "") -> list[Difference]:
    """Digests both sides at once, then names every row that differs."""
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(digest, side, tables, salt=salt) for side in (source, target)]
        here, there = (one.result() for one in asked)
    return list(differences(source, target, tables, here, there))


def differing_tenants(here: Digests, there: Digests) -> list[tuple[str, str]]:
    """Table and tenant of each leaf that is not the same."""
    return [
        (table, tenant)
        for table in sorted(here.leaves.keys() | there.leaves.keys())
        for tenant in sorted(here.leaves.get(table, {}).keys() | there.leaves.get(table, {}).keys())
        if here.leaves.get(table, {}).get(tenant) != there.leaves.get(table, {}).get(tenant)
    ]


def differences(
    source: Connection, target: Connection, tables: Sequence[Table], here: Digests, there: Digests
) -> Iterator[Difference]:
    """Each row that differs, table by table."""
    by_name = {table.name: table for table in tables}
    for name, group in groupby(differing_tenants(here, there), key=lambda leaf: leaf[0]):
        table, found = by_name[name], list[Difference]()
        bodies: dict[int, _Row] = {}
        for _, tenant in group:
            leaves = [side.leaves.get(name, {}).get(tenant) for side in (here, there)]
            large = any(leaf is not None and leaf.rows > _WHOLE for leaf in leaves)
            found += _differing(source, target, table, tenant, large=large, bodies=bodies)
        yield from _paired(table, found, bodies)


def _differing(
    source: Connection, target: Connection, table: Table, tenant: str, *, large: bool, bodies: dict[int, _Row]
) -> Iterator[Difference]:
    buckets: list[int] | None = None
    if large:
        left, right = (_buckets(side, table, tenant) for side in (source, target))
        buckets = [number for number in range(BUCKETS) if left.get(number) != right.get(number)]
    left, right = (_rows(side, table, tenant, buckets) for side in (source, target))
    for key in sorted(left.keys() | right.keys()):
        before, after = left.get(key), right.get(key)
        row = before or after
        assert row
        if before and after:
            if before.hash != after.hash:
                columns = _columns(source, target, table, key)
                yield Difference(
                    table=table.name, key=_named(table, key), kind="changed", tenant=tenant, columns=columns
                )
            continue
        one = Difference(table=table.name, key=_named(table, key), kind="missing" if before else "extra", tenant=tenant)
        bodies[id(one)] = row
        yield one


def _paired(table: Table, found: list[Difference], bodies: dict[int, _Row]) -> Iterator[Difference]:
    """A row that is missing with one tenant and extra with another went from the one to the other."""
    extra = {bodies[id(one)].body: one for one in found if one.kind == "extra" and table.tenant_column}
    moved: set[int] = set()
    for one in found:
        other = extra.get(bodies[id(one)].body) if one.kind == "missing" else None
        if other is not None and other.tenant != one.tenant:
            moved |= {id(one), id(other)}
            yield Difference(
                table=one.table, key=one.key, kind="other_tenant", tenant=one.tenant, found_in=other.tenant
            )
    yield from (one for one in found if id(one) not in moved)


def _buckets(connection: Connection, table: Table, tenant: str) -> dict[int, tuple[int, str]]:
    query = sql.SQL(
        "SELECT {bucket}, count(*), encode(substring(bit_send(bit_xor(('x' || encode({row}, 'hex'))::bit(256)))"
        " FROM 5), 'hex') FROM {table} WHERE {of_tenant} GROUP BY 1"
    ).format(bucket=_bucket(table), row=row_hash(table), table=table.identifier, of_tenant=_of_tenant(table, tenant))
    return {row[0]: (row[1], row[2]) for row in connection.execute(query).fetchall()}


def _rows(connection: Connection, table: Table, tenant: str, buckets: list[int] | None) -> dict[tuple[str, ...], _Row]:
    query = sql.SQL("SELECT {texts}, {row}, {body} FROM {table} WHERE {of_tenant} AND {in_buckets}").format(
        texts=sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in table.key),
        row=row_hash(table),
        body=row_hash(table, without=table.tenant_column),
        table=table.identifier,
        of_tenant=_of_tenant(table, tenant),
        in_buckets=sql.SQL("true")
        if buckets is None
        else sql.SQL("{} = ANY ({})").format(_bucket(table), sql.Literal(buckets)),
    )
    width = len(table.key)
    rows: dict[tuple[str, ...], _Row] = {}
    with connection.cursor(binary=True) as cursor:
        for row in cursor.execute(query):
            key = tuple(row[:width])
            rows[key] = _Row(key, row[width], row[width + 1])
    return rows


def _columns(source: Connection, target: Connection, table: Table, key: tuple[str, ...]) -> list[str]:
    names = [column.name for column in table.columns]
    query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.SQL(", ").join(hash_of(table, [name]) for name in names),
        table.identifier,
        sql.SQL(" AND ").join(
            sql.SQL("{}::text = {}").format(sql.Identifier(name), sql.Literal(value))
            if table.type_of(name) not in _INDEXED
            else sql.SQL("{} = {}::{}").format(
                sql.Identifier(name), sql.Literal(value), sql.SQL(_INDEXED[table.type_of(name)])
            )
            for name, value in zip(table.key, key, strict=True)
        ),
    )
    left, right = (_one(side, query) for side in (source, target))
    return [name for name, before, after in zip(names, left, right, strict=True) if before != after]


def _one(connection: Connection, query: sql.Composed) -> Sequence[Any]:
    row = connection.execute(query).fetchone()
    assert row, "the row was there a moment ago"
    return row


def _bucket(table: Table) -> sql.Composed:
    return sql.SQL("get_byte({}, 0)").format(hash_of(table, table.key))


def _of_tenant(table: Table, tenant: str) -> sql.Composable:
    if table.tenant_column is None or tenant == INSTALLATION:
        return sql.SQL("true")
    return sql.SQL("{} = {}::uuid").format(sql.Identifier(table.tenant_column), sql.Literal(tenant))


def _named(table: Table, key: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(table.key, key, strict=True))


# Compared in their own type, so that the key's index serves; others as text.
_INDEXED: dict[str, LiteralString] = {
    "uuid": "uuid",
    "bigint": "bigint",
    "integer": "integer",
    "text": "text",
    "timestamp with time zone": "timestamptz",
    "date": "date",
}
