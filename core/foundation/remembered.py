"""What a process remembers of the database for a while: bounded, oldest out first; and asks once for all who wait."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

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


class Asked(Generic[Key, Value]):
    """Questions that are under way: who asks one meanwhile shares its answer, and takes no connection of its own."""

    def __init__(self) -> None:
        self._under_way: dict[Key, asyncio.Task[Value]] = {}

    async def ask(self, key: Key, question: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """The answer to `question`, or what it raises."""
        asking = self._under_way.get(key)
        if asking is None:
            asking = self._under_way[key] = asyncio.create_task(question())
            asking.add_done_callback(lambda done: self._end(key, done))
        # Shielded: a caller that goes away leaves the others their answer.
        return await asyncio.shield(asking)

    def _end(self, key: Key, done: asyncio.Task[Value]) -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # seen, also when nobody waits for it any more
