"""How the last recomputation of all invoices ended, remembered in the cache for whoever asks."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import orjson
from prometheus_client import Gauge
from redis.asyncio import Redis

if TYPE_CHECKING:
    from core.billing.invoices.recomputing.recompute import Recomputed

_KEY = "invoices:recomputation"
DRIFTED = Gauge("cloudbill_invoices_drifted", "Final invoices that the last recomputation found to differ.")
RECOMPUTED = Gauge("cloudbill_invoices_recomputed", "Final invoices that the last recomputation worked out anew.")


@dataclass(frozen=True, slots=True)
class Standing:
    """`at` is the wall clock; `parked` counts customers set aside."""

    at: str
    recomputed: int
    drifted: int
    parked: int

    @classmethod
    def of(cls, result: "Recomputed", *, at: datetime) -> "Standing":
        """What a recomputation came to."""
        return cls(at.isoformat(), result.recomputed, result.drifted, result.parked)


async def remember(cache: Redis, standing: Standing) -> None:
    """Keeps it, in the cache and as this process's gauges."""
    DRIFTED.set(standing.drifted)
    RECOMPUTED.set(standing.recomputed)
    await cache.set(_KEY, orjson.dumps(asdict(standing)))


async def find(cache: Redis) -> Standing | None:
    """The last one, or None."""
    kept = await cache.get(_KEY)
    return Standing(**orjson.loads(kept)) if kept else None
