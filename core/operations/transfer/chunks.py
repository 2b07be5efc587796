"""A table in pieces of about so many bytes: ranges of its key, planned under the snapshot they are read under.

Bounds are in the order of the server that planned them: a text key sorts by its database's collation, so a range means
the same rows on that server only. They are kept as text, which JSON and a bound parameter both take.
"""

import select
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from core.operations.transfer.tables import Connection, Table

CHUNK_BYTES = 16 * 2**20
_PIECE = 1 << 18
_BLOCK = 8192
_SAMPLED_BLOCKS = 40
"""Of each chunk, to find its bounds: about a sixth of a chunk's size off."""


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
    """Ranges that cover the table, in the key's order; none for an empty one.

    The bounds of a large table come from a sample of its blocks: ranges are about as large as asked for, and their
    numbers of rows are estimates.
    """
    found = connection.execute(_SIZE, [table.name]).fetchone()
    size = max(1, int(found[0]) if found else 1)
    percent = min(100.0, round(100 * _SAMPLED_BLOCKS * _BLOCK / chunk_bytes, 3))
    sampled = _count(connection, table, percent)
    if sampled == 0 and percent < 100:
        percent, sampled = 100.0, _count(connection, table, 100.0)  # sparse, or empty
    if sampled == 0:
        return []
    each = max(20 * percent / 100, sampled * chunk_bytes / size)
    ends: list[tuple[str, ...]] = []
    if sampled > each:
        query = sql.SQL(
            "SELECT {texts} FROM (SELECT {key}, row_number() OVER (ORDER BY {key}) AS n FROM {table} {sample}) counted "
            "WHERE n %% {each} = 0 AND n < {sampled} ORDER BY n"
        ).format(
            texts=sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in table.key),
            key=table.key_list,
            table=table.identifier,
            sample=_sample(percent),
            each=sql.Literal(max(1, int(each))),
            sampled=sql.Literal(sampled),
        )
        ends = [tuple(row) for row in connection.execute(query, []).fetchall()]
    bounds = [None, *ends, None]
    rows = int(sampled * 100 / percent)
    inner = int(max(1, int(each)) * 100 / percent)
    return [
        KeyRange(
            table=table,
            number=number,
            after=after,
            until=until,
            rows=inner if until is not None else max(0, rows - inner * len(ends)),
        )
        for number, (after, until) in enumerate(zip(bounds, bounds[1:], strict=False))
    ]


def copy_out(connection: Connection, chunk: KeyRange, *, binary: bool = False) -> Iterator[bytes]:
    """The chunk's rows as COPY writes them, in the key's order, in pieces of a quarter of a megabyte.

    `binary` is twice as fast and for a server at the other end; text can be read in twenty years.
    """
    condition, given = chunk.where
    statement = sql.SQL("COPY (SELECT {} FROM {} WHERE {} ORDER BY {}) TO STDOUT{}").format(
        chunk.table.column_list,
        chunk.table.identifier,
        bound(condition, given),
        chunk.table.key_list,
        sql.SQL(" (FORMAT binary)" if binary else ""),
    )
    return pieces_of(connection, statement)


def pieces_of(connection: Connection, statement: sql.Composed) -> Generator[bytes]:
    """What `COPY … TO STDOUT` says, in pieces of a quarter of a megabyte.

    libpq is asked itself: row by row through psycopg costs a third more. A caller that stops early loses the
    connection.
    """
    if not connection.autocommit:
        connection.execute("SELECT")  # psycopg begins the transaction, of which libpq knows nothing
    libpq, done = connection.pgconn, False
    try:
        libpq.send_query(statement.as_bytes(connection))
        _expect(libpq, _result(libpq), ExecStatus.COPY_OUT)
        take, piece = libpq.get_copy_data, bytearray()
        while True:
            count, row = take(1)
            if count > 0:
                piece += row
                if len(piece) >= _PIECE:
                    yield bytes(piece)
                    piece.clear()
            elif count == 0:
                select.select([libpq.socket], [], [])
                libpq.consume_input()
            else:
                break
        _expect(libpq, _result(libpq), ExecStatus.COMMAND_OK)
        if _result(libpq) is not None:
            raise psycopg.InternalError("COPY answered more than once")
        done = True
        if piece:
            yield bytes(piece)
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


def _count(connection: Connection, table: Table, percent: float) -> int:
    query = sql.SQL("SELECT count(*) FROM {} {}").format(table.identifier, _sample(percent))
    row = connection.execute(query, []).fetchone()
    return int(row[0]) if row else 0


def _sample(percent: float) -> sql.Composable:
    """The same blocks each time."""
    if percent >= 100:
        return sql.SQL("")
    return sql.SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE (1)").format(sql.Literal(percent))


def _result(libpq: PGconn) -> PGresult | None:
    # libpq's own wait stops the whole process: who looks after a wire that fell silent must go on.
    while libpq.is_busy():
        select.select([libpq.socket], [], [])
        libpq.consume_input()
    return libpq.get_result()


def _expect(libpq: PGconn, result: PGresult | None, status: ExecStatus) -> None:
    if result is None or result.status != status:
        with suppress(psycopg.OperationalError):  # what it said before is the reason
            while _result(libpq) is not None:
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
