"""A server as it takes part in a move: its row in `moves`, the advisory lock, marks in its log, slots, publications."""

import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from core.operations.transfer.moving.changes import MARK
from core.operations.transfer.moving.errors import MoveUnderWay
from core.operations.transfer.moving.replication import Line
from core.operations.transfer.moving.servers import Endpoint

MOVE_KEY = 0x6D6F7665
"""The advisory lock of a mover: "move"."""
CLAIM_SECONDS = 10.0


def claim(endpoint: Endpoint, move_id: UUID) -> psycopg.Connection[Any]:
    """A connection that keeps every other mover away from this server. Raises MoveUnderWay.

    Call it only as the one process that works on this move: what an earlier one left on the server is ended.
    """
    name = f"cloudbill-move-claim-{str(move_id)[-12:]}"
    connection = endpoint.connect(f"claim-{str(move_id)[-12:]}")
    give_up_at = time.monotonic() + CLAIM_SECONDS  # a mover that was killed a moment ago is not gone at once
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [MOVE_KEY]).fetchone()
        if row and row[0]:
            end_leftovers(connection)
            return connection
        holder = connection.execute(
            "SELECT a.pid, a.application_name, a.client_addr::text "
            "FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = %s "
            "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1",
            [MOVE_KEY],
        ).fetchone()
        if holder and holder[1] == name:
            # Ours, of a process that died behind a wire which does not tell the server.
            connection.execute("SELECT pg_terminate_backend(%s, 1000)", [holder[0]])
        elif time.monotonic() > give_up_at:
            connection.close()
            who = f"{holder[1]} from {holder[2] or 'this machine'} (process {holder[0]} there)" if holder else "another"
            raise MoveUnderWay(f"the {endpoint} is being moved by {who}: one mover at a time")
        time.sleep(0.2)


def end_leftovers(connection: psycopg.Connection[Any], *, purposes: str = "") -> None:
    """Sessions of this login that a mover who is gone left here, with the locks they hold.

    Those whose purpose matches, or all. What holds the snapshot outlives its mover on purpose; who only asks may stay.
    """
    connection.execute(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE usename = current_user "
        "AND datname = current_database() AND pid <> pg_backend_pid() AND application_name ~ %s "
        "AND application_name !~ '^cloudbill-move-(snapshot|status|claim|preflight)'",
        [f"^cloudbill-move-{purposes}"],
    )


def note(connection: psycopg.Connection[Any], move_id: UUID, *, side: str, other: str, phase: str, **more: Any) -> None:
    """How far the move is, in this server's own words. Raises MoveUnderWay when it takes part in another one."""
    try:
        connection.execute(
            "INSERT INTO moves (id, side, other, phase, document, started_at, changed_at) "
            "VALUES (%s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp()) ON CONFLICT (id) DO UPDATE "
            "SET phase = excluded.phase, document = moves.document || excluded.document, "
            "changed_at = excluded.changed_at",
            [move_id, side, other, phase, Jsonb(more)],
        )
    except psycopg.errors.UniqueViolation:
        raise MoveUnderWay(
            f"the {side} takes part in another move: `cloudbill move status` where it was started; abort or finish that"
        ) from None


def end(connection: psycopg.Connection[Any], move_id: UUID, *, phase: str) -> None:
    """The move is over for this server."""
    connection.execute(
        "UPDATE moves SET phase = %s, changed_at = clock_timestamp(), ended_at = coalesce(ended_at, clock_timestamp()) "
        "WHERE id = %s",
        [phase, move_id],
    )


def emit(connection: psycopg.Connection[Any], word: str) -> None:
    """A mark in this server's log: who follows it knows that it has come so far."""
    connection.execute("SELECT pg_logical_emit_message(true, %s, %s)", [MARK, word])


def publish(connection: psycopg.Connection[Any], name: str, tables: list[str]) -> None:
    """A publication of these tables, anew."""
    with connection.transaction():
        connection.execute("SELECT unpublish_for_move(%s)", [name])
        connection.execute("SELECT publish_for_move(%s, %s)", [name, tables])


def unpublish(connection: psycopg.Connection[Any], name: str) -> None:
    """Away with it."""
    connection.execute("SELECT unpublish_for_move(%s)", [name])


def drop_slot(endpoint: Endpoint, connection: psycopg.Connection[Any], name: str) -> None:
    """Away with a slot, and with a line of ours that still reads it."""
    row = connection.execute("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", [name]).fetchone()
    if row is None:
        return
    if row[0] is not None:
        with suppress(psycopg.Error):
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [row[0]])
    line = Line(endpoint, "drop-slot")
    try:
        line.drop_slot(name)
    finally:
        line.close()


def slot_standing(connection: psycopg.Connection[Any], name: str) -> dict[str, Any] | None:
    """What the server says of a slot: how much log it keeps back, and whether it is lost."""
    row = connection.execute(
        "SELECT active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint "
        "FROM pg_replication_slots WHERE slot_name = %s",
        [name],
    ).fetchone()
    return {"active": row[0], "walStatus": row[1], "keepsBytes": row[2]} if row else None


def set_position(connection: psycopg.Connection[Any], move_id: UUID, direction: str, lsn: int) -> None:
    """Where following begins."""
    connection.execute(
        "INSERT INTO move_positions (move_id, direction, lsn, changed_at) VALUES (%s, %s, %s, clock_timestamp()) "
        "ON CONFLICT (move_id, direction) DO UPDATE SET lsn = excluded.lsn, changed_at = excluded.changed_at",
        [move_id, direction, lsn],
    )


def has_position(connection: psycopg.Connection[Any], move_id: UUID, direction: str) -> bool:
    """Whether following that way has begun."""
    row = connection.execute(
        "SELECT FROM move_positions WHERE move_id = %s AND direction = %s", [move_id, direction]
    ).fetchone()
    return row is not None


def log_end(connection: psycopg.Connection[Any]) -> int:
    """Where this server's log ends now."""
    row = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").fetchone()
    assert row
    return int(row[0])
