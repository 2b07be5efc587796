"""What every phase of a move needs: nobody else works on it, patience with broken lines, and to show how it stands."""

import re
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from core.foundation.settings import Settings
from core.operations.transfer.moving import marks
from core.operations.transfer.moving.errors import ServerUnreachable, SnapshotLost, StreamBroken
from core.operations.transfer.moving.journal import Ends, Journal
from core.operations.transfer.moving.minding import waits_for
from core.operations.transfer.moving.servers import explained

PATIENCE_SECONDS = 600.0
"""How long a line may stay broken before the process ends; the move stays where it is."""
WENT_ON_SECONDS = 60.0
"""What ran for so long before it broke had a line."""


REPORT_SECONDS = 30.0


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
        self._shown = threading.Lock()

    @contextmanager
    def _alone(self) -> Generator[None]:
        with self.journal.claimed(), ExitStack() as claims:
            self.journal.answered("stop")
            for endpoint in (self.ends.source, self.ends.target):
                claims.enter_context(closing(marks.claim(endpoint, self.journal.id)))
            claims.enter_context(self._reporting())
            yield

    def _persist(self, work: Callable[[], None]) -> None:
        """Tries again what a broken line stopped, and says what it waits for.

        Raises what another try cannot mend, and anything after ten minutes in which nothing went on.
        """
        tries, give_up_at = 0, time.monotonic() + PATIENCE_SECONDS
        while True:
            began = time.monotonic()
            try:
                work()
                return
            except (StreamBroken, ServerUnreachable, SnapshotLost) as error:
                stopped = error
            except psycopg.Error as error:
                stopped = explained("server", error)
                if not isinstance(stopped, StreamBroken):
                    raise stopped from None
            if time.monotonic() - began > WENT_ON_SECONDS:
                tries, give_up_at = 0, time.monotonic() + PATIENCE_SECONDS
            if time.monotonic() > give_up_at:
                raise stopped
            tries += 1
            self.say(f"waits: {stopped.detail}")
            self.show(waitsFor=stopped.detail)
            self._pause(min(5.0, 0.2 * 2**tries))
            self.show(waitsFor=None)

    @contextmanager
    def _reporting(self) -> Generator[None]:
        """Says how far it is every half minute, and what it waits for as soon as it waits."""
        ended = threading.Event()

        def report() -> None:
            waited, said_at = None, time.monotonic()
            while not ended.wait(0.5):
                now = self._waits_for()
                if now is not None or waited is not None:
                    self.show(waitsFor=now)
                # The same wait is said once, however its seconds count.
                if now is not None and _without_figures(now) != _without_figures(waited or ""):
                    self.say(f"waits: {now}")
                waited = now
                if time.monotonic() - said_at > REPORT_SECONDS:
                    said_at = time.monotonic()
                    if how_far := _how_far(self._status):
                        self.say(how_far)

        thread = threading.Thread(target=report, name="report", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(2)

    def _waits_for(self) -> str | None:
        return waits_for()

    @contextmanager
    def _showing(self, more: Callable[[], dict[str, Any]]) -> Generator[None]:
        ended = threading.Event()

        def show() -> None:
            while not ended.wait(0.3):
                with suppress(OSError):
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
        with self._shown:
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


def _how_far(status: dict[str, Any]) -> str | None:
    """One line for who looks on."""
    if "chunks" in status and "lagSeconds" not in status:
        left = f", {status['secondsLeft']} s left" if status.get("secondsLeft") is not None else ""
        return f"copied {status['chunks']} chunks, {status['megabytesASecond']} MB/s{left}"
    if "lagSeconds" in status:
        lag = "not known yet" if status["lagSeconds"] is None else f"{status['lagSeconds']} s"
        return f"follows: {status['transactions']} transactions, {lag} behind"
    return None


def _without_figures(words: str) -> str:
    return re.sub(r"\d+", "", words)
