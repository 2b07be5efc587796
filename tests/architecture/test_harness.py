"""The harness itself: what a run starts ends with it, also when the run is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

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
