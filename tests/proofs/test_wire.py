"""The wire between mover and servers fails in each phase: nothing is lost, and the mover says what it waits for.

Faults: latency, a wire that swallows everything in one direction or the other, resets, connections that only the server
knows to be closed, a trickle. Left out where toxiproxy is not installed.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from core.foundation.fence import FENCE_KEY
from tests.proofs.conftest import Scale
from tests.support.moved_books import acknowledged, broken_sums, furnish, lost_and_doubled, pauses, splits
from tests.support.movers import Moving, Reconciling
from tests.support.toxiproxy import DOWN, UP, Toxiproxy, Wire, find_toxiproxy
from tests.support.twins import Place, Twins

FAULTS = ("latency", "trickle", "reset", "half closed", "answers swallowed", "questions swallowed")
PHASES = ("copying", "rebuilding", "following", "comparing", "pause", "switched", "rolling back")
SAMPLE = (("half closed", "copying"), ("reset", "pause"))
LONGEST_PAUSE_SECONDS = 15.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[Toxiproxy]:
    binary = find_toxiproxy()
    if binary is None:
        pytest.skip("toxiproxy is not installed: go install github.com/Shopify/toxiproxy/v2/cmd/server@latest")
    made = Toxiproxy(binary)
    yield made
    made.stop()


class Wired:
    """A move whose two ways can be spoiled."""

    def __init__(self, proxy: Toxiproxy, source: Place, target: Place, folder: Path) -> None:
        self.places = {"source": source, "target": target}
        name = folder.name + str(time.monotonic_ns())
        self.wires = {side: proxy.wire(f"{name}-{side}", place.url("mover")) for side, place in self.places.items()}
        self.moving = Moving(source, target, folder / "home")
        self.held = ExitStack()
        for variable, side in (("MOVE_FROM_URL", "source"), ("MOVE_TO_URL", "target"), ("MOVE_TO_OWNER_URL", "target")):
            self.moving.env[variable] = self.wires[side].through(self.moving.env[variable])

    def is_in(self, phase: str) -> bool:
        """Whether it is there now."""
        moving, now, step = self.moving, self.moving.phase, self.moving.step
        match phase:
            case "copying":
                return now == "copying" and " copying " in moving.log.read_text()
            case "following":
                return now == "following" and moving.read("status.json").get("transactions", 0) > 0
            case "comparing":
                return now == "following" and step.startswith("comparing")
            case "pause":
                return now in ("following", "switching") and step.startswith("pause: ")
            case "switched":
                return now == "switched" and moving.read("status.json").get("transactions", 0) > 0
            case _:
                return now.startswith(phase)

    def detain(self, phase: str) -> None:
        """What is over in a moment waits for somebody else's lock, until its fault has come."""
        side = "target" if phase == "copying" else "source"
        holder = self.held.enter_context(psycopg.connect(self.places[side].url("admin")))
        if phase == "copying":
            holder.execute("LOCK TABLE ledger_entries IN SHARE MODE")
        elif phase == "comparing":
            holder.execute("LOCK TABLE coupons IN ACCESS EXCLUSIVE MODE")
        else:
            holder.execute("SELECT pg_advisory_xact_lock_shared(%s)", [FENCE_KEY])  # as a writer does

    def end(self) -> None:
        self.held.close()
        self.moving.end()
        for wire in self.wires.values():
            wire.away()


def spoil(wired: Wired, fault: str, side: str) -> None:
    wire: Wire = wired.wires[side]
    match fault:
        case "latency":
            # Small ones are met on the way: nobody waits for them. This one is noticed.
            wire.spoil("latency", DOWN, UP, latency=1500, jitter=500)
        case "trickle":
            wire.spoil("bandwidth", DOWN, UP, rate=200)
        case "reset":
            wire.spoil("reset_peer", DOWN, UP, timeout=0)
        case "half closed":
            # The server ends the sessions; nobody tells the mover.
            wire.spoil("slow_close", DOWN, UP, delay=120_000)
            with wired.places[side].connect("admin") as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND application_name LIKE 'cloudbill-move-%'"
                )
        case "answers swallowed":
            wire.spoil("timeout", DOWN, timeout=0)
        case _:
            wire.spoil("timeout", UP, timeout=0)


def fail_in(wired: Wired, fault: str, phase: str, side: str) -> None:
    """The fault in that phase, until the mover has said what it waits for; it must have been in that phase."""
    moving, over = wired.moving, "switched" if phase in PHASES[:5] else "rolled back"
    must_say = fault != "trickle"  # of which nobody waits for long
    there = moving.wait_until(lambda: wired.is_in(phase), seconds=180)
    assert there, f"it ended before {phase}:\n{moving.last_words()}"
    noted, said_before = moving.phase, len(moving.log.read_text())
    spoil(wired, fault, side)
    assert moving.phase == noted, f"{phase} was over before {fault} came: {moving.phase}, {moving.step}"
    wired.held.close()
    give_up_at, said = time.monotonic() + (60 if must_say else 4), ""
    while time.monotonic() < give_up_at:
        waits = moving.read("status.json").get("waitsFor") or ""
        words = moving.log.read_text()[said_before:]
        said = waits or next((line for line in words.splitlines() if "waits: " in line or "not yet: " in line), "")
        if (must_say and f"{side} " in said) or moving.phase == over:
            break
        assert moving.process
        assert moving.process.poll() is None, moving.last_words()
        time.sleep(0.05)
    wired.wires[side].heal()
    if must_say and moving.phase != over:
        assert f"{side} " in said, f"{fault} of the {side} in {phase}: it said {said!r}\n{moving.last_words()}"


def journey(
    proxy: Toxiproxy, twins: Twins, faults: list[tuple[str, str]], folder: Path, chance: random.Random, writers: int
) -> tuple[list[float], int]:
    """There (and back, if it fails there), each of the faults in its phase; pauses of writers, and charges."""
    old, new = twins.pair()
    source, target = (old, new) if chance.random() < 0.5 else (new, old)
    tenants = furnish(source, tenants=2, users=40)
    wired, certificates = Wired(proxy, source, target, folder), ["certificate.json"]
    moving, load = wired.moving, Reconciling(source, target, tenants, folder / "load.log", workers=writers)
    try:
        load.until(100 * writers)  # something to copy
        moving.spawn("start", "--yes", "--chunk-mb", "0.1", "--wait-before-switch")
        for fault, phase in (one for one in faults if one[1] in PHASES[:5]):
            if phase == "copying":
                moving.wait_until(lambda: wired.is_in("copying"), seconds=180)
                wired.detain("copying")
            if phase == "rebuilding":
                moving.wait_until(lambda: wired.is_in("rebuilding"), seconds=180)
                wired.detain("comparing")
            if phase == "pause":
                wired.detain("pause")
                moving.here("switch")
            # While indexes are made nobody asks the source for anything.
            fail_in(wired, fault, phase, chance.choice(("source", "target") if phase != "rebuilding" else ("target",)))
        moving.here("switch")
        assert moving.wait_until(lambda: moving.phase == "switched", seconds=240), moving.last_words()
        if PHASES[6] in (phase for _, phase in faults):
            certificates.append("certificate-rollback.json")
            for fault in (fault for fault, wanted in faults if wanted == "switched"):
                fail_in(wired, fault, "switched", chance.choice(("source", "target")))
            stayed = moving.process
            moving.spawn("rollback", "--yes")
            for fault in (fault for fault, wanted in faults if wanted == "rolling back"):
                fail_in(wired, fault, "rolling back", chance.choice(("source", "target")))
            assert moving.process
            assert moving.process.wait(240) == 0, moving.last_words()
            assert stayed
            stayed.wait(60)
    finally:
        for wire in wired.wires.values():
            wire.heal()
        wired.end()
        load.end()
    returned, acks = len(certificates) == 2, acknowledged(load.log)
    assert lost_and_doubled(source if returned else target, acks) == ([], [])
    assert broken_sums(source if returned else target) == []
    assert splits(load.log) == 0
    for name in certificates:
        assert "holds" in moving.here("verify", str(next(moving.home.glob(f"moves/*/{name}"))))
    for place in (old, new):
        with psycopg.connect(place.url("admin")) as admin:
            slots = admin.execute(
                "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
            ).fetchall()
            assert slots == [] or not returned
        twins.drop(place)
    return pauses(load.log, over=0.3), len(acks)


def test_the_wire_fails_in_each_phase(
    proxy: Toxiproxy, twins: Twins, scale: Scale, say: Callable[[str], None], tmp_path: Path
) -> None:
    journeys = [list(SAMPLE)]
    if scale.asked:
        journeys = [[(fault, phase) for phase in PHASES] for fault in FAULTS] * scale.asked
    waited, charges = list[float](), 0
    for number, faults in enumerate(journeys):
        folder = tmp_path / str(number)
        folder.mkdir()
        pauses_of_one, acks = journey(proxy, twins, faults, folder, scale.chance, 4 if scale.asked else 1)
        waited, charges = waited + pauses_of_one, charges + acks
    longest, met = max(waited, default=0.0), sum(map(len, journeys))
    assert longest < LONGEST_PAUSE_SECONDS
    say(
        f"{met} faults of the wire ({', '.join(FAULTS) if scale.asked else 'a sample'}), each met in its phase, on "
        f"{len(journeys)} journeys: {charges} charges, 0 lost, 0 doubled; nobody waited longer than {longest:.1f} s to "
        "write"
    )
