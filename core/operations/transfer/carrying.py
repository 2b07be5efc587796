"""Redis from server to server: what is counted goes on counting there, and nothing of those kinds is left over.

The source may still be written to: what differs after the first pass is read and written once more.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from redis import Redis

from core.operations.transfer.errors import CacheUnfit
from core.operations.transfer.redis_state import (
    Key,
    Looked,
    batches,
    decide,
    differences,
    existing,
    read,
    read_all,
    write,
)

_AT_ONCE = 1000


@dataclass(kw_only=True)
class Carried:
    """What came of it."""

    looked: Looked = field(default_factory=Looked)
    removed: int = 0
    """Keys of the carried kinds that the source does not have."""
    seconds: float = 0.0
    differing: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        """As a certificate says it; milliseconds, since a signed document has no floats."""
        return {
            **self.looked.to_json(),
            "removed": self.removed,
            "milliseconds": int(self.seconds * 1000),
            "differing": self.differing[:50],
            "differingKeys": len(self.differing),
        }

    def __str__(self) -> str:
        rate = f"{self.looked.copied / max(self.seconds, 0.001):,.0f} keys a second"
        return (
            f"{self.looked.copied:,} keys copied and compared in {self.seconds:.1f} s ({rate}), {len(self.differing)} "
            f"differ; {self.looked.rebuilt} are rebuilt, {self.looked.locks} locks and {len(self.looked.unknown)} "
            "unknown keys stay behind"
        )


def carry(source: Redis, target: Redis) -> Carried:
    """Copies and compares all keys that are to be carried. Raises CacheUnfit."""
    done, began = Carried(), time.monotonic()
    for batch in batches(read_all(source, done.looked, secrets=True), _AT_ONCE):
        done.differing += _copied(source, target, batch)
    for names in _named(target):
        there = existing(source, names)
        gone = [name for name in names if name not in there]
        if gone:
            done.removed += int(cast("Any", target).unlink(*gone))
    done.seconds = time.monotonic() - began
    return done


def same_place(source: Redis, target: Redis) -> bool:
    """Whether both are one database of one server."""
    return _place(source) == _place(target)


def _copied(source: Redis, target: Redis, batch: Sequence[Key]) -> list[str]:
    write(target, batch)
    if not differences(batch, target):
        return []
    again = list(read(source, [key.name for key in batch]))
    write(target, again)
    return differences(again, target)


def _named(client: Redis) -> Iterator[list[bytes]]:
    """Names of the carried kinds, so many at a time."""
    names: list[bytes] = []
    for name in cast("Iterator[bytes]", client.scan_iter(count=_AT_ONCE)):  # pyright: ignore[reportUnknownMemberType]
        if decide(name) in ("copied", "secret"):
            names.append(name)
        if len(names) >= _AT_ONCE:
            yield names
            names = []
    if names:
        yield names


def _place(client: Redis) -> tuple[str, int]:
    found = cast("dict[str, Any]", client.info("server"))  # pyright: ignore[reportUnknownMemberType]
    number = client.connection_pool.connection_kwargs.get("db") or 0
    if "run_id" not in found:
        raise CacheUnfit("Redis does not say which server it is (INFO server): its user needs that command")
    return str(found["run_id"]), int(number)
