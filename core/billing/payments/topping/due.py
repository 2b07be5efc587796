"""Due work: wallets that have become low, and top-ups that are wanted or have ended."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.topping import asking, repository, service
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.settings import Settings

AT_ONCE = 50


class WalletsWatched:
    """Wallets that crossed what is watched of them."""

    name = "walletsWatched"

    async def next_due(self, session: AsyncSession, tenant_id: UUID) -> datetime | None:
        """Since when something is to be done, or when a month's limit ends."""
        return await repository.next_due(session, tenant_id)

    async def tenants_due(self, session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
        """The tenants with such wallets."""
        return await repository.list_tenants_due(session, now=now)

    async def run(self, session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
        """Looks at some of them."""
        due = await repository.list_due(session, tenant_id, now=now, limit=AT_ONCE)
        for watch_id in due:
            await service.look(session, watch_id, tenant_id=tenant_id, now=now, wall=wall_now())
        return len(due)


class TopUpsMade:
    """Top-ups between the steps of a test tenant's clock."""

    name = "topUpsMade"

    async def run(self, database: Database, settings: Settings, *, tenant_id: UUID) -> int:
        """Charges those that are under way."""
        async with database.tenant(tenant_id, writes=False) as session:
            pending = await repository.list_open_purchases(session, tenant_id)
        for purchase_id in pending:
            await asking.charge(database, settings, tenant_id=tenant_id, purchase_id=purchase_id, wall=wall_now())
        return len(pending)
