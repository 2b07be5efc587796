"""Redis or Valkey: rate limits, caches, locks. Never the truth; losing it loses nothing."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from core.foundation.settings import Settings


def create_cache(settings: Settings) -> Redis:
    """A client that fails fast: what uses it decides what a missing cache means."""
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # redis leaves **kwargs untyped
        settings.cache_url,
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=15,
        decode_responses=True,
    )
