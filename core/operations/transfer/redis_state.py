"""What the installation keeps in Redis, and what becomes of it elsewhere.

Nothing there is the truth. What is derived is rebuilt, what is counted is copied by type with the instant it expires,
what is a lock is never copied: it holds for a process of the other side. Values are read and written by type, never as
DUMP payloads, which differ between products and versions.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, cast

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from core.operations.transfer.errors import CacheUnfit

Decision = Literal["copied", "secret", "rebuilt", "lock"]

DECISIONS: tuple[tuple[str, Decision, str], ...] = (
    ("limit:*", "copied", "how much of a window's limit a caller has used"),
    ("sign-in:*", "copied", "failed sign-ins, and until when the next one has to wait"),
    ("console:session:*:lock", "lock", "who renews a session's tokens right now"),
    ("console:session:*", "secret", "who is signed in to the console, with their tokens; never in a set in the clear"),
    ("ledger:verification", "rebuilt", "what the last verification found: the next one says it anew"),
    ("worker:heartbeat", "rebuilt", "that a worker lives: the other side's says so itself"),
    ("alerts:*", "rebuilt", "what the last minutes counted, and when the rules were last looked at"),
    ("recovery:*", "rebuilt", "how recovery stands: looked at every minute"),
    ("*:lock", "lock", "who does something right now"),
)
"""Patterns of keys, the first that fits decides. A key that none fits is a finding."""

_AT_ONCE = 1000
_EXPIRY_MS = 1000
# A thousand commands in one: the client's part of each is what takes the time.
_EXPIRIES = """
local found = {}
for i, name in ipairs(KEYS) do found[i] = string.format('%.0f', redis.call('PEXPIRETIME', name)) end
return table.concat(found, ',')
"""
_SET = """
for i, name in ipairs(KEYS) do
    local expires = ARGV[2 * i]
    if expires == '0' then redis.call('SET', name, ARGV[2 * i - 1])
    else redis.call('SET', name, ARGV[2 * i - 1], 'PXAT', expires) end
end
"""
_GONE = -2  # what PEXPIRETIME says of a key that is not there


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is: strings are bytes, members in an order that only lists and streams mind."""

    name: bytes
    type: str
    value: Any
    expires_at_ms: int | None
    """Milliseconds since 1970."""


@dataclass(kw_only=True)
class Looked:
    """What a pass over Redis met."""

    copied: int = 0
    secret: int = 0
    rebuilt: int = 0
    locks: int = 0
    unknown: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        """As a manifest says it."""
        return {
            "copied": self.copied,
            "secret": self.secret,
            "rebuilt": self.rebuilt,
            "locks": self.locks,
            "unknown": sorted(self.unknown)[:50],
            "unknownKeys": len(self.unknown),
        }


def decide(name: bytes) -> Decision | None:
    """What becomes of a key; None when nobody decided."""
    text = name.decode("utf-8", "replace")
    return next((decision for pattern, decision, _ in DECISIONS if fnmatchcase(text, pattern)), None)


def connect(url: str) -> Redis:
    """Patient where the application is not: a copy waits and tries again."""
    client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  (redis leaves **kwargs untyped)
        url, socket_timeout=30, socket_connect_timeout=5, retry=Retry(ExponentialBackoff(cap=2), 4)
    )
    try:
        client.ping()  # pyright: ignore[reportUnknownMemberType]  (redis leaves **kwargs untyped)
    except RedisError as error:
        raise CacheUnfit(
            f"Redis does not answer as it should ({error}): is REDIS_URL right, its password, TLS?"
        ) from None
    return client


def read_all(client: Redis, looked: Looked, *, secrets: bool) -> Iterator[Key]:
    """All keys that are to be copied; expired ones are gone."""
    names: list[bytes] = []
    seen: set[bytes] = set()
    for name in cast("Iterator[bytes]", client.scan_iter(count=_AT_ONCE)):  # pyright: ignore[reportUnknownMemberType]  (as above)
        if name in seen:  # SCAN may say a key twice
            continue
        seen.add(name)
        if _wanted(name, looked, secrets=secrets):
            names.append(name)
        if len(names) >= _AT_ONCE:
            yield from read(client, names)
            names = []
    yield from read(client, names)


def read(client: Redis, names: Sequence[bytes]) -> Iterator[Key]:
    """These keys, those that are there. Nearly all are strings, so they are asked for as strings, all at once."""
    if not names:
        return
    pipe: Any = cast("Any", client).pipeline(transaction=False)
    pipe.mget(names)
    pipe.eval(_EXPIRIES, len(names), *names)
    values, joined = asked(pipe)
    expiries = [int(one) for one in joined.split(b",")]
    others: list[tuple[bytes, int]] = []
    for name, value, expires in zip(names, values, expiries, strict=True):
        if value is not None:
            yield Key(name, "string", value, expires if expires > 0 else None)
        elif expires != _GONE:
            others.append((name, expires))
    yield from _read_others(client, others)


def _read_others(client: Redis, others: list[tuple[bytes, int]]) -> Iterator[Key]:
    pipe: Any = cast("Any", client).pipeline(transaction=False)
    for name, _ in others:
        pipe.type(name)
    kinds = [(name, kind.decode(), expires) for (name, expires), kind in zip(others, asked(pipe), strict=True)]
    kinds = [one for one in kinds if one[1] != "none"]
    for name, kind, _ in kinds:
        if kind not in _READS:
            raise CacheUnfit(f"{name.decode('utf-8', 'replace')} is a {kind}, which is not copied: delete it")
        pipe.execute_command(*_READS[kind](name))
    for (name, kind, expires), value in zip(kinds, asked(pipe), strict=True):
        if value:
            yield Key(name, kind, _plain(kind, value), expires if expires > 0 else None)


def write(client: Redis, keys: Sequence[Key]) -> int:
    """Puts them in place of what has those names; those that have expired stay away. How many were written."""
    now, written = time.time() * 1000, 0
    pipe: Any = cast("Any", client).pipeline(transaction=False)
    names, given = list[bytes](), list[Any]()
    for key in keys:
        if key.expires_at_ms is not None and key.expires_at_ms <= now:
            continue
        written += 1
        if key.type == "string":
            names.append(key.name)
            given += (key.value, key.expires_at_ms or 0)
            continue
        pipe.delete(key.name)
        for command in _WRITES[key.type](key.name, key.value):
            pipe.execute_command(*command)
        if key.expires_at_ms is not None:
            pipe.execute_command("PEXPIREAT", key.name, key.expires_at_ms)
    if names:
        pipe.eval(_SET, len(names), *names, *given)
    if written:
        asked(pipe)
    return written


def existing(client: Redis, names: Sequence[bytes]) -> set[bytes]:
    """Those of the names that are there. Raises CacheUnfit."""
    if not names:
        return set()
    pipe: Any = cast("Any", client).pipeline(transaction=False)
    pipe.eval(_EXPIRIES, len(names), *names)
    (joined,) = asked(pipe)
    return {name for name, expires in zip(names, joined.split(b","), strict=True) if int(expires) != _GONE}


def differences(expected: Sequence[Key], client: Redis) -> list[str]:
    """What is not in the target as it should be: missing, another value, an expiry more than a second away."""
    found = {key.name: key for key in read(client, [key.name for key in expected])}
    lines: list[str] = []
    now = time.time() * 1000
    for key in expected:
        name, other = key.name.decode("utf-8", "replace"), found.get(key.name)
        if other is None:
            if key.expires_at_ms is None or key.expires_at_ms > now + _EXPIRY_MS:
                lines.append(f"{name} is missing in the target's Redis")
        elif (other.type, other.value) != (key.type, key.value):
            lines.append(f"{name} has another value in the target's Redis")
        elif abs((other.expires_at_ms or 0) - (key.expires_at_ms or 0)) > _EXPIRY_MS:
            lines.append(f"{name} expires at another time in the target's Redis")
    return lines


def batches(keys: Iterator[Key], size: int) -> Iterator[list[Key]]:
    """The keys, so many at a time."""
    batch: list[Key] = []
    for key in keys:
        batch.append(key)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def asked(pipe: Any) -> list[Any]:
    """A pipeline's answers. Raises CacheUnfit."""
    try:
        return pipe.execute()
    except RedisError as error:
        raise CacheUnfit(f"Redis refuses: {error}. Nothing of the database depends on it; try again") from None


def _wanted(name: bytes, looked: Looked, *, secrets: bool) -> bool:
    decision = decide(name)
    if decision == "copied":
        looked.copied += 1
    elif decision == "secret":
        looked.secret += 1
        looked.copied += 1 if secrets else 0
        return secrets
    elif decision == "rebuilt":
        looked.rebuilt += 1
    elif decision == "lock":
        looked.locks += 1
    else:
        looked.unknown.append(name.decode("utf-8", "replace"))
    return decision == "copied"


def _plain(kind: str, value: Any) -> Any:
    """The same value for the same content, whatever order a server keeps it in and however the client hands it over."""
    if kind == "hash":
        return sorted([one, content] for one, content in _pairs(value))
    if kind == "set":
        return sorted(value)
    if kind == "zset":
        return sorted([member, _score(score)] for member, score in _pairs(value))
    return value


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(cast("dict[Any, Any]", value).items())
    flat: list[Any] = list(value)
    if flat and isinstance(flat[0], (tuple, list)):
        return [(one[0], one[1]) for one in cast("list[list[Any]]", flat)]
    return list(zip(flat[::2], flat[1::2], strict=True))


def _score(score: Any) -> bytes:
    return score if isinstance(score, bytes) else repr(float(score)).encode()


_READS: dict[str, Callable[[bytes], tuple[Any, ...]]] = {
    "string": lambda name: ("GET", name),
    "list": lambda name: ("LRANGE", name, 0, -1),
    "set": lambda name: ("SMEMBERS", name),
    "hash": lambda name: ("HGETALL", name),
    "zset": lambda name: ("ZRANGE", name, 0, -1, "WITHSCORES"),
}
_WRITES: dict[str, Callable[[bytes, Any], list[tuple[Any, ...]]]] = {
    "list": lambda name, value: [("RPUSH", name, *value)],
    "set": lambda name, value: [("SADD", name, *value)],
    "hash": lambda name, value: [("HSET", name, *(part for pair in value for part in pair))],
    "zset": lambda name, value: [("ZADD", name, *(part for member, score in value for part in (score, member)))],
}
