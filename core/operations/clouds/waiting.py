"""Waiting for what a cloud does in its own time: each new state is told, and there is an end to it."""

import time
from collections.abc import Callable, Collection

from core.operations.clouds.base import Say
from core.operations.clouds.errors import CloudRefused, CloudUnreachable


def wait_until(
    look: Callable[[], str],
    *,
    what: str,
    reached: Collection[str],
    failed: Callable[[str], bool],
    say: Say,
    poll_seconds: float,
    longest_seconds: float,
) -> None:
    """Looks until the state is one of `reached`; a cloud that does not answer for a while is asked again.

    Raises CloudRefused for a state that has failed, and CloudUnreachable when the time is over: what is under way goes
    on without us, and the same command takes it up again.
    """
    give_up_at = time.monotonic() + longest_seconds
    began, last, silence = time.monotonic(), "", ""
    while True:
        try:
            state, silence = look(), ""
        except CloudUnreachable as error:
            state, silence = last, error.detail
        if state != last:
            say(f"{what}: {state} after {time.monotonic() - began:.0f} s")
            last = state
        if state in reached and not silence:
            return
        if failed(state):
            raise CloudRefused(f"{what} ended as {state}: the cloud's own console says why; nothing else was touched")
        if time.monotonic() > give_up_at:
            why = f", and the cloud answers no more ({silence})" if silence else ""
            raise CloudUnreachable(
                f"{what} is {state or 'unknown'} after {longest_seconds / 60:.0f} minutes{why}. It goes on by itself: "
                "run the same command again, which waits for it and makes nothing twice"
            )
        time.sleep(poll_seconds)
