"""Failed sign-ins, slowed: per account and address first, and per account from wherever.

After five failures each further one doubles the wait, from one second to a quarter of an hour; a success forgets them.
Counts live in the cache. While it is down this process counts for itself (`cloudbill_rate_limit_fallback_total`).
Attempts on one account from one address are judged one after the other, so that many at once gain nothing.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.foundation.telemetry import RATE_LIMIT_FALLBACK, SIGN_IN_FAILURES, log
from core.identity.errors import SignInSlowed

_LOG = log("identity")
_FORGET_AFTER_SECONDS = 3600
_MOST_WAITING = 16
_REMEMBERED = 10_000

for _reason in ("credentials", "slowed", "disabled"):
    SIGN_IN_FAILURES.labels(_reason)
_FALLBACK = RATE_LIMIT_FALLBACK.labels("sign_in")


@dataclass(frozen=True, slots=True)
class Measure:
    """`free` failures cost nothing; then the wait doubles from a second up to `longest_seconds`."""

    key: str
    free: int
    longest_seconds: int

    def wait_seconds(self, failures: int) -> int:
        """How long the next attempt has to wait after that many failures."""
        return 0 if failures < self.free else min(2 ** min(failures - self.free, 20), self.longest_seconds)


class Slowdown:
    """Counts failures and refuses attempts that come too early."""

    def __init__(self, cache: Redis) -> None:
        self._cache = cache
        self._local: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._locks: dict[str, tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def attempt(self, email: str, address: str) -> AsyncGenerator["Attempt"]:
        """One attempt; raises SignInSlowed when it comes too early. Say how it ended."""
        measures = (
            Measure(_key("pair", email, address), 5, 900),
            Measure(_key("account", email), 100, 30),
        )
        async with self._one_at_a_time(measures[0].key):
            wait = max([await self._wait_left(measure) for measure in measures])
            if wait > 0:
                SIGN_IN_FAILURES.labels("slowed").inc()
                raise SignInSlowed(retry_after=math.ceil(wait))
            yield Attempt(self, measures)

    async def count(self, measure: Measure) -> None:
        """One more failure."""
        try:
            failures = await cast("Awaitable[int]", self._cache.incr(f"{measure.key}:n"))
            await self._cache.expire(f"{measure.key}:n", _FORGET_AFTER_SECONDS)
            wait = measure.wait_seconds(failures)
            if wait:
                await self._cache.set(f"{measure.key}:until", "1", ex=wait)
        except (RedisError, OSError):
            _FALLBACK.inc()
            failures, _ = self._local.pop(measure.key, (0, 0.0))
            self._local[measure.key] = (failures + 1, time.monotonic() + measure.wait_seconds(failures + 1))
            if len(self._local) > _REMEMBERED:
                self._local.popitem(last=False)

    async def forget(self, measure: Measure) -> None:
        """The failures are forgiven."""
        self._local.pop(measure.key, None)
        try:
            await self._cache.delete(f"{measure.key}:n", f"{measure.key}:until")
        except (RedisError, OSError):
            _FALLBACK.inc()

    async def _wait_left(self, measure: Measure) -> float:
        _, until = self._local.get(measure.key, (0, 0.0))
        local = until - time.monotonic()
        try:
            left = await cast("Awaitable[int]", self._cache.pttl(f"{measure.key}:until"))
            return max(local, left / 1000)
        except (RedisError, OSError) as error:
            _FALLBACK.inc()
            _LOG.warning("sign_in_slowdown_is_local", error=type(error).__name__)
            return local

    @asynccontextmanager
    async def _one_at_a_time(self, key: str) -> AsyncGenerator[None]:
        lock, waiting = self._locks.setdefault(key, (asyncio.Lock(), []))
        if len(waiting) >= _MOST_WAITING:
            raise SignInSlowed(retry_after=1)
        waiting.append(None)
        try:
            async with lock:
                yield
        finally:
            waiting.pop()
            if not waiting:
                self._locks.pop(key, None)


class Attempt:
    """An attempt under way."""

    def __init__(self, slowdown: Slowdown, measures: tuple[Measure, ...]) -> None:
        self._slowdown = slowdown
        self._measures = measures

    async def failed(self, reason: str) -> None:
        """Wrong password, or nobody by that e-mail: the same for both."""
        SIGN_IN_FAILURES.labels(reason).inc()
        for measure in self._measures:
            await self._slowdown.count(measure)

    async def succeeded(self) -> None:
        """The password was right."""
        await self._slowdown.forget(self._measures[0])


def _key(kind: str, *parts: str) -> str:
    # Hashed: the cache holds no e-mail in clear.
    return f"sign-in:{kind}:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"
