"""The pause: writers of the serving side wait, the last change arrives, both sides are compared, the other serves.

Until `close` nothing has changed: whatever fails or dies, the lock is gone with its connection, and the serving side
goes on. From `close` on the other side is proven to hold all of it: going on, never back, is right after a kill.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

from core.foundation import fence
from core.operations.transfer import books, schema
from core.operations.transfer.differing import differences
from core.operations.transfer.digests import Digests
from core.operations.transfer.moving import marks
from core.operations.transfer.moving.errors import MoveError, SchemaChanged, SidesDisagree, StreamBroken
from core.operations.transfer.moving.following import Follower
from core.operations.transfer.moving.rolling import Rolling
from core.operations.transfer.moving.servers import Endpoint, explained, watched
from core.operations.transfer.tables import settle

WRITERS_SECONDS = 5.0
"""How long writers that are under way may take to end."""
PAUSE_SECONDS = 15.0
"""A pause that would become longer is given up: the serving side goes on, and it is tried again."""


@dataclass(frozen=True, kw_only=True)
class HandedOver:
    """What both sides held, and how long nobody could write."""

    left: Digests
    right: Digests
    books: dict[str, Any]
    pause_seconds: float
    compared_rows: int


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
    arm: Callable[[], None],
    about_to_close: Callable[[], None],
    step: Callable[[str], None],
) -> HandedOver:
    """From `serving` to `other`. Raises what stood against it; then `serving` goes on, unless it was closed already."""
    with settle(serving.connect("hand-over")) as a, settle(other.connect("hand-over")) as b:
        try:
            rolling.catch_up()
            # In the pause only what may have changed meanwhile: definitions are read once before it, too.
            _refuse_other_definitions(a, b)
            step("waiting for writers")
            with fence.held(a, patience=WRITERS_SECONDS):
                began = time.monotonic()
                step("last change")
                mark = f"end {uuid4()}"
                marks.emit(a, mark)
                if not follower.wait_for(mark, PAUSE_SECONDS):
                    raise StreamBroken(f"the {other} is too far behind: {follower.waits_for or 'it is still writing'}")
                step("comparing")
                with watched(a, PAUSE_SECONDS * 2), watched(b, PAUSE_SECONDS * 2):
                    compared = rolling.catch_up()
                    left, right = rolling.left.digests(), rolling.right.digests()
                    if left != right:
                        raise _disagreement(rolling, left, right)
                    _refuse_other_definitions(a, b)
                    there = _books(b)
                    step("sequences")
                    books.set_sequences(b, _further(books.sequences(a), books.sequences(b)))
                step("arming the way back")
                arm()
                if (waited := time.monotonic() - began) > PAUSE_SECONDS:
                    raise StreamBroken(f"the pause had become {waited:.1f} s long: writers go on, it is tried again")
                about_to_close()
                step("closing")
                fence.close(a, reason=reason(move_id), successor=other.host_port)
            step("opening")
            open_other(a, b, move_id)
        except fence.FenceError as error:
            raise StreamBroken(str(error)) from None
        except psycopg.Error as error:
            raise explained(serving if a.broken else other, error) from None
        return HandedOver(
            left=left,
            right=right,
            books=there,
            pause_seconds=round(time.monotonic() - began, 3),
            compared_rows=compared,
        )


def open_other(a: psycopg.Connection[Any], b: psycopg.Connection[Any], move_id: UUID) -> None:
    """Lets everybody write on `b`, once; `a` has been closed by this move."""
    here, there = fence.standing(a), fence.standing(b)
    if there.is_open:
        return
    if here.state != "closed" or here.reason != reason(move_id):
        raise MoveError("the side that served is not closed: both would take writes")
    fence.open_(b, max(here.epoch, there.epoch) + 1, reason=reason(move_id))


def _refuse_other_definitions(a: psycopg.Connection[Any], b: psycopg.Connection[Any]) -> None:
    wrong = schema.differences(schema.describe(a), schema.describe(b))
    # A month that one side has made already is no difference of what is kept: its rows have a place on the other.
    wrong = [line for line in wrong if "usage_events_2" not in line]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise SchemaChanged(f"the definitions of the two sides differ: {'; '.join(wrong[:3])}{more}")


def _disagreement(rolling: Rolling, left: Digests, right: Digests) -> SidesDisagree:
    rows = list(differences(rolling.left.connection, rolling.right.connection, rolling.tables, left, right))
    named = "; ".join(str(row) for row in rows[:5])
    more = f"; and {len(rows) - 5} more" if len(rows) > 5 else ""
    return SidesDisagree(
        f"{len(rows)} rows differ: {named or 'their digests'}{more}; the serving side goes on. "
        "`cloudbill move abort`, then start anew"
    )


def _books(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    heads = books.chain_heads(connection)
    return {"chains": {tenant: [head["number"], head["hash"]] for tenant, head in heads.items()}}


def _further(here: dict[str, list[Any]], there: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """No number is given out twice, whichever side gave it out before."""
    return {
        name: max(values, there.get(name, values), key=lambda one: (one[0], one[1])) for name, values in here.items()
    }
