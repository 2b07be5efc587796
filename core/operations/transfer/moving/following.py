"""The applier: reads one server's changes and writes them to the other, whole transactions in order.

It runs outside both servers. The position is written first in the target transaction that carries the changes, and only
from the position before it: so no change is written twice, even while an older connection of ours is still alive on the
server. Only what the target has committed is confirmed to the source. A line that breaks, stalls or is half closed is
opened again from the target's position; what cannot be mended by trying again ends it, with its name in `failure`.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import psycopg

from core.operations.backups.positions import format_lsn
from core.operations.transfer.moving import marks
from core.operations.transfer.moving.changes import Assembler, Shape, Transaction
from core.operations.transfer.moving.errors import ApplyRefused, MoveError, ServerUnreachable, SlotLost, StreamBroken
from core.operations.transfer.moving.reading import Reader
from core.operations.transfer.moving.replication import Line, Stream
from core.operations.transfer.moving.servers import Endpoint, explained, watched
from core.operations.transfer.moving.writing import Statement, exactly, joined

APPLY_SECONDS = 60.0
"""A target that has not answered for so long is taken for gone; what it did of the transaction, it is asked anew."""
REPLAN_SECONDS = 5.0
BEAT = "beat "
"""A mark that says when it was written: how old it is on arrival is the lag."""
_BACKOFF = (0.1, 0.3, 1.0, 2.0, 5.0)
_TRY_AGAIN = ("08", "40", "57", "55", "53")
_UNIX_2000 = 946_684_800


class Touched(Protocol):
    """Who wants to know which rows were written."""

    def add(self, transactions: list[Transaction]) -> None:
        """Called once they are committed, and again when that was in doubt."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """From which slot of which server to which other."""

    move_id: UUID
    direction: str
    """forward or back"""
    source: Endpoint
    target: Endpoint
    slot: str
    publication: str
    shapes: Mapping[str, Shape]


class Follower:
    """Follows until it is stopped. What it says of itself may be read from any thread."""

    def __init__(self, way: Way, *, touched: Touched | None = None) -> None:
        self.way = way
        self.touched = touched
        self.position = 0
        """What the target has committed."""
        self.server_end = 0
        """How far the source has sent, as it says itself."""
        self.transactions = 0
        self.rows = 0
        self.restarts = 0
        self.last_commit: float | None = None
        """When the newest applied transaction was committed on the source, in seconds of Unix."""
        self.beat: float | None = None
        """The newest beat that is on the target, in seconds of Unix by this machine's clock."""
        self.waits_for: str | None = "the first connection"
        self.failure: MoveError | None = None
        self._doubtful: list[Transaction] = []
        self._replan_at = 0.0
        self._stopping = threading.Event()
        self._news = threading.Condition()
        self._marks: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"follow-{way.direction}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float = 30) -> None:
        """End after the batch under way; all that was applied is committed."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def running(self) -> bool:
        """Whether it follows."""
        return self._thread.is_alive()

    def wait_for(self, mark: str, seconds: float) -> bool:
        """Whether all up to that mark is committed on the target; raises what ended the follower."""
        give_up_at = time.monotonic() + seconds
        with self._news:
            while mark not in self._marks:
                if self.failure:
                    raise self.failure
                if not self._news.wait(min(0.5, max(0.01, give_up_at - time.monotonic()))) and (
                    time.monotonic() > give_up_at
                ):
                    return False
        return True

    def _run(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            began = self.transactions
            try:
                self._follow()
            except (ServerUnreachable, StreamBroken) as error:
                self.waits_for = error.detail
            except psycopg.Error as error:
                named = explained(self.way.target, error)
                if not isinstance(named, StreamBroken):
                    self._fail(named)
                    return
                self.waits_for = named.detail
            except MoveError as error:
                self._fail(error)
                return
            except Exception as error:  # a thread's last place: what is unknown is not tried for ever
                self._fail(MoveError(f"the applier stopped: {type(error).__name__}: {error}"))
                return
            tries = 0 if self.transactions > began else tries + 1
            if not self._stopping.is_set():
                self.restarts += 1
                self._stopping.wait(_BACKOFF[min(tries, len(_BACKOFF) - 1)])

    def _fail(self, error: MoveError) -> None:
        with self._news:
            self.failure, self.waits_for = error, error.detail
            self._news.notify_all()

    def _follow(self) -> None:
        with self.way.target.connect(f"apply-{self.way.direction}") as target:
            # One of ours that broke may hold the position there, behind a wire that does not tell the server.
            marks.end_leftovers(target, purposes="apply-")
            # Plans of triggers, foreign keys and our statements are made while tables grow: always by their keys.
            for name, value in (("enable_seqscan", "off"), ("plan_cache_mode", "force_generic_plan"), ("jit", "off")):
                target.execute("SELECT set_config(%s, %s, false)", [name, value])
            position = self._position(target)
            line = Line(self.way.source, f"stream-{self.way.direction}")
            reader = Reader(Stream(line, confirmed=position), Assembler(self.way.shapes))
            try:
                self._free_slot()
                line.start(self.way.slot, self.way.publication, position)
                self.position = position
                # A commit whose answer was lost may be there now.
                self._touch(self._doubtful)
                self.waits_for = None
                reader.start()
                self._apply_all(target, reader)
            finally:
                reader.stop()
                line.close()

    def _apply_all(self, target: psycopg.Connection[Any], reader: "Reader") -> None:
        while not self._stopping.is_set():
            batch = reader.take(0.2)
            self.server_end = max(self.server_end, reader.stream.server_end)
            if not batch:
                if reader.failure:
                    raise reader.failure
                continue
            fresh = [transaction for transaction in batch if transaction.end_lsn > self.position]
            if fresh:
                self._doubtful = fresh
                self._apply(target, fresh)
                self._touch(fresh)
                self._doubtful = []
            reader.done(batch, self.position)
            with self._news:
                self.transactions += len(fresh)
                self.rows += sum(len(transaction.changes) for transaction in fresh)
                self.last_commit = batch[-1].committed_at_micro / 1e6 + _UNIX_2000
                for mark in (mark for transaction in batch for mark in transaction.marks):
                    if mark.startswith(BEAT):
                        self.beat = float(mark.removeprefix(BEAT))
                    else:
                        self._marks.add(mark)
                self._news.notify_all()

    def _apply(self, target: psycopg.Connection[Any], batch: list[Transaction]) -> None:
        try:
            self._commit(target, joined(batch), batch[-1].end_lsn)
        except psycopg.Error as error:
            if target.closed or target.broken or (error.sqlstate or "08")[:2] in _TRY_AGAIN:
                raise
            # Joined they may have met in a way in which they did not meet on the source: each by itself, as it was.
            for transaction in batch:
                try:
                    self._commit(target, exactly(transaction.changes), transaction.end_lsn)
                except psycopg.Error as again:
                    if target.closed or target.broken or (again.sqlstate or "08")[:2] in _TRY_AGAIN:
                        raise
                    raise self._refused(transaction, again) from None

    def _commit(self, target: psycopg.Connection[Any], statements: list[Statement], end_lsn: int) -> None:
        way = self.way
        if time.monotonic() >= self._replan_at:
            # Plans made while a table was small read all that a tenant has, once there is much.
            target.execute("DISCARD PLANS")
            self._replan_at = time.monotonic() + REPLAN_SECONDS
        with watched(target, APPLY_SECONDS), target.transaction():
            with target.pipeline() as pipeline:
                moved = target.execute(
                    "UPDATE move_positions SET lsn = %s, changed_at = clock_timestamp() "
                    "WHERE move_id = %s AND direction = %s AND lsn = %s",
                    [end_lsn, way.move_id, way.direction, self.position],
                )
                done = [
                    (statement, target.execute(statement.query, statement.parameters, prepare=True))
                    for statement in statements
                ]
                pipeline.sync()
            if moved.rowcount != 1:
                raise StreamBroken(f"another connection moved the position on the {way.target}: it is read again")
            for statement, cursor in done:
                if statement.rows is not None and cursor.rowcount != statement.rows:
                    raise ApplyRefused(
                        f"the {way.target} has {cursor.rowcount} of {statement.rows} rows of {statement.table} that "
                        f"the source did {statement.kind} (such as {', '.join(statement.first_key)}): somebody "
                        "else wrote it; `cloudbill move abort`, then start anew"
                    )
        self.position = end_lsn

    def _touch(self, transactions: list[Transaction]) -> None:
        if self.touched is not None and transactions:
            self.touched.add(transactions)

    def _refused(self, transaction: Transaction, error: psycopg.Error) -> MoveError:
        if error.sqlstate == "53100":
            return explained(self.way.target, error)
        tables = sorted({change.shape.name for change in transaction.changes})
        return ApplyRefused(
            f"the {self.way.target} refuses transaction {transaction.xid} (up to {format_lsn(transaction.end_lsn)}, "
            f"tables {', '.join(tables)}): {str(error).splitlines()[0]}"
        )

    def _position(self, target: psycopg.Connection[Any]) -> int:
        row = target.execute(
            "SELECT lsn FROM move_positions WHERE move_id = %s AND direction = %s",
            [self.way.move_id, self.way.direction],
        ).fetchone()
        if row is None:
            raise SlotLost(
                f"the {self.way.target} does not know the position of this move: it was restored or emptied; "
                "`cloudbill move abort`, then start anew"
            )
        return int(row[0])

    def _free_slot(self) -> None:
        """A line of ours that the server still holds for alive would keep the slot for itself."""
        with self.way.source.connect("free-slot") as source:
            row = source.execute(
                "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", [self.way.slot]
            ).fetchone()
            if row is not None and row[0] is not None:
                source.execute("SELECT pg_terminate_backend(%s, 2000)", [row[0]])
