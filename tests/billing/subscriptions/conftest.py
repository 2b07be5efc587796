"""A test tenant whose clock stands at 2026-01-31 10:00 UTC."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from core.foundation.runtime import Runtime
from tests.billing.subscriptions.selling import Seller
from tests.support.callers import Caller


@pytest.fixture
async def open_seller(sign_up: Callable[..., Awaitable[Caller]], runtime: Runtime) -> Callable[..., Awaitable[Seller]]:
    """Makes test tenants at an instant."""

    async def open_at(now: str, slug: str = "seller", **profile: str) -> Seller:
        caller = await sign_up(slug, testClock=now, **profile)
        async with runtime.database.reading() as session:
            tenant_id = await session.scalar(text("SELECT id FROM tenants WHERE slug = :slug"), {"slug": slug})
        return Seller(caller, runtime, tenant_id)

    return open_at


@pytest.fixture
async def seller(open_seller: Callable[..., Awaitable[Seller]]) -> Seller:
    """At 2026-01-31 10:00 UTC."""
    return await open_seller("2026-01-31T10:00:00Z")
