"""Rate limits: a number of requests a window for each caller, counted in the cache and leased in batches.

A window begins with the caller's first request. A process takes a batch of requests from the cache (a tenth of the
limit, less towards the end) and hands them out itself, so that few requests wait for the cache. The cache never gives
out more than the limit, so several processes together never admit more; one process admits exactly the limit, and of
several each may keep the rest of its last batch unused. While the cache is down each process keeps the limit by
itself (fails open: with n processes a caller may have n times the limit); `cloudbill_rate_limit_fallback_total` counts
that.
"""

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.foundation.telemetry import RATE_LIMIT_FALLBACK, log

_LOG = log("limits")
_MOST_CALLERS = 20_000
_PAUSE_SECONDS = 1.0
_FALLBACK = RATE_LIMIT_FALLBACK.labels("requests")

# Gives out min(wanted, a quarter of what is left, but at least one) and keeps the window's end.
_LEASE = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = tonumber(ARGV[1]) - used
local ttl = redis.call('PTTL', KEYS[1])
if ttl < 0 then
  ttl = tonumber(ARGV[3])
  left = tonumber(ARGV[1])
  used = 0
end
local given = math.max(0, math.min(left, math.max(1, math.min(tonumber(ARGV[2]), math.floor(left / 4)))))
if used == 0 then
  redis.call('SET', KEYS[1], given, 'PX', ttl)
elseif given > 0 then
  redis.call('INCRBY', KEYS[1], given)
end
return {given, math.max(0, left - given), ttl}
"""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The answer for one request; `reset_seconds` is when the window ends."""

    admitted: bool
    limit: int
    remaining: int
    reset_seconds: int


@dataclass(slots=True)
class _Window:
    limit: int
    leased: int = 0
    """What this process may still hand out."""
    elsewhere: int = 0
    """What the cache still had after the last lease."""
    admitted: int = 0
    ends_at: float = 0.0
    alone: bool = False
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limits:
    """The limits of all callers, as this process keeps them."""

    def __init__(self, cache: Redis, *, window_ms: int) -> None:
        self._lease: Any = cast("Any", cache).register_script(_LEASE)
        self._window_ms = window_ms
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._paused_until = 0.0

    def admit_now(self, caller: str, limit: int) -> Allowance | None:
        """The decision, if this process can take it alone; None: ask `admit`."""
        window = self._windows.get(caller)
        if window is None:
            return None
        now = time.monotonic()
        if now >= window.ends_at or window.limit != limit:
            return None
        if window.leased > 0:
            window.leased -= 1
            window.admitted += 1
            if window.alone:
                _FALLBACK.inc()
            return self._answer(window, now, admitted=True)
        return self._answer(window, now, admitted=False) if window.elsewhere <= 0 else None

    async def admit(self, caller: str, limit: int) -> Allowance:
        """The decision, with a new lease where one is needed."""
        while True:
            window = self._windows.get(caller)
            if window is None or window.limit != limit:
                window = self._windows[caller] = _Window(limit)
                if len(self._windows) > _MOST_CALLERS:
                    self._windows.popitem(last=False)
            async with window.asking:
                decided = self.admit_now(caller, limit)
                if decided is not None:
                    return decided
                if self._windows.get(caller) is window:
                    await self._take(caller, window)

    async def _take(self, caller: str, window: _Window) -> None:
        now = time.monotonic()
        if now >= window.ends_at:
            window.admitted = 0
        if now >= self._paused_until:
            try:
                given, left, ttl_ms = await self._lease(
                    keys=[f"limit:{caller}"], args=[window.limit, max(1, window.limit // 10), self._window_ms]
                )
                window.leased, window.elsewhere, window.alone = int(given), int(left), False
                window.ends_at = time.monotonic() + int(ttl_ms) / 1000
                return
            except (RedisError, OSError) as error:
                self._paused_until = time.monotonic() + _PAUSE_SECONDS
                _LOG.warning("rate_limits_are_local", error=type(error).__name__)
        window.leased, window.elsewhere, window.alone = max(0, window.limit - window.admitted), 0, True
        if now >= window.ends_at:
            window.ends_at = now + self._window_ms / 1000

    def _answer(self, window: _Window, now: float, *, admitted: bool) -> Allowance:
        left = math.ceil(window.ends_at - now)
        return Allowance(admitted, window.limit, window.leased + window.elsewhere, max(1, left))
