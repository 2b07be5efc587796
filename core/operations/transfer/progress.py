"""How far a long run is, how fast, and how long it still takes."""

import threading
import time
from collections.abc import Callable

_EVERY_SECONDS = 2.0


class Progress:
    """Counts rows and bytes of several workers; says a line every other second and one at the end."""

    def __init__(self, what: str, rows: int, say: Callable[[str], None]) -> None:
        self._what, self._rows, self._say = what, max(1, rows), say
        self._done = self._skipped = self._bytes = 0
        self._started = self._said = time.monotonic()
        self._lock = threading.Lock()

    def add(self, rows: int, size: int) -> None:
        """A chunk is done."""
        with self._lock:
            self._done += rows
            self._bytes += size
            if time.monotonic() - self._said >= _EVERY_SECONDS:
                self._said = time.monotonic()
                self._say(self.line())

    def skip(self, rows: int) -> None:
        """A chunk was done by an earlier run."""
        with self._lock:
            self._skipped += rows

    def line(self) -> str:
        """`exported 41 %: 410,000 of 1,000,000 rows, 52 MB/s, 85,000 rows/s, 7 s left`."""
        seconds = max(time.monotonic() - self._started, 0.001)
        share = min(1.0, (self._done + self._skipped) / self._rows)
        rate = self._done / seconds
        left = f", {max(0, self._rows - self._done - self._skipped) / rate:.0f} s left" if rate else ""
        return (
            f"{self._what} {share:.0%}: {self._done + self._skipped:,} of {self._rows:,} rows, "
            f"{self._bytes / seconds / 1e6:.0f} MB/s, {rate:,.0f} rows/s{left if share < 1 else ''}"
        )

    def end(self) -> None:
        """The last line, with what was there before."""
        seconds = max(time.monotonic() - self._started, 0.001)
        before = f" ({self._skipped:,} rows were there from an earlier run)" if self._skipped else ""
        self._say(
            f"{self._what} {self._done + self._skipped:,} rows in {seconds:.1f} s, {self._bytes / seconds / 1e6:.0f} "
            f"MB/s{before}"
        )
