"""What a process remembers of the database for a while: bounded, oldest out first."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """At most `size` values, each for `seconds` (None: as long as there is room, for what never changes)."""

    def __init__(self, *, size: int, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._seconds = seconds
        self._clock = clock
        self._values: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def find(self, key: Key) -> Value | None:
        """The value, or None when it is unknown or too old."""
        kept = self._values.get(key)
        if kept is None:
            return None
        if self._seconds is not None and kept[0] + self._seconds <= self._clock():
            del self._values[key]
            return None
        return kept[1]

    def remember(self, key: Key, value: Value) -> None:
        """Keeps a value, and forgets the oldest when there are too many."""
        self._values[key] = (self._clock() if self._seconds is not None else 0.0, value)
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def forget(self, key: Key) -> None:
        """Drops a value that is known to be over."""
        self._values.pop(key, None)
