"""An installation of its own for each test: its folder, its ports, and its end whatever happens."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cli.supervisor.home import Home
from core.cli.supervisor.preflight import end_orphans
from core.foundation.embedded.ports import free_port

ROOT = Path(__file__).parent.parent.parent


_PORTS = ("PORT", "CONSOLE_PORT", "STRIPE_PORT", "SMALL_WORKER_PORT")


def _free_ports(count: int) -> set[int]:
    ports: set[int] = set()
    while len(ports) < count:  # the system may name one twice while nobody listens on it
        ports.add(free_port())
    return ports


class Installation:
    """Runs commands against one folder; `small` ones have small programs instead of the product's."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.environment = {
            **os.environ,
            "CLOUDBILL_HOME": str(folder),
            **dict(zip(_PORTS, map(str, _free_ports(len(_PORTS))), strict=True)),
        }

    def run(self, *words: str, small: bool = False, **changes: str) -> subprocess.CompletedProcess[str]:
        """A command, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "tests.cli.small" if small else "core.cli.main", *words],
            cwd=ROOT,
            env={**self.environment, **changes},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, **changes: str) -> "subprocess.Popen[str]":
        """`up` in the foreground, as in a terminal."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.cli.small", "up"],
            cwd=ROOT,
            env={**self.environment, **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def status(self) -> dict[str, Any]:
        """What `status --format json` says."""
        return json.loads(self.run("status", "--format", "json").stdout)

    def pid(self, name: str) -> int:
        """The process id on record."""
        return int(json.loads((self.home.run / f"{name}.json").read_text())["pid"])

    def wait_until(self, true: Callable[[], bool], seconds: float = 60) -> None:
        """Ask until it is so."""
        give_up_at = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < give_up_at, "it did not come to be"
            time.sleep(0.1)

    def end(self) -> None:
        """Nothing of it is left."""
        if (self.home.run / "supervisor.json").exists():
            os.kill(self.pid("supervisor"), signal.SIGKILL)
        end_orphans(self.home)
        shutil.rmtree(self.home.folder, ignore_errors=True)


@pytest.fixture
def installation() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="cloudbill-home-"))
    folder.chmod(0o711)
    made = Installation(folder)
    yield made
    made.end()
