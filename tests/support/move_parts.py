"""The parts of a mover, as a proof meets them: seen, detained for as long as it takes to be killed, and named."""

import os
import random
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import psycopg

from core.foundation.fence import FENCE_KEY
from core.operations.transfer.moving.journal import PHASES
from tests.support.movers import Moving
from tests.support.twins import Place

PARTS = ("holder", "copier", "rebuild", "applier", "fence", "switch", "reverse applier", "rollback")
THERE = PARTS[:6]
"""Those of the way there."""
_LAST_PHASE = {
    "holder": "copying",
    "copier": "copying",
    "rebuild": "rebuilding",
    "applier": "following",
    "fence": "following",
    "switch": "switching",
    "reverse applier": "switched",
    "rollback": "rolling back",
}
_AT_MOST_SECONDS = {"copier": 0.2, "fence": 0.25, "switch": 0.3}

_LOCK_OF_A_COPIED_TABLE = tuple(
    f"LOCK TABLE {table} IN SHARE MODE" for table in ("ledger_entries", "accounts", "customers", "tenants")
)
_DETAINED_BY = {
    "holder": ("target", _LOCK_OF_A_COPIED_TABLE),
    "copier": ("target", _LOCK_OF_A_COPIED_TABLE),
    # Rows come in past this one; an index, a key or a policy does not.
    "rebuild": ("target", ("LOCK TABLE customers IN ROW EXCLUSIVE MODE", "LOCK TABLE holds IN ROW EXCLUSIVE MODE")),
    "fence": ("source", (f"SELECT pg_advisory_xact_lock_shared({FENCE_KEY})",)),  # as a writer does
    "rollback": ("target", (f"SELECT pg_advisory_xact_lock_shared({FENCE_KEY})",)),
}
# Before the source is closed; between its closing and the other's opening; before it is noted; before it is tidied.
_SWITCH = (
    ("source", "SELECT FROM write_fence FOR UPDATE"),
    ("target", "SELECT FROM write_fence FOR UPDATE"),
    ("target", "SELECT FROM moves FOR UPDATE"),
    ("target", "LOCK TABLE cloudbill_transfer.notes IN ACCESS SHARE MODE"),
)


def is_there(moving: Moving, part: str) -> bool:
    """Whether that part is at work now."""
    phase, status = moving.phase, moving.read("status.json")
    if status.get("at", 0) < moving.spawned_at:
        status = {}  # a killed process left it behind
    match part:
        case "holder":
            return phase == "copying" and moving.holds()
        case "copier":
            return phase == "copying" and "chunks" in status
        case "rebuild":
            return phase == "rebuilding"
        case "applier":
            return phase == "following" and status.get("transactions", 0) > 0
        case "fence":
            return phase == "following" and str(status.get("step", "")).startswith("pause: ")
        case "switch":
            return phase == "switching"
        case "reverse applier":
            # A wait that was over before anybody looked was never noted.
            return phase == "switched" and "transactions" in status and not status.get("waitsFor")
        case _:
            return phase == "rolling back"


def is_over(moving: Moving, part: str) -> bool:
    """Whether the journey is beyond that part."""
    phase = moving.phase
    return phase in PHASES and PHASES.index(phase) > PHASES.index(_LAST_PHASE[part])


def kill_in(moving: Moving, part: str, places: dict[str, Place], chance: random.Random) -> str | None:
    """Kills it there, held there or just let go; the part that it was at, or None when that was over too soon."""
    with _detained(moving, part, places, chance) as let_go:
        if not moving.wait_until(lambda: is_there(moving, part) or is_over(moving, part), seconds=300):
            raise AssertionError(f"it ended before {part}:\n{moving.last_words()}")
        if is_over(moving, part):
            return None
        at_most = _AT_MOST_SECONDS.get(part, 0.8)
        time.sleep(chance.uniform(0, at_most))
        if chance.random() < 0.5:
            let_go()
            time.sleep(chance.uniform(0, at_most / 4))
        if part == "holder":
            with suppress(ProcessLookupError):
                os.kill(moving.read("snapshot.json")["pid"], signal.SIGKILL)
            if chance.random() < 0.3:  # the mover's own lines hold the snapshot, too
                return part
        moving.kill()
    return part if part == "holder" else _part_at(moving)


def _part_at(moving: Moving) -> str | None:
    """Where it stood when it died."""
    match moving.phase:
        case "copying":
            return "copier"
        case "rebuilding":
            return "rebuild"
        case "following":
            return "fence" if moving.step.startswith("pause: ") else "applier"
        case "switching":
            return "switch"
        case "switched":
            return "reverse applier"
        case "rolling back":
            return "rollback"
        case _:
            return None


@contextmanager
def _detained(
    moving: Moving, part: str, places: dict[str, Place], chance: random.Random
) -> Generator[Callable[[], None]]:
    """What would be over in a moment waits for somebody else's lock."""
    side, statements = chance.choice(_SWITCH) if part == "switch" else _DETAINED_BY.get(part, ("", ()))
    statement = statements if isinstance(statements, str) else chance.choice(statements or ("",))
    if not statement:
        yield lambda: None
        return
    if part in ("holder", "copier", "rebuild"):
        # Until then the target is stripped, which the lock would stop.
        moving.wait_until(lambda: b" copying " in moving.said() or is_over(moving, "copier"))
    with psycopg.connect(places[side].url("admin")) as other:
        with suppress(psycopg.errors.UndefinedTable, psycopg.errors.LockNotAvailable):
            other.execute("SET LOCAL lock_timeout = '5s'")
            other.execute(statement.encode())
        yield other.rollback
