"""How the installation's parts are: what runs, what is sealed, what is parked."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import httpx
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.ledger.verification import standing
from core.foundation import job_queue
from core.foundation.remembered import Remembered
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings

Word = Literal["healthy", "unhealthy"]

STRIPE = "https://api.stripe.com"
_PATIENCE_SECONDS = 1.5

# Stripe is asked once in a while, however often the page is looked at.
_reachable: Remembered[str, bool] = Remembered(size=8, seconds=15)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """The chains of all tenants together. `verified` is None until the first verification."""

    blocks: int
    unsealed: int
    last_sealed_at: datetime | None
    verified: bool | None
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class Parts:
    """The answers, taken at one time."""

    health: dict[str, Word]
    ledger: LedgerState
    parked_jobs: int
    parked_webhooks: int


async def look(session: AsyncSession, runtime: Runtime) -> Parts:
    """Asks every part; one that does not answer is unhealthy and nothing else."""
    cache, stripe, last = await asyncio.gather(_cache(runtime), _stripe(runtime.settings), standing.find(runtime.cache))
    row = (await session.execute(_STATE)).one()
    return Parts(
        # Whoever reads this was answered by the API, which has just read the database.
        health={
            "api": "healthy",
            "database": "healthy",
            "cache": _word(cache),
            "worker": _word(row.worker_lives),
            "stripe": _word(stripe),
        },
        ledger=LedgerState(
            blocks=row.blocks,
            unsealed=row.unsealed,
            last_sealed_at=row.last_sealed_at,
            verified=None if last is None else last.findings == 0,
            verified_at=None if last is None else last.verified_at,
        ),
        parked_jobs=await job_queue.count_parked(session),
        parked_webhooks=row.parked_webhooks,
    )


async def _cache(runtime: Runtime) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await runtime.cache.get("cloudbill:health")
    except (RedisError, OSError):
        return False
    return True


async def _stripe(settings: Settings) -> bool:
    if settings.stripe_secret_key is None:
        return False
    address = settings.stripe_api_base or STRIPE
    known = _reachable.find(address)
    if known is not None:
        return known
    try:
        async with httpx.AsyncClient(timeout=_PATIENCE_SECONDS, trust_env=False) as client:
            answer = await client.get(f"{address}/healthcheck")
        # Whatever it says, short of an error of its own, it is there.
        reachable = answer.status_code < 500
    except httpx.HTTPError:
        reachable = False
    _reachable.remember(address, reachable)
    return reachable


def _word(good: bool | None) -> Word:
    return "healthy" if good else "unhealthy"


_STATE = text("""
SELECT (SELECT count(*) FROM ledger_blocks) AS blocks,
       (SELECT max(sealed_at) FROM ledger_blocks) AS last_sealed_at,
       (SELECT coalesce(sum(waiting.transactions), 0)::bigint
        FROM tenants t
        LEFT JOIN LATERAL (SELECT transaction_ids[cardinality(transaction_ids)] AS newest FROM ledger_blocks
                           WHERE tenant_id = t.id ORDER BY number DESC LIMIT 1) AS last ON true
        CROSS JOIN LATERAL (SELECT count(*) AS transactions FROM ledger_transactions x
                            WHERE x.tenant_id = t.id
                              AND x.id > coalesce(last.newest, '00000000-0000-0000-0000-000000000000')) AS waiting
       ) AS unsealed,
       (SELECT count(*) FROM provider_events WHERE state = 'parked') AS parked_webhooks,
       (SELECT bool_or(last_heartbeat > now() - interval '20 seconds') FROM procrastinate_workers) AS worker_lives
""")
