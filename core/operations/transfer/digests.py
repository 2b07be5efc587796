"""Digests of all rows, computed by PostgreSQL, equal on every server that holds the same rows.

A row is hashed in its binary form (`record_send`: no setting of a server, a session or a locale has a say in it), with
the table's columns in the order of their names; types of our own, whose numbers differ from server to server, as text.
The rows of a tenant in a table are a count and the exclusive or of their hashes, whatever order they are read in. A
salt makes that safe against rows made to cancel each other out: take a fresh one where somebody else is to believe it.

    row  ->  bucket of a table (by the hash of its key)  ->  tenant in a table  ->  tenant  ->  installation

Buckets and rows are only asked for where tenants differ (differing.py).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import sql

from core.operations.transfer.chunks import KeyRange, bound
from core.operations.transfer.tables import Connection, Table

INSTALLATION = "installation"
"""Whose the rows without a tenant are."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Rows of one tenant in one table."""

    rows: int
    digest: str
    """64 hexadecimal digits."""


@dataclass(frozen=True, kw_only=True)
class Digests:
    """All leaves, by table and by tenant (INSTALLATION: rows without one); a table without rows has none."""

    salt: str = ""
    leaves: dict[str, dict[str, Leaf]] = field(default_factory=dict[str, dict[str, Leaf]])

    def tenants(self) -> list[str]:
        """All there are, INSTALLATION included."""
        return sorted({tenant for by_tenant in self.leaves.values() for tenant in by_tenant})

    def rows(self, table: str) -> int:
        """How many a table has."""
        return sum(leaf.rows for leaf in self.leaves.get(table, {}).values())

    def tenant_root(self, tenant: str) -> str:
        """Over the tenant's rows in every table."""
        lines = [
            f"{table} {found.rows} {found.digest}"
            for table, by_tenant in sorted(self.leaves.items())
            if (found := by_tenant.get(tenant))
        ]
        return _hash("tenant", tenant, *lines)

    def root(self) -> str:
        """Over all tenants."""
        return _hash("all", self.salt, *(f"{tenant} {self.tenant_root(tenant)}" for tenant in self.tenants()))

    def to_json(self) -> dict[str, object]:
        """As documents keep it."""
        return {
            "salt": self.salt,
            "tables": {
                table: {tenant: [leaf.rows, leaf.digest] for tenant, leaf in sorted(by_tenant.items())}
                for table, by_tenant in sorted(self.leaves.items())
            },
        }

    @classmethod
    def from_json(cls, document: dict[str, dict[str, dict[str, tuple[int, str]]]]) -> "Digests":
        """What `to_json` made. Raises KeyError, ValueError, TypeError on anything else."""
        leaves = {
            table: {tenant: Leaf(int(rows), str(found)) for tenant, (rows, found) in by_tenant.items()}
            for table, by_tenant in document["tables"].items()
        }
        return cls(salt=str(document["salt"]), leaves=leaves)


def digest(connection: Connection, tables: Sequence[Table], *, salt: str = "") -> Digests:
    """Of all rows that the connection's transaction sees; one scan a table."""
    leaves: dict[str, dict[str, Leaf]] = {}
    for table in tables:
        if found := digest_table(connection, table, salt=salt):
            leaves[table.name] = found
    return Digests(salt=salt, leaves=leaves)


def digest_table(connection: Connection, table: Table, *, salt: str = "") -> dict[str, Leaf]:
    """One table's leaves, by tenant."""
    query = sql.SQL("{} GROUP BY 1").format(_leaves(table, salt))
    return {row[0]: Leaf(row[1], row[2]) for row in connection.execute(query).fetchall()}


def digest_range(connection: Connection, chunk: KeyRange, *, salt: str = "") -> dict[str, Leaf]:
    """The leaves of one chunk's rows."""
    condition, given = chunk.where
    query = sql.SQL("{} WHERE {} GROUP BY 1").format(_leaves(chunk.table, salt), bound(condition, given))
    return {row[0]: Leaf(row[1], row[2]) for row in connection.execute(query).fetchall()}


def merge(into: dict[str, Leaf], more: dict[str, Leaf]) -> None:
    """Leaves of other rows of the same table are added."""
    for tenant, leaf in more.items():
        known = into.get(tenant)
        if known is None:
            into[tenant] = leaf
        else:
            both = int(known.digest, 16) ^ int(leaf.digest, 16)
            into[tenant] = Leaf(known.rows + leaf.rows, f"{both:064x}")


def tenant_of(table: Table) -> sql.Composable:
    """The tenant as text."""
    if table.tenant_column is None:
        return sql.Literal(INSTALLATION) + sql.SQL("::text")
    return sql.SQL("{}::text").format(sql.Identifier(table.tenant_column))


def row_hash(table: Table, *, salt: str = "", without: str | None = None) -> sql.Composable:
    """SHA-256 of a row, as bytea; `without` leaves a column out."""
    return hash_of(table, [column.name for column in table.columns if column.name != without], salt=salt)


def hash_of(table: Table, names: Sequence[str], *, salt: str = "") -> sql.Composable:
    """SHA-256 of some columns of a row, as bytea."""
    built_in = {column.name: column.built_in for column in table.columns}
    values = [
        sql.Identifier(name) if built_in[name] else sql.SQL("{}::text").format(sql.Identifier(name)) for name in names
    ]
    row = sql.SQL("record_send(ROW({}))").format(sql.SQL(", ").join(values))
    if salt:
        row = sql.SQL("({}::bytea || {})").format(sql.Literal(f"\\x{salt.encode().hex()}"), row)
    return sql.SQL("sha256({})").format(row)


def _leaves(table: Table, salt: str) -> sql.Composed:
    return sql.SQL(
        "SELECT {tenant}, count(*), encode(substring(bit_send(bit_xor({bits})) FROM 5), 'hex') FROM {table}"
    ).format(tenant=tenant_of(table), bits=_bits(row_hash(table, salt=salt)), table=table.identifier)


def _bits(hashed: sql.Composable) -> sql.Composed:
    return sql.SQL("('x' || encode({}, 'hex'))::bit(256)").format(hashed)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
