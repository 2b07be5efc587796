"""The product's own processes, as an installation runs them: the API on granian, the worker, the Stripe simulator."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import httpx

from tests.support.servers import ROOT, Keeper


class Process:
    """One process with its own group, minded by the keeper; `kill` is a SIGKILL of the whole group."""

    def __init__(self, name: str, argv: list[str], *, env: Mapping[str, str], folder: Path, keeper: Keeper) -> None:
        self.name = name
        self.argv = argv
        self.log = folder / f"{name}.log"
        self.url = ""
        self._env = dict(env)
        self._keeper = keeper
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.argv,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._keeper.mind(self._popen.pid)

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait for a sign of life; raises with the end of its log when it dies or stays silent."""
        give_up_at = time.monotonic() + seconds
        while not ready():
            if not self.running or time.monotonic() > give_up_at:
                state = "is silent" if self.running else f"ended with {self._popen and self._popen.returncode}"
                raise RuntimeError(f"{self.name} {state}:\n{self.last_words()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL for it and all its children."""
        if self._popen:
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()

    def stop(self, *, seconds: float = 20) -> int:
        """Ask it to end; its exit code. What does not end is killed."""
        assert self._popen
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(seconds)
        code = self._popen.poll()
        self.kill()
        return code if code is not None else -signal.SIGKILL

    def last_words(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def cloudbill(*arguments: str) -> list[str]:
    """The command line of our own command."""
    return [sys.executable, "-m", "core.cli.main", *arguments]


def answers(url: str) -> Callable[[], bool]:
    """Whether the address answers 200 now."""

    def ask() -> bool:
        try:
            return httpx.get(url, timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    return ask
