"""How the last comparison with the payment provider ended, remembered in the cache for whoever asks."""

import contextlib
from dataclasses import asdict, dataclass
from datetime import datetime

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.billing.payments.reconciling.comparing import Compared
from core.billing.payments.reconciling.reconcile import WINDOW

_KEY = "payments:reconciliation"


@dataclass(frozen=True, slots=True)
class Standing:
    """`at` is the wall clock; `differing` counts differences that ask for somebody."""

    at: str
    compared: int
    differing: int


async def remember(cache: Redis, done: Compared, *, since: datetime, at: datetime) -> None:
    """Keeps it, unless it looked at less than a nightly one does: it would hide what is older.

    Without the cache nothing is kept: who is not told now is told by the next night's.
    """
    if at - since < WINDOW:
        return
    kept = Standing(at.isoformat(), done.compared, len(done.open_findings))
    with contextlib.suppress(RedisError, OSError):
        await cache.set(_KEY, orjson.dumps(asdict(kept)))


async def find(cache: Redis) -> Standing | None:
    """The last one, or None."""
    kept = await cache.get(_KEY)
    return Standing(**orjson.loads(kept)) if kept else None
