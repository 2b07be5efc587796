"""The mover killed in each of its parts, under load, from 15 to 18 and from 18 to 15: nothing lost, nothing doubled."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from core.operations.transfer.differing import compare
from core.operations.transfer.tables import inventory, settle
from tests.proofs.conftest import Scale
from tests.support.move_parts import PARTS, THERE, is_there, kill_in
from tests.support.moved_books import acknowledged, broken_sums, furnish, lost_and_doubled, pauses, splits
from tests.support.movers import Moving, Reconciling
from tests.support.twins import Place, Twins

SAMPLE = ("applier", "switch")
PAUSE_SECONDS = 10.0
PATIENCE_SECONDS = 300.0
"""Until the applier has caught up with the load, on a machine that has other work, too."""


def journey(
    source: Place, target: Place, parts: list[str], folder: Path, chance: random.Random, writers: int
) -> tuple[Counter[str], list[float], int]:
    """There, and (where a part of the way back is to be killed) back; kills, pauses and acknowledged keys."""
    places = {"source": source, "target": target}
    tenants = furnish(source, tenants=2, users=40)
    moving = Moving(source, target, folder / "home")
    load = Reconciling(source, target, tenants, folder / "load.log", workers=writers)
    killed: Counter[str] = Counter()
    returns = any(part in ("reverse applier", "rollback") for part in parts)
    try:
        load.until(100 * writers)  # something to copy
        # Until the applier was killed the move follows and goes no further.
        stays = ["--wait-before-switch"] if "applier" in parts else []
        moving.spawn("start", "--yes", "--chunk-mb", "0.2", *stays)
        for part in (part for part in THERE if part in parts):
            if done := kill_in(moving, part, places, chance):
                killed[done] += 1
            if part == "applier":
                stays = []
            if moving.process and moving.process.poll() is not None:
                moving.spawn("resume", *stays)
        assert moving.wait_until(lambda: moving.phase == "switched", seconds=PATIENCE_SECONDS), moving.last_words()
        if "reverse applier" in parts:
            killed["reverse applier"] += kill_in(moving, "reverse applier", places, chance) == "reverse applier"
            moving.spawn("resume")
            assert moving.wait_until(lambda: is_there(moving, "reverse applier"), seconds=PATIENCE_SECONDS)
        load.until(50 * writers)  # the new side takes writes
        if returns:
            stayed = moving.process
            moving.spawn("rollback", "--yes")
            if "rollback" in parts and kill_in(moving, "rollback", places, chance):
                killed["rollback"] += 1
                moving.spawn("rollback", "--yes")
            assert moving.process
            assert moving.process.wait(PATIENCE_SECONDS) == 0, moving.last_words()
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
    ways: Counter[str] = Counter()
    each = kills // 10 if scale.asked else 0
    while killed.total() < kills or min(killed[part] for part in PARTS) < each:
        assert journeys < max(4, kills), f"short of kills: {killed}"
        missing = [part for part in PARTS if killed[part] < each] or list(PARTS)
        parts = missing if scale.asked else list(SAMPLE)
        old, new = twins.pair()
        source, target = (old, new) if journeys % 2 == 0 else (new, old)
        folder = tmp_path / str(journeys)
        folder.mkdir()
        try:
            done, paused, acks = journey(source, target, parts, folder, scale.chance, 3 if scale.asked else 1)
        finally:
            twins.drop(old)
            twins.drop(new)
        ways["15 to 18" if source is old else "18 to 15"] += 1
        killed += done
        waited += paused
        answered += acks
        journeys += 1
    waited.sort()
    p95 = waited[min(len(waited) - 1, int(len(waited) * 0.95))] if waited else 0.0
    assert p95 < PAUSE_SECONDS
    by_part = ", ".join(f"{part} {killed[part]}" for part in PARTS if killed[part])
    by_way = ", ".join(f"{number} {way}" for way, number in ways.items())
    say(
        f"{killed.total()} kills ({by_part}) on {journeys} journeys ({by_way}): {answered} charges, 0 lost, 0 doubled; "
        f"writes paused for {p95:.1f} s at p95, {max(waited, default=0):.1f} s at most"
    )
