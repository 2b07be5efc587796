"""A command of ours that runs once and ends: migrations, the first operator, the console's build, the demo."""

import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event

from core.cli.supervisor.errors import StartRefused, StopRequested
from core.cli.supervisor.home import SOURCES, Home
from core.cli.supervisor.records import forget, write_record
from core.cli.supervisor.reporting import Step
from core.foundation.embedded.process import ServerProcess


def command(*words: str) -> list[str]:
    """The command line of `cloudbill ...` in this environment."""
    return [sys.executable, "-m", "core.cli.main", *words]


class Task:
    """One such command; `start`, then `wait`."""

    def __init__(self, name: str, home: Home, *, argv: list[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._home = home
        self._process = ServerProcess(argv, log=home.log / f"{name}.log", env=environment)

    def start(self) -> "Task":
        """Start it in the background."""
        self._process.start(cwd=SOURCES)
        if self._process.pid:
            write_record(self._home.run, self.name, self._process.pid)
        return self

    def wait(self, step: Step, stop: Event) -> list[str]:
        """Wait for its end, showing what it prints; its last lines. Raises StartRefused with its last line."""
        while self.under_way(step):
            if stop.wait(0.1):
                self.stop()
                raise StopRequested
        return self.finish(step)

    def under_way(self, step: Step) -> bool:
        """Whether it still runs; shows what it printed last."""
        words = self._process.last_words(1)
        step.note(words[-1] if words else "")
        return self._process.running

    def finish(self, step: Step) -> list[str]:
        """Its last lines, once it has ended. Raises StartRefused with its last line when it failed."""
        forget(self._home.run, self.name)
        words = self._process.last_words(20)
        if self._process.exit_code:
            raise StartRefused(
                f"{step.title.split(' (')[0]} failed: {_reason(words, self._process.exit_code)} Its log: {self.log}"
            )
        return words

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.running

    @property
    def succeeded(self) -> bool:
        """Whether it has ended, and well."""
        if self._process.exit_code == 0:
            forget(self._home.run, self.name)
            return True
        return False

    def stop(self) -> None:
        """End it, if it still runs."""
        self._process.stop((signal.SIGTERM, 10))
        forget(self._home.run, self.name)

    @property
    def log(self) -> Path:
        """Where its output lies."""
        return self._process.log


def wait_until(healthy: Callable[[], bool], step: Step, stop: Event, *, seconds: float) -> bool:
    """Ask again and again until it is healthy (true) or the time is over (false). Raises StopRequested."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if healthy():
            return True
        step.tick()
        if stop.wait(0.1):
            raise StopRequested
    return False


def _reason(words: list[str], code: int) -> str:
    if not words:
        return f"it ended with code {code} and said nothing."
    text = words[-1].removeprefix("cloudbill: ")
    return text if text.endswith((".", "?", "!")) else text + "."
