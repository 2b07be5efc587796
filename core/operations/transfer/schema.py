"""The target's schema while rows pour in: indexes, keys, triggers and row security are taken off, and put on again.

What is taken off is remembered on the target, in a schema of its own and in the same transaction: a run that was killed
goes on or puts back from there. All of it is done as the tables' owner, an ordinary role.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from core.operations.transfer.described import describe as describe
from core.operations.transfer.described import differences as differences
from core.operations.transfer.errors import ServerUnfit, TargetBusy, TransferRefused
from core.operations.transfer.parts import ACCESS, MEMORY, PARTS, SEQUENCES, STAGES
from core.operations.transfer.tables import Connection, Table, settle

_LOCK = 0x7472616E73  # "trans": one transfer at a time works on a target's schema


Owner = str | Callable[[], Connection]
"""The address of the tables' owner, or what opens a connection as it."""


@dataclass(frozen=True, kw_only=True)
class Stripped:
    """That a target is stripped, and for what."""

    source: str
    """What pours in: a set's or a move's id."""

    since: datetime
    parts: int
    made: int


def standing(connection: Connection) -> Stripped | None:
    """How the target stands; None when nothing was taken off."""
    known = connection.execute("SELECT to_regclass('cloudbill_transfer.about') IS NOT NULL").fetchone()
    if not known or not known[0]:
        return None
    row = connection.execute(
        "SELECT a.source, a.since, (SELECT count(*) FROM cloudbill_transfer.parts),"
        " (SELECT count(*) FROM cloudbill_transfer.parts WHERE is_made) FROM cloudbill_transfer.about a"
    ).fetchone()
    return Stripped(source=row[0], since=row[1], parts=row[2], made=row[3]) if row else None


def strip(connection: Connection, tables: Sequence[Table], *, source: str) -> Stripped:
    """Takes all off and the rows that were there out, remembering both; again for the same source it does nothing.

    In one transaction. Raises TargetBusy when the target is stripped for another source.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        known = standing(connection)
        if known is not None:
            if known.source != source:
                raise TargetBusy(
                    f"the target is half filled from {known.source} since {known.since:%Y-%m-%d %H:%M}Z: go on with "
                    "that one, or put it back first (`cloudbill import --clean`)"
                )
            return known
        names = [table.name for table in tables]
        try:
            connection.execute(MEMORY)
        except psycopg.errors.InsufficientPrivilege:
            raise ServerUnfit(
                f"{connection.info.user} may not create a schema in {connection.info.dbname}: give it that right "
                f"(GRANT CREATE ON DATABASE … TO {connection.info.user}), or make it the database's owner"
            ) from None
        connection.execute("INSERT INTO cloudbill_transfer.about (source) VALUES (%s)", [source])
        connection.execute(SEQUENCES)
        for phase, query in PARTS:
            connection.execute(
                cast("LiteralString", "INSERT INTO cloudbill_transfer.parts (phase, table_name, name, take, make) ")
                + query,
                {"names": names, "phase": phase},
            )
        # Backwards: access first, then row security, keys after what refers to them.
        _run(connection, "SELECT take FROM cloudbill_transfer.parts ORDER BY position DESC")
        _refuse_open(connection)
        for table in tables:
            connection.execute(
                "INSERT INTO cloudbill_transfer.tables (name, columns) VALUES (%s, %s)",
                [table.name, [column.name for column in table.columns]],
            )
            connection.execute(
                sql.SQL("INSERT INTO cloudbill_transfer.rows SELECT {}, to_jsonb(t) FROM {} t").format(
                    table.name, table.identifier
                )
            )
            connection.execute(sql.SQL("DELETE FROM {}").format(table.identifier))
        connection.execute("UPDATE cloudbill_transfer.parts SET is_made = false")
        made = standing(connection)
    assert made
    return made


def rebuild(
    owner: Owner,
    *,
    jobs: int = 2,
    stay_closed: bool = False,
    say: Callable[[str], None] = lambda words: None,
) -> None:
    """Puts on what is off: indexes and keys (tables side by side), foreign keys, triggers, row security; idempotent.

    Then lets the application in again, unless it is to `stay_closed` until a later call.

    Each part is one transaction with the note that it is there, so a killed run goes on where it was. What the rows
    contradict is an error of PostgreSQL that names the key.
    """
    with settle(_opened(owner)) as connection:
        if standing(connection) is None:
            raise TransferRefused("nothing was taken off here")
        # The largest tables first, so that no worker ends with one all by itself.
        rows = connection.execute(
            "SELECT p.phase, p.table_name, p.position FROM cloudbill_transfer.parts p LEFT JOIN (SELECT t.relname, "
            "(SELECT sum(pg_relation_size(l.relid)) FROM pg_partition_tree(t.oid) l WHERE l.isleaf) AS size "
            "FROM pg_class t WHERE t.relnamespace = 'public'::regnamespace) s ON s.relname = p.table_name "
            "WHERE NOT p.is_made ORDER BY s.size DESC NULLS LAST, p.table_name, p.position"
        ).fetchall()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for side_by_side, phases in STAGES:
            waiting = [row for row in rows if row[0] in phases and not (stay_closed and row[0] == ACCESS)]
            if not waiting:
                continue
            for phase in phases:
                if count := sum(row[0] == phase for row in waiting):
                    say(f"{phase}: {count}")
            groups = [[row[2] for row in sorted(waiting, key=lambda row: row[2])]]
            if side_by_side:
                groups = [[row[2] for row in one] for _, one in groupby(waiting, key=lambda row: row[1])]
            for made in [pool.submit(_make, owner, numbers) for numbers in groups]:
                made.result()


def analyze(owner: Owner, tables: Sequence[Table], *, jobs: int = 2) -> None:
    """Statistics of these tables, side by side."""

    def one(table: Table) -> None:
        with _opened(owner) as connection:
            connection.execute(sql.SQL("ANALYZE {}").format(table.identifier))

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for done in [pool.submit(one, table) for table in reversed(tables)]:
            done.result()


def put_back(owner: Owner, *, jobs: int = 2) -> None:
    """As before `strip`: what came in is deleted, what was there is there, nothing is remembered. Idempotent."""
    with settle(_opened(owner)) as connection:
        if standing(connection) is None:
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            _run(connection, "SELECT take FROM cloudbill_transfer.parts WHERE is_made ORDER BY position DESC")
            connection.execute("UPDATE cloudbill_transfer.parts SET is_made = false")
            tables = connection.execute(
                "SELECT name, columns FROM cloudbill_transfer.tables ORDER BY position"
            ).fetchall()
            everything = sql.SQL(", ").join(sql.Identifier("public", name) for name, _ in tables)
            connection.execute(sql.SQL("TRUNCATE {}").format(everything))
        # Committed first: only then has a full disk room again.
        with connection.transaction():
            for name, columns in tables:
                connection.execute(
                    sql.SQL(
                        "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} "
                        "FROM cloudbill_transfer.rows kept, jsonb_populate_record(NULL::{table}, kept.content) "
                        "WHERE kept.table_name = {name}"
                    ).format(
                        table=sql.Identifier("public", name),
                        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                        name=sql.Literal(name),
                    )
                )
            connection.execute("TRUNCATE cloudbill_transfer.chunks, cloudbill_transfer.notes")
            connection.execute("SELECT setval(name::regclass, last_value, is_called) FROM cloudbill_transfer.sequences")
    rebuild(owner, jobs=jobs)
    with settle(_opened(owner)) as connection:
        forget(connection)


def forget(connection: Connection) -> None:
    """All is there again: nothing needs to be remembered. Raises TransferRefused while something is off."""
    known = standing(connection)
    if known is None:
        return
    if known.made < known.parts:
        raise TransferRefused(f"{known.parts - known.made} parts of the target's schema are still off")
    connection.execute("DROP SCHEMA cloudbill_transfer CASCADE")


def copied(connection: Connection) -> dict[tuple[str, int], str]:
    """Which chunks are in the target, each with the mark it was noted with; as the mover."""
    rows = connection.execute("SELECT table_name, number, mark FROM cloudbill_transfer.chunks").fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


def note_copied(connection: Connection, table: str, number: int, *, mark: str) -> None:
    """That a chunk is in, in the transaction that brought it; twice is an error. As the mover."""
    connection.execute(
        "INSERT INTO cloudbill_transfer.chunks (table_name, number, mark) VALUES (%s, %s, %s)", [table, number, mark]
    )


def remember(connection: Connection, key: str, value: object) -> None:
    """Keeps a small document on the target until `forget`; as owner or mover."""
    connection.execute(
        "INSERT INTO cloudbill_transfer.notes (key, value) VALUES (%s, %s) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [key, Jsonb(value)],
    )


def remembered(connection: Connection, key: str) -> object | None:
    """What was kept by that name."""
    row = connection.execute("SELECT value FROM cloudbill_transfer.notes WHERE key = %s", [key]).fetchone()
    return row[0] if row else None


def _refuse_open(connection: Connection) -> None:
    row = connection.execute(
        "SELECT has_schema_privilege('cloudbill_app', 'public', 'USAGE')"
        " OR has_schema_privilege('cloudbill_operator', 'public', 'USAGE')"
    ).fetchone()
    if row and row[0]:
        raise ServerUnfit(
            f"{connection.info.user} cannot close the schema public to the application while its rows come in: let "
            "it own the schema (ALTER SCHEMA public OWNER TO …)"
        )


def _opened(owner: Owner) -> Connection:
    return psycopg.connect(owner, autocommit=True) if isinstance(owner, str) else owner()


def _make(owner: Owner, numbers: list[int]) -> None:
    with settle(_opened(owner)) as connection:
        connection.execute("SET maintenance_work_mem = '256MB'")
        for number in numbers:
            with connection.transaction():
                row = connection.execute(
                    "UPDATE cloudbill_transfer.parts SET is_made = true WHERE position = %s AND NOT is_made "
                    "RETURNING make",
                    [number],
                ).fetchone()
                if row:
                    connection.execute(row[0])


def _run(connection: Connection, query: LiteralString) -> None:
    for (statement,) in connection.execute(query).fetchall():
        connection.execute(statement)
