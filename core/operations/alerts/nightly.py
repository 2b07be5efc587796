"""What the nightly checks found: invoices worked out anew, and the payment provider held against the books.

The worker remembers how each ended in the cache; every process of the API shows it as gauges and judges it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.recomputing import standing as invoices
from core.billing.payments.reconciling import standing as payments

OVERDUE = timedelta(hours=27)
"""It runs each night, and within the hour where a night was missed."""
DIFFERING = Gauge(
    "cloudbill_payments_differing", "Differences between the payment provider and the books that ask for somebody."
)
RECOMPUTE_OVERDUE = Gauge(
    "cloudbill_recompute_overdue",
    "Whether final invoices were not worked out anew for more than a day (1) or were (0).",
)


@dataclass(frozen=True, slots=True)
class Nightly:
    """None where it is not known."""

    drifted: int | None = None
    differing: int | None = None
    recompute_overdue: bool | None = None


async def look(cache: Redis, session: AsyncSession, *, now: datetime) -> Nightly:
    """As the reading operator."""
    try:
        recomputed, compared = await invoices.find(cache), await payments.find(cache)
    except (RedisError, OSError):
        return Nightly()
    # Without a trace of the last one: overdue only where there was something to work out for as long.
    last = datetime.fromisoformat(recomputed.at) if recomputed else await session.scalar(_OLDEST)
    found = Nightly(
        drifted=recomputed.drifted if recomputed else None,
        differing=compared.differing if compared else None,
        recompute_overdue=last is not None and now - last > OVERDUE,
    )
    if found.drifted is not None:
        invoices.DRIFTED.set(found.drifted)
    if found.differing is not None:
        DIFFERING.set(found.differing)
    RECOMPUTE_OVERDUE.set(bool(found.recompute_overdue))
    return found


_OLDEST = text("SELECT min(recorded_at) FROM invoices WHERE finalized_at IS NOT NULL")
