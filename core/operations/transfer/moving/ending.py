"""The ends of a move other than the switch: given up, finished, rolled back. Each leaves nothing of ours behind."""

from collections.abc import Callable
from functools import partial

from core.foundation import fence
from core.operations.transfer import schema
from core.operations.transfer.moving import marks
from core.operations.transfer.moving.errors import MoveError, WrongPhase
from core.operations.transfer.moving.handing_over import reason
from core.operations.transfer.moving.holder import Holder
from core.operations.transfer.moving.journal import ENDED, Ends, Journal
from core.operations.transfer.tables import settle


def abort(journal: Journal, ends: Ends, say: Callable[[str], None]) -> None:
    """Back to before the move: the source serves and is clean, the target is as it was. Raises WrongPhase."""
    if journal.phase in ENDED:
        raise WrongPhase(f"the move {journal.id} has ended ({journal.phase})")
    if journal.phase in ("switched", "rolling back"):
        raise WrongPhase(
            f"{ends.target.place} serves already: `cloudbill move rollback` goes back without losing what it took, "
            "`cloudbill move finish` stays"
        )
    Holder(journal).stop()
    with settle(ends.source.connect("abort")) as source:
        here = fence.standing(source)
        if here.state == "closed" and here.reason == reason(journal.id):
            with settle(ends.target.connect("abort")) as target:
                there = fence.standing(target)
            if there.is_open:
                raise WrongPhase(
                    f"{ends.target.place} serves already: `cloudbill move resume`, then rollback or finish"
                )
            fence.open_(source, max(here.epoch, there.epoch) + 1, reason=f"move {journal.id} given up")
        journal.enter("aborting")
        marks.drop_slot(ends.source, source, journal.name)
        marks.unpublish(source, journal.name)
        marks.end(source, journal.id, phase="aborted")
        say(f"{ends.source.place} serves, and nothing of the move is left there")
    _put_target_back(journal, ends, say)
    journal.enter("aborted")
    journal.forget_addresses()


def finish(journal: Journal, ends: Ends, say: Callable[[str], None]) -> None:
    """The way back is given up: the old side is not followed up any more. Raises WrongPhase."""
    if journal.phase != "switched":
        raise WrongPhase(f"the move {journal.id} is {journal.phase}: only a switched one is finished")
    with settle(ends.target.connect("finish")) as target:
        marks.drop_slot(ends.target, target, journal.back)
        marks.unpublish(target, journal.back)
        marks.end(target, journal.id, phase="finished")
    try:
        with settle(ends.source.connect("finish")) as source:
            marks.end(source, journal.id, phase="finished")
    except MoveError as error:
        say(f"not told: {error.detail}")
    journal.enter("finished")
    journal.forget_addresses()


def clean_after_rollback(journal: Journal, ends: Ends) -> None:
    """Both sides without slot, publication and open row."""
    for endpoint in (ends.target, ends.source):
        with settle(endpoint.connect("clean")) as connection:
            for name in (journal.back, journal.name):
                marks.drop_slot(endpoint, connection, name)
                marks.unpublish(connection, name)
            marks.end(connection, journal.id, phase="rolled back")


def _put_target_back(journal: Journal, ends: Ends, say: Callable[[str], None]) -> None:
    with settle(ends.target.connect("abort")) as target:
        marks.drop_slot(ends.target, target, journal.back)
        marks.unpublish(target, journal.back)
        # Before it is put back: the fence refuses TRUNCATE to the owner, too.
        there = fence.standing(target)
        if there.state == "standby" and there.reason == reason(journal.id):
            fence.open_(target, there.epoch + 1, reason=f"move {journal.id} given up")
    with settle(ends.target_owner.connect("abort")) as owner:
        standing = schema.standing(owner)
    if standing is not None and standing.source == str(journal.id):
        schema.put_back(partial(ends.target_owner.connect, "put-back"))
    with settle(ends.target.connect("abort")) as target:
        target.execute("DELETE FROM move_positions WHERE move_id = %s", [journal.id])
        marks.end(target, journal.id, phase="aborted")
    say(f"{ends.target.place} is as it was before")
