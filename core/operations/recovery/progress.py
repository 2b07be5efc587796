"""How far a drill or a backup has come: its steps with their times, and what it does at the moment.

It is told from the thread that works and looked at from another; each look gets a copy.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.foundation.clock import wall_now
from core.operations.recovery.errors import RunStopped


@dataclass(frozen=True)
class StepRun:
    """One step; it runs while it has no end."""

    name: str
    started_at: datetime
    finished_at: datetime | None = None
    seconds: float | None = None
    failed: bool = False


def _silence(words: str) -> None:
    return None


@dataclass
class Progress:
    """Called with words, it passes them on and remembers the last; `step` surrounds a step."""

    say: Callable[[str], None] = _silence
    words: str = ""
    copies: list[str] = field(default_factory=list[str])
    """Names of the scratch servers that were made, so that a killed run can be cleared up after."""
    _steps: list[StepRun] = field(default_factory=list[StepRun])
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __call__(self, words: str) -> None:
        """Raises RunStopped once it was stopped."""
        if self._stopped.is_set():
            raise RunStopped("its process was told to stop")
        self.words = words
        self.say(words)

    def stop(self) -> None:
        """From another thread: the work ends at its next word."""
        self._stopped.set()

    @property
    def steps(self) -> list[StepRun]:
        """So far."""
        return list(self._steps)

    @contextmanager
    def step(self, name: str, words: str) -> Generator[None]:
        """The step `name`, which says `words` as it begins."""
        self(words)
        begun, started = StepRun(name, wall_now()), time.monotonic()
        place = len(self._steps)
        self._steps.append(begun)
        failed = True
        try:
            yield
            failed = False
        finally:
            seconds = round(time.monotonic() - started, 3)
            self._steps[place] = replace(begun, finished_at=wall_now(), seconds=seconds, failed=failed)
