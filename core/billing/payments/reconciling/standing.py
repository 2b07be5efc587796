"""How the last comparison with the payment provider ended, remembered in the cache for whoever asks."""

from dataclasses import asdict, dataclass
from datetime import datetime

import orjson
from redis.asyncio import Redis

from core.billing.payments.reconciling.comparing import Compared

_KEY = "payments:reconciliation"


@dataclass(frozen=True, slots=True)
class Standing:
    """`at` is the wall clock; `differing` counts differences that ask for somebody."""

    at: str
    compared: int
    differing: int


async def remember(cache: Redis, done: Compared, *, at: datetime) -> None:
    """Keeps it."""
    kept = Standing(at.isoformat(), done.compared, len(done.open_findings))
    await cache.set(_KEY, orjson.dumps(asdict(kept)))


async def find(cache: Redis) -> Standing | None:
    """The last one, or None."""
    kept = await cache.get(_KEY)
    return Standing(**orjson.loads(kept)) if kept else None
