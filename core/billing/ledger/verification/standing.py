"""What the last verification of all ledgers found, kept in the cache for a day; losing it means verifying again."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import cast

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

KEY = "ledger:verification"
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """When all ledgers were verified, how many findings there were, and how long it took."""

    verified_at: datetime
    findings: int
    transactions: int
    seconds: float


async def remember(cache: Redis, standing: Standing) -> None:
    """Keeps the result until the next verification is due."""
    await cache.set(KEY, orjson.dumps(asdict(standing)), ex=KEPT)


async def find(cache: Redis) -> Standing | None:
    """The last result, or None when there is none or the cache is down."""
    try:
        kept = cast("str | None", await cache.get(KEY))
    except (RedisError, OSError):
        return None
    if kept is None:
        return None
    document = orjson.loads(kept)
    return Standing(
        verified_at=datetime.fromisoformat(document["verified_at"]),
        findings=document["findings"],
        transactions=document["transactions"],
        seconds=document["seconds"],
    )
