"""The harness itself: what a run starts ends with it, also when the run is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.support.dealing import LONGEST, dealt
from tests.support.servers import KEEPER, ROOT

HANGING = """
async def test_hangs(database, tmp_path):
    import asyncio, pathlib
    pathlib.Path({mark!r}).touch()
    await asyncio.sleep(600)
"""


def descendants(folder: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in word for word in process.info["cmdline"] or ()):
            found.append(process)
    return found


def test_nothing_outlives_a_run_that_was_killed(tmp_path: Path) -> None:
    mark = tmp_path / "hanging"
    (tmp_path / "test_hanging.py").write_text(HANGING.format(mark=str(mark)))
    # The servers of this run have a keeper of their own: the inner one must not find ours.
    environ = {name: value for name, value in os.environ.items() if name != KEEPER and not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "pyproject.toml", "--rootdir", "."]
    inner = subprocess.Popen(
        [*command, str(tmp_path / "test_hanging.py")],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    folder = ""
    try:
        give_up_at = time.monotonic() + 120
        while not mark.exists():
            assert inner.poll() is None
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        (keeper,) = [
            child for child in psutil.Process(inner.pid).children() if "tests.support.keeper" in child.cmdline()
        ]
        folder = keeper.cmdline()[keeper.cmdline().index("tests.support.keeper") + 1]
        assert any("postgres" in process.name() for process in descendants(folder))
    finally:
        inner.kill()  # it alone: the keeper and the servers are left to notice
        inner.wait()
    while descendants(folder) or Path(folder).exists():
        assert time.monotonic() < give_up_at, "the servers of a killed run are still there"
        time.sleep(0.1)


def test_what_takes_longest_begins_first_on_each_worker_and_nothing_is_lost() -> None:
    short = [f"tests/a/test_a.py::test_{number}" for number in range(40)]
    tests = [*short[:25], *(f"{file}::test_{number}" for file in reversed(LONGEST) for number in (0, 1)), *short[25:]]
    for workers in (1, 2, 3, 4):
        order = [tests[place] for place in dealt(tests, workers=workers)]
        assert sorted(order) == sorted(tests)
        assert [test for test in order if test in short] == short
        left = order
        for seat in range(workers):  # as xdist shares them out
            share, left = left[: len(left) // (workers - seat)], left[len(left) // (workers - seat) :]
            assert share[0].startswith(LONGEST[seat])
            assert share[1].startswith(LONGEST[seat]), "the tests of a file stay together"
            assert not any(test.startswith(LONGEST) for test in share[len(LONGEST) * 2 // workers + 2 :])
    assert [file for file in LONGEST if not (ROOT / file).exists()] == []
    assert dealt([], workers=3) == []
    assert dealt([f"{LONGEST[0]}::test_a", f"{LONGEST[0]}::test_b", "tests/z.py"], workers=3) == [0, 1, 2]
