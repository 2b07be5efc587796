"""Where a set lies, asked by several workers at a time: Google's client is not to be shared between threads, so each
thread has one of its own.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

from core.operations.clouds.objects import Objects, objects_at


def place_at(address: str) -> Objects:
    """A folder, `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`. Raises CloudError for what is none of them."""
    return _OfThreads(address)


class _OfThreads:
    """Hands each call to this thread's own client."""

    def __init__(self, address: str) -> None:
        self._given, self._local = address, threading.local()
        self.address = self._own().address

    def put(self, name: str, content: bytes | Path) -> None:
        self._own().put(name, content)

    def get(self, name: str) -> bytes:
        return self._own().get(name)

    def fetch(self, name: str, into: Path) -> None:
        self._own().fetch(name, into)

    def exists(self, name: str) -> bool:
        return self._own().exists(name)

    def delete(self, name: str) -> None:
        self._own().delete(name)

    def list(self, prefix: str = "") -> Sequence[str]:
        return self._own().list(prefix)

    def _own(self) -> Objects:
        own: Objects | None = getattr(self._local, "objects", None)
        if own is None:
            own = self._local.objects = objects_at(self._given)
        return own
