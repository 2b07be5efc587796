"""A move as its commands do it, in processes of its own that can be killed at a chosen moment."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from typer.testing import CliRunner

from core.cli.explanations import explain
from core.operations.transfer.moving import holder as holders
from tests.support.servers import ROOT
from tests.support.twins import Place


class Moving:
    """One move between two places, worked on by one process at a time."""

    def __init__(self, source: Place, target: Place, home: Path, **more: str) -> None:
        self.home = home
        self.log = home.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None
        self.spawned_at = 0.0
        self._said_before = 0
        self.before: list[subprocess.Popen[bytes]] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DB_", "DATABASE_"))}
        self.env = {
            **kept,
            "CLOUDBILL_HOME": str(home),
            "MOVE_FROM_URL": source.url("mover"),
            "MOVE_TO_URL": target.url("mover"),
            "MOVE_TO_OWNER_URL": target.url("owner"),
            **more,
        }

    def spawn(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `cloudbill move …` and do not wait."""
        if self.process is not None and self.process.poll() is None:
            self.before.append(self.process)
        self.spawned_at = time.time()
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core.cli.main", "move", *words],
                cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        return self.process

    def run(self, *words: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """`cloudbill move …` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "core.cli.main", "move", *words],
            cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip

    def here(self, *words: str) -> str:
        """The same within this process, which is sooner done: what it printed, or the sentence that it failed with."""
        from core.cli.move import app

        done = CliRunner().invoke(app, list(words), env=self.env)
        return done.output if done.exception is None else f"failed: {explain(done.exception)}"

    def kill(self) -> None:
        """SIGKILL, and nothing else: what it had open is cut."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def end(self) -> None:
        """Nothing of it is left running."""
        self.kill()
        for process in self.before:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if (holder := self.read("snapshot.json").get("pid")) and self.holds():
            with suppress(ProcessLookupError):
                os.kill(holder, signal.SIGKILL)
        for started in holders._STARTED:  # by `here`: they are children of this process
            started.wait(10)

    def holds(self) -> bool:
        """Whether the process that it recorded is still a holder of ours."""
        pid = self.read("snapshot.json").get("pid")
        try:
            return b"moving.holder" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    @property
    def phase(self) -> str:
        """As the journal says."""
        return self.read("journal.json").get("phase", "")

    @property
    def step(self) -> str:
        """As the status says."""
        return str(self.read("status.json").get("step", ""))

    def read(self, name: str) -> dict[str, Any]:
        """A file of the newest move."""
        found = sorted(self.home.glob(f"moves/*/{name}"))
        try:
            return json.loads(found[-1].read_text()) if found else {}
        except (OSError, ValueError):
            return {}

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 90) -> bool:
        """Whether it came to that while the process lives; raises when it takes too long."""
        give_up_at = time.monotonic() + seconds
        while not ready():
            if self.process is not None and self.process.poll() is not None:
                return ready()
            if time.monotonic() > give_up_at:
                raise AssertionError(f"{self.phase}, {self.step}:\n{self.last_words()}")
            time.sleep(0.005)
        return True

    def said(self) -> bytes:
        """All that the newest process has said."""
        return self.log.read_bytes()[self._said_before :]

    def last_words(self, lines: int = 25) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


class Reconciling:
    """The load, as a process of its own."""

    def __init__(self, serving: Place, other: Place, tenants: list[UUID], log: Path, *, workers: int = 4) -> None:
        self.log = log
        words = [serving.url("app"), other.url("app"), serving.url("operator"), ",".join(map(str, tenants)), str(log)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.move_load", *words, "--workers", str(workers), "--rest", "0.1"],
            cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        give_up_at = time.monotonic() + 60
        while not (log.exists() and log.stat().st_size):
            assert self._process.poll() is None, "the load ended"
            assert time.monotonic() < give_up_at, "the load does not begin"
            time.sleep(0.05)

    def until(self, answered: int, *, seconds: float = 60) -> None:
        """Waits for so many lines more in its log."""
        so_far, give_up_at = self.log.stat().st_size, time.monotonic() + seconds
        while self.log.read_bytes()[so_far:].count(b"\n") < answered:
            assert self._process.poll() is None, "the load ended"
            assert time.monotonic() < give_up_at, "the load is not answered"
            time.sleep(0.05)

    def end(self) -> None:
        """Nothing is in flight afterwards."""
        assert self._process.stdin
        if self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
