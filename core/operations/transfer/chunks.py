"""A table in pieces of about so many bytes: ranges of its key, planned under the snapshot they are read under.

Bounds are in the order of the server that planned them: a text key sorts by its database's collation, so a range means
the same rows on that server only. They are kept as text, which JSON and a bound parameter both take.
"""

import select
from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from core.operations.transfer.tables import Connection, Table

CHUNK_BYTES = 16 * 2**20
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """The rows with `after` < key <= `until`; None is no bound."""

    table: Table
    number: int
    after: tuple[str, ...] | None
    until: tuple[str, ...] | None
    rows: int
    """How many there were when it was planned."""

    @property
    def where(self) -> tuple[sql.Composed, list[str]]:
        """A condition and its parameters."""
        parts: list[sql.Composed] = []
        given: list[str] = []
        bounds: tuple[tuple[LiteralString, tuple[str, ...] | None], ...] = ((">", self.after), ("<=", self.until))
        for operator, bound in bounds:
            if bound is not None:
                parts.append(
                    sql.SQL("({}) " + operator + " ({})").format(self.table.key_list, _placeholders(self.table))
                )
                given += bound
        return (sql.SQL(" AND ").join(parts) if parts else sql.SQL("{}").format(sql.SQL("true"))), given


def plan(connection: Connection, table: Table, *, chunk_bytes: int = CHUNK_BYTES) -> list[KeyRange]:
    """Ranges that cover the table, in the key's order; none for an empty one. Two scans of the key's index."""
    counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier)).fetchone()
    rows = int(counted[0]) if counted else 0
    if rows == 0:
        return []
    size = connection.execute(_SIZE, [table.name]).fetchone()
    each = max(20, rows * chunk_bytes // max(1, int(size[0]) if size else 1))
    ends: list[tuple[str, ...]] = []
    if rows > each:
        query = sql.SQL(
            "SELECT {texts} FROM (SELECT {key}, row_number() OVER (ORDER BY {key}) AS n FROM {table}) numbered "
            "WHERE n %% {each} = 0 AND n < {rows} ORDER BY n"
        ).format(
            texts=sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in table.key),
            key=table.key_list,
            table=table.identifier,
            each=sql.Literal(each),
            rows=sql.Literal(rows),
        )
        ends = [tuple(row) for row in connection.execute(query, []).fetchall()]
    bounds = [None, *ends, None]
    return [
        KeyRange(
            table=table,
            number=number,
            after=after,
            until=until,
            rows=each if until is not None else rows - each * len(ends),
        )
        for number, (after, until) in enumerate(zip(bounds, bounds[1:], strict=False))
    ]


def copy_out(connection: Connection, chunk: KeyRange, *, binary: bool = False) -> Iterator[bytes]:
    """The chunk's rows as COPY writes them, in the key's order, in pieces of a quarter of a megabyte.

    `binary` is twice as fast and for a server at the other end; text can be read in twenty years. libpq is asked
    itself: row by row through psycopg costs a third more. A caller that stops early loses the connection.
    """
    condition, given = chunk.where
    statement = sql.SQL("COPY (SELECT {} FROM {} WHERE {} ORDER BY {}) TO STDOUT{}").format(
        chunk.table.column_list,
        chunk.table.identifier,
        bound(condition, given),
        chunk.table.key_list,
        sql.SQL(" (FORMAT binary)" if binary else ""),
    )
    if not connection.autocommit:
        connection.execute("SELECT")  # psycopg begins the transaction, of which libpq knows nothing
    libpq, done = connection.pgconn, False
    try:
        libpq.send_query(statement.as_bytes(connection))
        _expect(libpq, _result(libpq), ExecStatus.COPY_OUT)
        pieces: list[bytes] = []
        size = 0
        while True:
            count, piece = libpq.get_copy_data(1)
            if count > 0:
                pieces.append(bytes(piece))
                size += count
                if size >= _PIECE:
                    yield b"".join(pieces)
                    pieces, size = [], 0
            elif count == 0:
                select.select([libpq.socket], [], [])
                libpq.consume_input()
            else:
                break
        _expect(libpq, _result(libpq), ExecStatus.COMMAND_OK)
        if libpq.get_result() is not None:
            raise psycopg.InternalError("COPY answered more than once")
        done = True
        if pieces:
            yield b"".join(pieces)
    finally:
        if not done and libpq.status == ConnStatus.OK and libpq.transaction_status == TransactionStatus.ACTIVE:
            connection.close()  # in the middle of COPY nothing else can be asked


def copy_in(connection: Connection, table: Table, pieces: Iterator[bytes], *, binary: bool = False) -> int:
    """Writes what `copy_out` gave; how many rows. The table must be stripped: COPY is refused under row security."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN{}").format(
        table.identifier, table.column_list, sql.SQL(" (FORMAT binary)" if binary else "")
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for piece in pieces:
                copy.write(piece)
        return cursor.rowcount


def _result(libpq: PGconn) -> PGresult | None:
    while libpq.is_busy():
        select.select([libpq.socket], [], [])
        libpq.consume_input()
    return libpq.get_result()


def _expect(libpq: PGconn, result: PGresult | None, status: ExecStatus) -> None:
    if result is None or result.status != status:
        while libpq.get_result() is not None:
            pass
        if result is None or libpq.status != ConnStatus.OK:
            raise psycopg.OperationalError(libpq.get_error_message())
        raise psycopg.errors.error_from_result(result)


def bound(condition: sql.Composed, given: list[str]) -> sql.Composable:
    """The condition with its parameters as literals: COPY takes no parameters."""
    if not given:
        return condition
    literals = iter(given)
    parts: list[sql.Composable] = []
    for part in _flat(condition):
        parts.append(sql.Literal(next(literals)) if isinstance(part, sql.Placeholder) else part)
    return sql.Composed(parts)


def _placeholders(table: Table) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{}::{}").format(sql.Placeholder(), sql.SQL(_type(table.type_of(name)))) for name in table.key
    )


def _type(name: str) -> LiteralString:
    return name  # pyright: ignore[reportReturnType]  # a type's name, as the catalog writes it


def _flat(part: sql.Composable) -> Iterator[sql.Composable]:
    if isinstance(part, sql.Composed):
        for inner in part:
            yield from _flat(inner)
    else:
        yield part


_SIZE = """
SELECT pg_catalog.pg_table_size(c.oid)
       + (SELECT coalesce(sum(pg_catalog.pg_table_size(t.relid)), 0)::bigint FROM pg_catalog.pg_partition_tree(c.oid) t)
FROM pg_catalog.pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = %s
"""
