"""The pause: writers of the serving side wait, the last change arrives, both sides are compared, the other serves.

Until `close` nothing has changed: whatever fails or dies, the lock is gone with its connection, and the serving side
goes on. From `close` on the other side is proven to hold all of it: going on, never back, is right after a kill.
"""

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg

from core.foundation import fence
from core.operations.transfer import books, schema
from core.operations.transfer.differing import differences, differing_tenants
from core.operations.transfer.digests import Digests
from core.operations.transfer.moving import marks, proving
from core.operations.transfer.moving.errors import MoveError, SchemaChanged, SidesDisagree, StreamBroken
from core.operations.transfer.moving.following import Follower
from core.operations.transfer.moving.rolling import Rolling
from core.operations.transfer.moving.servers import Endpoint, explained, watched
from core.operations.transfer.tables import settle

WRITERS_SECONDS = 2.0
"""How long writers that are under way may take to end."""
PAUSE_SECONDS = 7.0
"""A pause that would become longer is given up: the serving side goes on, and it is tried again."""
LET_GO_SECONDS = 10.0
"""After so long without a word of ours the serving side's own server lets the writers go on."""

Connection = psycopg.Connection[Any]
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class HandedOver:
    """What both sides held, and how long nobody could write."""

    digests: Digests
    books: dict[str, Any]
    pause_seconds: float
    compared_rows: int
    steps: dict[str, float] = field(default_factory=dict[str, float])
    """Of which so many seconds for what."""


class HalfWay(StreamBroken):
    """The serving side is closed and the other not seen to be open: going on is the only way."""


class _Unequal(Exception):
    """Both sides were at rest and did not hold the same."""


class Steps:
    """What the pause is spent on."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self.began = self._last = time.monotonic()
        self._name = ""
        self._show = show

    def enter(self, name: str) -> None:
        """The next begins."""
        self.end()
        self._name = name
        self._show(name)

    def end(self) -> None:
        """The last is done."""
        now = time.monotonic()
        if self._name:
            self.seconds[self._name] = round(now - self._last, 4)
        self._last = now

    @property
    def waited(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began


def reason(move_id: UUID) -> str:
    """What a fence says that this move closed."""
    return f"moved by {move_id}"


def hand_over(
    *,
    move_id: UUID,
    serving: Endpoint,
    other: Endpoint,
    follower: Follower,
    rolling: Rolling,
    arm: Callable[[Connection, Connection], None],
    about_to_close: Callable[[float, int], None],
    step: Callable[[str], None],
) -> HandedOver:
    """From `serving` to `other`. Raises what stood against it; then `serving` goes on, unless it was closed already.

    `about_to_close` is told when the pause began, by the other side's clock, and how many rows it compared.
    """
    closed = None
    with settle(serving.connect("hand-over")) as a, settle(other.connect("hand-over")) as b:
        try:
            rolling.catch_up()
            marked = _both(proving.definitions_mark, a, b)
            _refuse_other_definitions(a, b)
            ahead, _ = proving.clock_offset(b)
            epoch = fence.standing(b).epoch
            steps = Steps(step)
            steps.enter("waiting for writers")
            with _held(a), rolling.bounded(PAUSE_SECONDS), watched(b, LET_GO_SECONDS), watched(a, LET_GO_SECONDS):
                began = time.time()
                steps.enter("last change")
                mark = f"end {uuid4()}"
                marks.emit(a, mark)
                if not follower.wait_for(mark, PAUSE_SECONDS):
                    raise StreamBroken(f"the {other} is too far behind: {follower.waits_for or 'it is still writing'}")
                steps.enter("comparing rows and books")
                compared = rolling.catch_up()
                if not rolling.agree:
                    raise _Unequal
                steps.enter("comparing definitions")
                if _both(proving.definitions_mark, a, b) != marked:
                    _refuse_other_definitions(a, b)
                steps.enter("sequences")
                books.set_sequences(b, _further(*_both(books.sequences, a, b)))
                steps.enter("arming the way back")
                arm(a, b)
                steps.enter("noting")
                about_to_close(began + ahead, compared)
                if steps.waited > PAUSE_SECONDS:
                    raise StreamBroken(
                        f"the pause had become {steps.waited:.1f} s long: writers go on, it is tried again"
                    )
                steps.enter("closing")
                closed = fence.close(a, reason=reason(move_id), successor=other.host_port)
                steps.enter("opening")
                fence.open_(b, max(closed, epoch) + 1, reason=reason(move_id))
                steps.end()
        except _Unequal:
            # Which rows they are takes longer than writers should wait: they go on meanwhile.
            raise _disagreement(rolling, follower, a) from None
        except (fence.FenceError, psycopg.Error) as error:
            if closed is not None:
                raise HalfWay(f"{serving} is closed, {other} not open yet: {_first_line(error)}") from None
            if isinstance(error, fence.FenceError):
                raise StreamBroken(str(error)) from None
            raise explained(serving if a.broken else other, error) from None
    return HandedOver(
        digests=rolling.right.digests(),
        books={"chains": dict(sorted(rolling.newest_blocks.items()))},
        pause_seconds=round(steps.waited, 3),
        compared_rows=compared,
        steps=steps.seconds,
    )


@contextmanager
def _held(a: Connection) -> Generator[None]:
    """Writers wait; a mover that hangs or is cut off keeps them for some seconds and no longer."""
    a.execute("SELECT set_config('idle_session_timeout', %s, false)", [f"{LET_GO_SECONDS:.0f}s"])
    with fence.held(a, patience=WRITERS_SECONDS):
        yield


def _both(ask: Callable[[Connection], Found], a: Connection, b: Connection) -> tuple[Found, Found]:
    """The same of both sides, at once."""
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(ask, b)
        return ask(a), there.result()


def open_other(a: Connection, b: Connection, move_id: UUID) -> None:
    """Lets everybody write on `b`, once; `a` has been closed by this move."""
    here, there = fence.standing(a), fence.standing(b)
    if there.is_open:
        return
    if here.state != "closed" or here.reason != reason(move_id):
        raise MoveError("the side that served is not closed: both would take writes")
    fence.open_(b, max(here.epoch, there.epoch) + 1, reason=reason(move_id))


def _refuse_other_definitions(a: Connection, b: Connection) -> None:
    wrong = schema.differences(*_both(schema.describe, a, b))
    # A month that one side has made already is no difference of what is kept: its rows have a place on the other.
    wrong = [line for line in wrong if "usage_events_2" not in line]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise SchemaChanged(f"the definitions of the two sides differ: {'; '.join(wrong[:3])}{more}")


def _disagreement(rolling: Rolling, follower: Follower, a: Connection) -> SidesDisagree:
    left, right = rolling.left.digests(), rolling.right.digests()
    rows = list(differences(rolling.left.connection, rolling.right.connection, rolling.tables, left, right))
    # Rows that are being written now may look different for a moment.
    mark = f"looked {uuid4()}"
    marks.emit(a, mark)
    follower.wait_for(mark, LET_GO_SECONDS)
    moving = rolling.touched.take()
    rows = [row for row in rows if (row.table, tuple(row.key.values())) not in moving]
    leaves = [f"{table} of tenant {tenant}" for table, tenant in differing_tenants(left, right)]
    found, what = (list(map(str, rows)), "rows differ") if rows else (leaves, "digests differ")
    more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
    return SidesDisagree(
        f"{len(found)} {what}: {'; '.join(found[:5])}{more}; the serving side goes on. "
        "`cloudbill move abort`, then start anew"
    )


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _further(here: dict[str, list[Any]], there: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """No number is given out twice, whichever side gave it out before."""
    return {
        name: max(values, there.get(name, values), key=lambda one: (one[0], one[1])) for name, values in here.items()
    }
