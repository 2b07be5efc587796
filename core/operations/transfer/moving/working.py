"""What every phase of a move needs: nobody else works on it, patience with broken lines, and to show how it stands."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from core.foundation.settings import Settings
from core.operations.transfer.moving import marks
from core.operations.transfer.moving.errors import ServerUnreachable, SnapshotLost, StreamBroken
from core.operations.transfer.moving.journal import Ends, Journal

TRIES = 20


class Stopped(Exception):
    """Somebody asked this process to end; the move stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How it is done."""

    jobs: int = 2
    chunk_bytes: int = 16 * 2**20
    waits_before_switch: bool = False
    """Follows until `cloudbill move switch`."""
    ends_after_switch: bool = False
    """The way back is armed and followed by `cloudbill move resume`; this process ends."""


class Work:
    """One process at work on one move."""

    def __init__(self, settings: Settings, journal: Journal, choices: Choices, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.journal = journal
        self.choices = choices
        self.say = say
        self.ends: Ends = journal.ends()
        self._status: dict[str, Any] = {}
        self._started = time.monotonic()

    @contextmanager
    def _alone(self) -> Generator[None]:
        with self.journal.claimed(), ExitStack() as claims:
            self.journal.answered("stop")
            for endpoint in (self.ends.source, self.ends.target):
                claims.enter_context(marks.claim(endpoint, self.journal.id))
            yield

    def _persist(self, work: Callable[[], None]) -> None:
        """Tries again what a broken line stopped, and says what it waits for."""
        tries = 0
        while True:
            began = time.monotonic()
            try:
                work()
                return
            except (StreamBroken, ServerUnreachable, SnapshotLost) as error:
                tries = 1 if time.monotonic() - began > 60 else tries + 1
                if tries > TRIES:
                    raise
                self.say(f"waits: {error.detail}")
                self.show(waitsFor=error.detail)
                self._pause(min(5.0, 0.2 * 2**tries))
            except psycopg.OperationalError as error:
                tries += 1
                if tries > TRIES:
                    raise StreamBroken(f"a line broke: {str(error).splitlines()[0]}") from None
                self._pause(min(5.0, 0.2 * 2**tries))

    @contextmanager
    def _showing(self, more: Callable[[], dict[str, Any]]) -> Generator[None]:
        ended = threading.Event()

        def show() -> None:
            while not ended.wait(0.3):
                with suppress(OSError, RuntimeError):
                    self.show(**more())

        thread = threading.Thread(target=show, name="show", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(2)

    def show(self, **more: Any) -> None:
        """How it stands this second, for `cloudbill move status`."""
        self._status.update(more)
        self.journal.show({**self._status, "phase": self.journal.phase, "at": round(time.time(), 1)})

    def _is_asked(self, word: str) -> bool:
        return self.journal.is_asked(word)

    def _heed(self) -> None:
        if self._is_asked("stop"):
            raise Stopped

    def _pause(self, seconds: float) -> None:
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            self._heed()
            time.sleep(0.05)

    def _end(self) -> None:
        self.journal.forget_addresses()
        self.show(step="", waitsFor=None)
