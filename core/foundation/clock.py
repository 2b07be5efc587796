"""Time. The wall clock rules tokens, limits and leases; a tenant's clock rules money.

A test tenant's clock stands still until it is moved forward; every other tenant lives on the wall clock. Only entry
points ask: services are given `now`.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


def wall_now() -> datetime:
    """The wall clock, aware, in UTC."""
    return datetime.now(UTC)


async def tenant_now(session: AsyncSession, tenant_id: UUID) -> datetime:
    """What time it is for the tenant."""
    now_at = await session.scalar(
        text("SELECT now_at FROM tenant_clocks WHERE tenant_id = :tenant"), {"tenant": tenant_id}
    )
    return wall_now() if now_at is None else now_at
