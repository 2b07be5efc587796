"""Due work: credits whose time is over, on the tenant's clock."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits.lots import repository, service

WALLETS_AT_ONCE = 50


class CreditsExpired:
    """Lots to expire, or to roll over."""

    name = "creditsExpired"

    async def next_due(self, session: AsyncSession, tenant_id: UUID) -> datetime | None:
        """When the first lot is looked at."""
        return await repository.next_look(session, tenant_id)

    async def tenants_due(self, session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
        """The tenants with lots whose time is over."""
        return await repository.list_tenants_due(session, now=now)

    async def run(self, session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
        """Deals with the lots of some wallets."""
        wallets = await repository.list_due(session, tenant_id, now=now, limit=WALLETS_AT_ONCE)
        # In the order in which everyone locks wallets.
        return sum([await service.expire(session, tenant_id, wallet, now=now) for wallet in sorted(wallets)])
