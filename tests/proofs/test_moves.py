"""The mover killed in each of its parts, under load, from 15 to 18 and from 18 to 15: nothing lost, nothing doubled."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.operations.transfer.differing import compare
from core.operations.transfer.tables import inventory, settle
from tests.proofs.conftest import Scale
from tests.support.moved_books import acknowledged, broken_sums, furnish, lost_and_doubled, pauses, splits
from tests.support.movers import Moving, Reconciling
from tests.support.twins import Place, Twins

PARTS = ("holder", "copier", "rebuild", "applier", "fence", "switch", "reverse applier", "rollback")
SAMPLE = ("applier", "switch")
PAUSE_SECONDS = 10.0


@pytest.fixture(scope="module")
def twins(pytestconfig: pytest.Config) -> Iterator[Twins]:
    """15 (or 16) and 18."""
    made = Twins(durable=pytestconfig.getoption("--durable"))
    yield made
    made.stop()


def is_there(moving: Moving, part: str) -> bool:
    """Whether that part is at work now."""
    phase, step, status = moving.phase, moving.step, moving.read("status.json")
    match part:
        case "holder":
            return phase == "copying" and moving.holds()
        case "copier":
            return phase == "copying" and "chunks" in moving.read("status.json")
        case "rebuild":
            return phase == "rebuilding"
        case "applier":
            return phase == "following" and moving.read("status.json").get("transactions", 0) > 0
        case "fence":
            return phase == "following" and step.startswith("pause: ")
        case "switch":
            return phase == "switching"
        case "reverse applier":
            # A wait that was over before anybody looked was never noted; what a killed process noted does not count.
            fresh = "transactions" in status and status["at"] > moving.spawned_at
            return phase == "switched" and fresh and not status.get("waitsFor")
        case _:
            return phase == "rolling back"


def kill_in(moving: Moving, part: str, chance: random.Random) -> str | None:
    """Kills it there; what it was at, or None when that part was over too soon."""
    if not moving.wait_until(lambda: is_there(moving, part) or moving.phase in ("switched", "rolled back")):
        raise AssertionError(f"it ended before {part}:\n{moving.last_words()}")
    # The pause is short: killed at once, or a moment into it.
    time.sleep(chance.uniform(0, {"fence": 0.25, "switch": 0.02, "copier": 0.2}.get(part, 0.8)))
    if part == "holder":
        with suppress(ProcessLookupError):
            os.kill(moving.read("snapshot.json")["pid"], signal.SIGKILL)
        if chance.random() < 0.3:  # the mover's own lines hold the snapshot, too
            return part
    moving.kill()
    phase = moving.phase
    return (
        {"preparing": "holder", "copying": "copier", "rebuilding": "rebuild", "switching": "switch"}.get(
            phase, part if phase in ("following", "rolling back", "switched") else None
        )
        if part != "holder"
        else part
    )


def journey(
    source: Place, target: Place, parts: list[str], folder: Path, chance: random.Random, writers: int
) -> tuple[Counter[str], list[float], int]:
    """There, and (where a part of the way back is to be killed) back; kills, pauses and acknowledged keys."""
    tenants = furnish(source, tenants=2, users=40)
    moving = Moving(source, target, folder / "home")
    load = Reconciling(source, target, tenants, folder / "load.log", workers=writers)
    killed: Counter[str] = Counter()
    returns = any(part in ("reverse applier", "rollback") for part in parts)
    try:
        load.until(100 * writers)  # something to copy
        moving.spawn("start", "--yes", "--chunk-mb", "0.2")
        for part in (part for part in PARTS[:6] if part in parts):
            if moving.phase == "switched":
                break
            if done := kill_in(moving, part, chance):
                killed[done] += 1
            if moving.process and moving.process.poll() is not None and moving.phase:
                moving.spawn("resume")
        assert moving.wait_until(lambda: moving.phase == "switched"), moving.last_words()
        if "reverse applier" in parts:
            kill_in(moving, "reverse applier", chance)
            killed["reverse applier"] += 1
            moving.spawn("resume")
            assert moving.wait_until(lambda: is_there(moving, "reverse applier"))
        load.until(50 * writers)  # the new side takes writes
        if returns:
            stayed = moving.process
            moving.spawn("rollback", "--yes")
            if "rollback" in parts:
                kill_in(moving, "rollback", chance)
                killed["rollback"] += 1
                moving.spawn("rollback", "--yes")
            assert moving.process
            assert moving.process.wait(90) == 0, moving.last_words()
            assert stayed
            stayed.wait(30)
        else:
            moving.here("stop")
    finally:
        moving.end()
        load.end()
    acks = acknowledged(load.log)
    serves, follows = (source, target) if returns else (target, source)
    lost, doubled = lost_and_doubled(serves, acks)
    assert lost == []
    assert doubled == []
    assert broken_sums(serves) == []
    assert splits(load.log) == 0
    if not returns:
        # The old side follows to the end, and then both hold the same rows.
        assert "failed" not in (told := moving.here("rollback", "--yes")), told
        assert moving.phase == "rolled back", told
        assert lost_and_doubled(follows, acks) == ([], [])
    with settle(source.connect("mover")) as left, settle(target.connect("mover")) as right:
        assert compare(left, right, inventory(left)) == [] or returns
        slots = [
            connection.execute(
                "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
            ).fetchone()
            for connection in (left, right)
        ]
    assert slots == [(0,), (0,)]
    return killed, pauses(load.log, over=0.3), len(acks)


def test_killed_in_every_part(twins: Twins, scale: Scale, say: Callable[[str], None], tmp_path: Path) -> None:
    kills = scale.count(len(SAMPLE))
    killed: Counter[str] = Counter()
    waited: list[float] = []
    answered = journeys = 0
    each = kills // 10 if scale.asked else 0
    while killed.total() < kills or min(killed[part] for part in PARTS) < each:
        parts = list(PARTS) if scale.asked else list(SAMPLE)
        old, new = twins.pair()
        source, target = (old, new) if journeys % 2 == 0 else (new, old)
        folder = tmp_path / str(journeys)
        folder.mkdir()
        try:
            done, paused, acks = journey(source, target, parts, folder, scale.chance, 4 if scale.asked else 1)
        finally:
            twins.drop(old)
            twins.drop(new)
        killed += done
        waited += paused
        answered += acks
        journeys += 1
    waited.sort()
    p95 = waited[min(len(waited) - 1, int(len(waited) * 0.95))] if waited else 0.0
    assert p95 < PAUSE_SECONDS
    by_part = ", ".join(f"{part} {killed[part]}" for part in PARTS if killed[part])
    say(
        f"{killed.total()} kills ({by_part}) on {journeys} journeys between 15 and 18: {answered} charges, "
        f"0 lost, 0 doubled; writes paused for {p95:.1f} s at p95, {max(waited, default=0):.1f} s at most"
    )
