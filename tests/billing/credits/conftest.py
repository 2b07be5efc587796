"""Credits for customers of a tenant."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from core.billing.credits import service as credits
from core.foundation.runtime import Runtime
from core.identity.tenants.customers import ensure_customer
from tests.support.callers import Caller


@pytest.fixture
def fund_customer(runtime: Runtime) -> Callable[..., Awaitable[str]]:
    """`await fund_customer(caller, "user-1", 1_000_000)`: a wallet of the customer's own; returns the customer's id."""

    async def grant(caller: Caller, external_id: str, amount_micro: int) -> str:
        async with runtime.database.reading() as session:
            tenant_id = await session.scalar(text("SELECT id FROM tenants WHERE slug = :slug"), {"slug": caller.tenant})
        now = datetime.now(UTC)
        async with runtime.database.tenant(tenant_id) as session:
            customer = await ensure_customer(session, tenant_id=tenant_id, external_id=external_id, now=now)
            await credits.top_up(
                session,
                tenant_id=tenant_id,
                customer_id=customer.id,
                currency="USD",
                amount_micro=amount_micro,
                kind="grant",
                reference=f"test-{uuid4()}",
                occurred_at=now,
            )
        return str(customer.id)

    return grant


@pytest.fixture
def move_clock_only(runtime: Runtime) -> Callable[..., Awaitable[None]]:
    """`await move_clock_only(caller, "2026-03-01T00:00:00Z")`: time passes, and nobody has swept yet."""

    async def move(caller: Caller, now: str) -> None:
        async with runtime.database.reading() as session:
            tenant_id = await session.scalar(text("SELECT id FROM tenants WHERE slug = :slug"), {"slug": caller.tenant})
        async with runtime.database.tenant(tenant_id) as session:
            await session.execute(
                text("UPDATE tenant_clocks SET now_at = :now WHERE tenant_id = :tenant"),
                {"tenant": tenant_id, "now": datetime.fromisoformat(now)},
            )

    return move
