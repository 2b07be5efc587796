"""The first copy: key ranges of every table, read under the slot's snapshot, poured into the stripped target.

Each chunk is one transaction of the target together with the note that it is there, so a run that was killed goes on
with the others. Bytes go from COPY to COPY as they are, in PostgreSQL's binary form where all types are its own.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, cast

import psycopg
from psycopg import sql

from core.foundation import fence
from core.operations.transfer import chunks, schema
from core.operations.transfer.chunks import KeyRange
from core.operations.transfer.moving.errors import SnapshotLost
from core.operations.transfer.moving.journal import Ends
from core.operations.transfer.moving.minding import Minded
from core.operations.transfer.moving.replication import Slot
from core.operations.transfer.moving.servers import Endpoint, explained
from core.operations.transfer.tables import Table, settle

"""Without a quarter of a megabyte."""


@dataclass
class Progress:
    """How far the copy is; read from any thread."""

    chunks: int = 0
    chunks_done: int = 0
    rows: int = 0
    rows_done: int = 0
    bytes: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.bytes / max(0.001, time.monotonic() - self.began)

    @property
    def seconds_left(self) -> float | None:
        """By the rows that are left, at the rate so far."""
        took = time.monotonic() - self.began
        return took * max(0, self.rows - self.rows_done) / self.rows_done if self.rows_done else None


def under_snapshot(endpoint: Endpoint, snapshot: str, purpose: str) -> Minded:
    """A connection that sees what the snapshot saw. Raises SnapshotLost."""
    connection = endpoint.connect(purpose)
    settle(connection)
    try:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
    except psycopg.Error as error:
        connection.close()
        raise SnapshotLost(f"the snapshot of the {endpoint} is gone ({str(error).splitlines()[0]})") from None
    return connection


def plan(ends: Ends, tables: Sequence[Table], slot: Slot, *, chunk_bytes: int) -> list[KeyRange]:
    """All chunks; the same again after a kill, since the target remembers them with the slot's position."""
    with settle(ends.target_owner.connect("plan")) as target:
        known = cast("dict[str, Any]", schema.remembered(target, "chunks") or {})
        if known.get("lsn") == slot.lsn:
            by_name = {table.name: table for table in tables}
            return [_range(by_name, row) for row in known["rows"]]
        ranges: list[KeyRange] = []
        with under_snapshot(ends.source, slot.snapshot, "plan") as source:
            for table in tables:
                ranges += chunks.plan(source, table, chunk_bytes=chunk_bytes)
        rows = [[one.table.name, one.number, one.after, one.until, one.rows] for one in ranges]
        schema.remember(target, "chunks", {"lsn": slot.lsn, "rows": rows})
        return ranges


def _range(by_name: dict[str, Table], row: list[Any]) -> KeyRange:
    name, number, after, until, rows = row
    return KeyRange(
        table=by_name[name],
        number=number,
        after=tuple(after) if after is not None else None,
        until=tuple(until) if until is not None else None,
        rows=rows,
    )


def copy(
    ends: Ends, ranges: Sequence[KeyRange], slot: Slot, progress: Progress, *, jobs: int, is_stopped: Callable[[], bool]
) -> None:
    """Copies what the target does not have yet. Raises SnapshotLost, StreamBroken, DiskFull or MoveError."""
    with settle(ends.target.connect("copied")) as target:
        there = schema.copied(target)
    waiting: SimpleQueue[KeyRange] = SimpleQueue()
    progress.chunks, progress.rows = len(ranges), sum(one.rows for one in ranges)
    for one in sorted(ranges, key=lambda one: -one.rows):
        if (one.table.name, one.number) in there:
            progress.chunks_done += 1
            progress.rows_done += one.rows
        else:
            waiting.put(one)
    broken = threading.Event()
    with ExitStack() as stack:
        # All lines hold the snapshot before the first chunk: from here on it does not matter who made it.
        lines = [
            (
                stack.enter_context(under_snapshot(ends.source, slot.snapshot, f"copy-from-{number}")),
                stack.enter_context(ends.target.connect(f"copy-to-{number}")),
            )
            for number in range(max(1, jobs))
        ]
        for _, target in lines:
            settle(target)
        with ThreadPoolExecutor(len(lines)) as pool:

            def work(source: Minded, target: Minded) -> None:
                while not broken.is_set() and not is_stopped():
                    try:
                        one = waiting.get_nowait()
                    except Empty:
                        return
                    try:
                        _copy_chunk(ends, source, target, one, slot, progress)
                    except BaseException:
                        broken.set()
                        raise

            for done in [pool.submit(work, source, target) for source, target in lines]:
                done.result()


def _copy_chunk(
    ends: Ends,
    source: Minded,
    target: Minded,
    one: KeyRange,
    slot: Slot,
    progress: Progress,
) -> None:
    table = one.table
    form = sql.SQL("(FORMAT binary)" if all(column.built_in for column in table.columns) else "(FORMAT text)")
    condition, given = one.where
    out = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT {}").format(
        table.column_list, table.identifier, chunks.bound(condition, given), form
    )
    into = sql.SQL("COPY {} ({}) FROM STDIN {}").format(table.identifier, table.column_list, form)
    side = ends.source
    try:
        with target.transaction(), target.cursor() as writing, closing(chunks.pieces_of(source, out)) as pieces:
            schema.note_copied(target, table.name, one.number, mark=str(slot.lsn))
            with writing.copy(into) as rows:
                while True:
                    side = ends.source
                    with source.raw():
                        piece = next(pieces, None)
                    side = ends.target
                    if piece is None:
                        break
                    rows.write(piece)
                    progress.bytes += len(piece)
            count = writing.rowcount
    except psycopg.errors.UniqueViolation:
        return  # an older line of ours has brought it after all
    except psycopg.Error as error:
        raise explained(side, error) from None
    progress.chunks_done += 1
    progress.rows_done += max(0, count)


def begin_anew(ends: Ends, tables: Sequence[Table]) -> None:
    """What was copied under a snapshot that is gone is thrown away: the target is stripped and empty again."""
    with settle(ends.target.connect("begin-anew")) as mover, settle(ends.target_owner.connect("begin-anew")) as owner:
        before = fence.standing(mover)
        # The fence refuses TRUNCATE to the owner, too; a stripped target has no way in for anybody else.
        fence.open_(mover, before.epoch + 1, reason=before.reason)
        with owner.transaction():
            owner.execute("TRUNCATE cloudbill_transfer.chunks")
            owner.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(table.identifier for table in tables)))
        fence.stand_by(mover, reason=before.reason)
