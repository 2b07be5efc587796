"""Both sides' digests, kept true while the changes go on, so that the pause compares what was written last only.

A full comparison reads every row, which does not fit into a pause of seconds. So each side is digested once, whole,
under a snapshot that stays open. A leaf is a count and an exclusive or of row hashes: a row that changes later is taken
out as the snapshot had it and put in as it is now. Which rows those are, the stream says, recorded from before the
snapshots on. Rounds of that run until few rows are left; the last one runs while writers wait. The target takes no
writes but the applier's from the beginning (its fence stands by), so nothing escapes the stream.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql

from core.operations.transfer.digests import Digests, Leaf, digest, row_hash, tenant_of
from core.operations.transfer.moving import proving
from core.operations.transfer.moving.changes import Transaction
from core.operations.transfer.moving.proving import Key
from core.operations.transfer.moving.servers import Endpoint, watched
from core.operations.transfer.tables import Table, settle

_Found = tuple[str, int] | None
"""Tenant and hash of a row, None where there is none."""
_AT_ONCE = 5_000


class Touched:
    """Keys that the stream wrote, since they were last taken."""

    def __init__(self) -> None:
        self._keys: set[Key] = set()
        self._lock = threading.Lock()

    def add(self, transactions: list[Transaction]) -> None:
        """Called by the applier once they are committed: a look at the target before that would be too early."""
        found: set[Key] = set()
        for transaction in transactions:
            for change in transaction.changes:
                if change.key:
                    found.add((change.shape.name, change.key))
                if change.moves_key:
                    found.add((change.shape.name, tuple(str(change.values[name]) for name in change.shape.key)))
        with self._lock:
            self._keys |= found

    def take(self) -> set[Key]:
        """All of them; the next begin anew."""
        with self._lock:
            taken, self._keys = self._keys, set()
        return taken

    def __len__(self) -> int:
        return len(self._keys)


class Side:
    """One side's digest: whole at first, then kept true."""

    def __init__(self, endpoint: Endpoint, tables: Sequence[Table], *, salt: str) -> None:
        self._tables = {table.name: table for table in tables}
        self._salt = salt
        self._then = settle(endpoint.connect("verify-then"))
        self._now = settle(endpoint.connect("verify-now"))
        self._leaves: dict[tuple[str, str], list[int]] = {}
        self._written: set[tuple[str, str]] = set()
        """Leaves that are other ones than at the beginning, or were meanwhile."""
        self._known: dict[Key, _Found] = {}
        for name, value in (("enable_seqscan", "off"), ("jit", "off")):
            self._now.execute("SELECT set_config(%s, %s, false)", [name, value])

    def begin(self) -> None:
        """Digest all of it, under a snapshot that stays."""
        self._then.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        whole = digest(self._then, list(self._tables.values()), salt=self._salt)
        self._leaves = {
            (table, tenant): [leaf.rows, int(leaf.digest, 16)]
            for table, by_tenant in whole.leaves.items()
            for tenant, leaf in by_tenant.items()
        }
        self._then.execute("SET LOCAL enable_seqscan = off")

    def refresh(self, keys: set[Key]) -> None:
        """These rows may have changed."""
        new = {key for key in keys if key not in self._known}
        before, after = self._find(self._then, new), self._find(self._now, keys)
        for key in keys:
            old = before[key] if key in new else self._known[key]
            self._put(key[0], old, -1)
            self._put(key[0], after[key], 1)
            self._known[key] = after[key]

    def digests(self) -> Digests:
        """As it is after the last refresh."""
        return _digests(self._salt, self._leaves)

    def written(self) -> dict[str, dict[str, list[Any]]]:
        """Only the leaves written since the beginning: rows (also none) and digest, by table and tenant."""
        found: dict[str, dict[str, list[Any]]] = defaultdict(dict)
        for table, tenant in self._written:
            rows, bits = self._leaves[table, tenant]
            found[table][tenant] = [rows, f"{bits:064x}"]
        return dict(found)

    def is_as(self, other: "Side") -> bool:
        """Whether both hold the same; cheap, however many tenants there are."""
        return _full(self._leaves) == _full(other._leaves)

    def stands_in_the_way_of(self) -> list[str]:
        """Tables that somebody waits to alter, because the open snapshot has read them; all others wait behind that."""
        rows = self._now.execute(
            "SELECT DISTINCT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE NOT l.granted "
            "AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND %s = ANY (pg_blocking_pids(l.pid))",
            [self._then.info.backend_pid],
        ).fetchall()
        return sorted(row[0] for row in rows)

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """Sees what is committed now."""
        return self._now

    @property
    def lines(self) -> tuple[psycopg.Connection[Any], psycopg.Connection[Any]]:
        """The snapshot's and the present's."""
        return self._then, self._now

    @property
    def size(self) -> int:
        """How many written rows are kept in mind."""
        return len(self._known)

    def close(self) -> None:
        """The snapshot goes."""
        self._then.close()
        self._now.close()

    def _put(self, table: str, found: _Found, count: int) -> None:
        if found is not None:
            self._written.add((table, found[0]))
            leaf = self._leaves.setdefault((table, found[0]), [0, 0])
            leaf[0] += count
            leaf[1] ^= found[1]

    def _find(self, connection: psycopg.Connection[Any], keys: set[Key]) -> dict[Key, _Found]:
        found: dict[Key, _Found] = dict.fromkeys(keys)
        by_table: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for table, key in keys:
            by_table[table].append(key)
        asked: list[tuple[str, psycopg.Cursor[Any]]] = []
        # All questions at once, then the answers: a wire between clouds is slow there and back.
        with connection.pipeline():
            for name, of_table in by_table.items():
                query = _lookup(self._tables[name], self._salt)
                for first in range(0, len(of_table), _AT_ONCE):
                    columns = [list(column) for column in zip(*of_table[first : first + _AT_ONCE], strict=True)]
                    asked.append((name, connection.execute(query, columns)))
        for name, cursor in asked:
            for *key, tenant, hashed in cursor.fetchall():
                found[name, tuple(key)] = (tenant, int(hashed, 16))
        return found


class Rolling:
    """Both sides together."""

    def __init__(
        self, left: Endpoint, right: Endpoint, tables: Sequence[Table], *, salt: str, touched: Touched
    ) -> None:
        self.tables = list(tables)
        self.touched = touched
        self.left = Side(left, tables, salt=salt)
        self.right = Side(right, tables, salt=salt)
        self.newest_blocks: dict[str, list[Any]] = {}
        """Number and hash of each tenant's newest block on the right."""
        self._taking_over = right

    def begin(self) -> None:
        """Digest both, at once."""
        self._both(Side.begin)
        self.newest_blocks = proving.newest_blocks(self.right.connection)

    def catch_up(self) -> int:
        """Take in what the stream wrote since, and prove its sums and balances; how many rows that were.

        Raises BooksWrong.
        """
        keys = self.touched.take()
        if keys:
            self._both(partial(Side.refresh, keys=keys))
            proving.prove_written(self.right.connection, keys, side=self._taking_over)
            sealed = {key[0] for table, key in keys if table in ("tenants", "ledger_blocks")}
            if sealed:
                self.newest_blocks |= proving.newest_blocks(self.right.connection, sealed)
        return len(keys)

    @property
    def agree(self) -> bool:
        """Whether both sides held the same after the last catching up."""
        return self.left.is_as(self.right)

    @property
    def size(self) -> int:
        """How many written rows are kept in mind."""
        return self.left.size

    @contextmanager
    def bounded(self, seconds: float) -> Generator[None]:
        """Breaks the lines when what is inside takes longer."""
        with ExitStack() as lines:
            for side in (self.left, self.right):
                for line in side.lines:
                    lines.enter_context(watched(line, seconds))
            yield

    def close(self) -> None:
        """Let the snapshots go."""
        self.left.close()
        self.right.close()

    def _both(self, work: Callable[[Side], None]) -> None:
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(work, side) for side in (self.left, self.right)]:
                done.result()


def _digests(salt: str, found: dict[tuple[str, str], list[int]]) -> Digests:
    leaves: dict[str, dict[str, Leaf]] = defaultdict(dict)
    for (table, tenant), (rows, bits) in found.items():
        if rows:
            leaves[table][tenant] = Leaf(rows, f"{bits:064x}")
    return Digests(salt=salt, leaves=dict(leaves))


def _full(leaves: dict[tuple[str, str], list[int]]) -> dict[tuple[str, str], list[int]]:
    return {name: leaf for name, leaf in leaves.items() if leaf[0]}


def _lookup(table: Table, salt: str) -> sql.Composed:
    names = [f"key {number}" for number in range(len(table.key))]
    listed = sql.SQL(", ").join(sql.SQL("x.{}").format(sql.Identifier(name)) for name in names)
    return sql.SQL("SELECT {}, {}, encode({}, 'hex') FROM unnest({}) AS x ({}) JOIN {} t ON {}").format(
        listed,
        tenant_of(table),
        row_hash(table, salt=salt),
        sql.SQL(", ").join([sql.SQL("%s::text[]")] * len(names)),
        sql.SQL(", ").join(sql.Identifier(name) for name in names),
        table.identifier,
        sql.SQL(" AND ").join(
            sql.SQL("t.{} = x.{}::{}").format(
                sql.Identifier(column),
                sql.Identifier(name),
                # The type's name is the server's own (format_type), with its modifier and quotes.
                sql.SQL(cast("LiteralString", table.type_of(column))),
            )
            for column, name in zip(table.key, names, strict=True)
        ),
    )
