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
from core.operations.transfer.tables import Connection, Table, settle

ACCESS = "access"
"""The last phase: from then on the application may come in."""

_LOCK = 0x7472616E73  # "trans": one transfer at a time works on a target's schema


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
            connection.execute(_MEMORY)
        except psycopg.errors.InsufficientPrivilege:
            raise ServerUnfit(
                f"{connection.info.user} may not create a schema in {connection.info.dbname}: give it that right "
                f"(GRANT CREATE ON DATABASE … TO {connection.info.user}), or make it the database's owner"
            ) from None
        connection.execute("INSERT INTO cloudbill_transfer.about (source) VALUES (%s)", [source])
        connection.execute(_SEQUENCES)
        for phase, query in _PARTS:
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
    owner_url: str,
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
    with settle(psycopg.connect(owner_url, autocommit=True)) as connection:
        if standing(connection) is None:
            raise TransferRefused("nothing was taken off here")
        rows = connection.execute(
            "SELECT p.phase, p.table_name, p.position, p.name FROM cloudbill_transfer.parts p WHERE NOT p.is_made "
            "ORDER BY p.position"
        ).fetchall()
    phases = {phase: [tuple(row[1:]) for row in found] for phase, found in groupby(rows, key=lambda row: row[0])}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for phase, _ in _PARTS:
            waiting = phases.get(phase, [])
            if not waiting or (stay_closed and phase == ACCESS):
                continue
            say(f"{phase}: {len(waiting)}")
            # Foreign keys lock two tables each, in an order of their own: one after the other they cannot deadlock.
            # The rest but keys and indexes takes no time.
            if phase not in ("key", "index"):
                groups = [[number for _, number, _ in waiting]]
            else:
                by_table = sorted(waiting, key=lambda part: (part[0], part[1]))
                groups = [[number for _, number, _ in one] for _, one in groupby(by_table, key=lambda part: part[0])]
            for made in [pool.submit(_make, owner_url, numbers) for numbers in groups]:
                made.result()


def put_back(owner_url: str, *, jobs: int = 2) -> None:
    """As before `strip`: what came in is deleted, what was there is there, nothing is remembered. Idempotent."""
    with settle(psycopg.connect(owner_url, autocommit=True)) as connection:
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
    rebuild(owner_url, jobs=jobs)
    with settle(psycopg.connect(owner_url, autocommit=True)) as connection:
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


def _make(owner_url: str, numbers: list[int]) -> None:
    with settle(psycopg.connect(owner_url, autocommit=True)) as connection:
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


_MEMORY = """
CREATE SCHEMA cloudbill_transfer;
GRANT USAGE ON SCHEMA cloudbill_transfer TO cloudbill_mover;
CREATE TABLE cloudbill_transfer.about (source text NOT NULL, since timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE cloudbill_transfer.parts (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, phase text NOT NULL, table_name text NOT NULL,
    name text NOT NULL, take text NOT NULL, make text NOT NULL, is_made boolean NOT NULL DEFAULT true);
CREATE TABLE cloudbill_transfer.tables (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, columns text[] NOT NULL);
CREATE TABLE cloudbill_transfer.rows (table_name text NOT NULL, content jsonb NOT NULL);
CREATE TABLE cloudbill_transfer.sequences (
    name text PRIMARY KEY, last_value bigint NOT NULL, is_called boolean NOT NULL);
CREATE TABLE cloudbill_transfer.chunks (
    table_name text, number bigint, mark text NOT NULL, copied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (table_name, number));
CREATE TABLE cloudbill_transfer.notes (key text PRIMARY KEY, value jsonb NOT NULL);
GRANT SELECT ON ALL TABLES IN SCHEMA cloudbill_transfer TO cloudbill_mover;
GRANT INSERT, UPDATE, DELETE ON cloudbill_transfer.chunks, cloudbill_transfer.notes TO cloudbill_mover
"""
_SEQUENCES = """
INSERT INTO cloudbill_transfer.sequences
SELECT format('%I.%I', s.schemaname, s.sequencename), coalesce(s.last_value, s.start_value), s.last_value IS NOT NULL
FROM pg_catalog.pg_sequences s WHERE s.schemaname = 'public'
"""

# In the order in which they are put on again: each says how a part is taken off and how it is made.
_PARTS: tuple[tuple[str, LiteralString], ...] = (
    (
        "key",
        """
SELECT %(phase)s, c.relname, k.conname, format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.oid::regclass, k.conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.oid::regclass, k.conname, pg_get_constraintdef(k.oid))
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND k.contype IN ('p', 'u', 'x')
  AND k.conparentid = 0
ORDER BY c.relname, k.contype, k.conname
""",
    ),
    (
        "index",
        """
SELECT %(phase)s, c.relname, i.relname, format('DROP INDEX %%s', i.oid::regclass),
       -- Of a partitioned table's index it says ON ONLY, which would leave its partitions without.
       CASE i.relkind WHEN 'I' THEN replace(pg_get_indexdef(i.oid), ' ON ONLY ', ' ON ') ELSE pg_get_indexdef(i.oid) END
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND NOT i.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname, i.relname
""",
    ),
    (
        "foreign key",
        """
SELECT %(phase)s, c.relname, k.conname, format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.oid::regclass, k.conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.oid::regclass, k.conname, pg_get_constraintdef(k.oid))
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND k.contype = 'f' AND k.conparentid = 0
ORDER BY c.relname, k.conname
""",
    ),
    (
        "trigger",
        """
SELECT %(phase)s, c.relname, t.tgname, format('DROP TRIGGER %%I ON %%s', t.tgname, c.oid::regclass),
       pg_get_triggerdef(t.oid)
       || CASE t.tgenabled WHEN 'O' THEN ''
              ELSE format('; ALTER TABLE %%s %%s TRIGGER %%I', c.oid::regclass,
                          CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA'
                               ELSE 'ENABLE ALWAYS' END, t.tgname) END
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND NOT t.tgisinternal
  AND t.tgparentid = 0
ORDER BY c.relname, t.tgname
""",
    ),
    (
        "row security",
        """
SELECT %(phase)s, c.relname, '', format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY', c.oid::regclass),
       format('ALTER TABLE %%s ENABLE ROW LEVEL SECURITY', c.oid::regclass)
       || CASE WHEN c.relforcerowsecurity
               THEN format('; ALTER TABLE %%s FORCE ROW LEVEL SECURITY', c.oid::regclass) ELSE '' END
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND c.relrowsecurity
ORDER BY c.relname
""",
    ),
    (
        # While row security is off nobody but owner and mover may come in.
        ACCESS,
        """
SELECT %(phase)s, 'public', coalesce(r.rolname, 'PUBLIC'),
       format('REVOKE USAGE ON SCHEMA public FROM %%s', coalesce(quote_ident(r.rolname), 'PUBLIC')),
       format('GRANT USAGE ON SCHEMA public TO %%s', coalesce(quote_ident(r.rolname), 'PUBLIC'))
FROM pg_namespace n, aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE n.nspname = 'public' AND a.privilege_type = 'USAGE'
  AND (a.grantee = 0 OR r.rolname IN ('cloudbill_app', 'cloudbill_operator'))
  AND cardinality(%(names)s::text[]) > 0
ORDER BY 3
""",
    ),
)
