"""Late usage as work that falls due on the tenant's clock, once its grace to come in together is over."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.late_usage import repository
from core.billing.invoices.late_usage.correcting import correct_customers

CUSTOMERS_AT_ONCE = 50
SEEN = Counter("cloudbill_late_usage_customers", "Customers whose late usage was looked at.")


class LateUsageCorrected:
    """Due work: usage that came in, or was amended, after it was billed, by customer."""

    name = "lateUsageCorrected"

    async def next_due(self, session: AsyncSession, tenant_id: UUID) -> datetime | None:
        """When the first of it is to be corrected."""
        return await repository.next_due(session, tenant_id)

    async def tenants_due(self, session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
        """Tenants with something to correct."""
        return await repository.tenants_due(session, now=now)

    async def run(self, session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
        """Some customers; those that another worker has are left to it."""
        customers = await repository.lock_customers(session, tenant_id, now=now, most=CUSTOMERS_AT_ONCE)
        if customers:
            await correct_customers(session, customers, tenant_id=tenant_id, now=now, until=now)
            SEEN.inc(len(customers))
        return len(customers)
