"""Due work: collecting open invoices, on the tenant's clock."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.dunning import repository, service
from core.foundation.errors import CloudBillError

AT_ONCE = 50

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class CollectionsDue:
    """Open invoices to charge, tries that have ended, instants of the schedule."""

    name = "collectionsStepped"

    async def next_due(self, session: AsyncSession, tenant_id: UUID) -> datetime | None:
        """The earliest instant at which one asks for a decision."""
        return await repository.next_due(session, tenant_id)

    async def tenants_due(self, session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
        """The tenants with something to decide."""
        return await repository.list_tenants_due(session, now=now)

    async def run(self, session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
        """Decides about some of them; one that cannot be decided is tried again a day later and holds up no other."""
        done = 0
        seen: set[UUID] = set()
        for row in await repository.list_due(session, tenant_id, now=now, limit=AT_ONCE):
            # Of one subscription one invoice at a time: whoever settles another of its invoices waits for nobody here.
            if row.subscription_id in seen:
                continue
            if row.subscription_id is not None:
                seen.add(row.subscription_id)
            try:
                async with session.begin_nested():
                    done += await service.step(session, row.invoice_id, tenant_id=tenant_id, now=now)
            except (CloudBillError, ArithmeticError, AssertionError, ValueError, LookupError) as failed:
                # A fault of the database's is nobody's in particular: it ends the transaction, to be tried again.
                _log.exception("dunning.postponed", invoice_id=str(row.invoice_id))
                await service.postpone(session, row.invoice_id, failed, tenant_id=tenant_id, now=now)
                done += 1
        return done
