"""The run as work that falls due on the tenant's clock: items become drafts, drafts become final."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import repository
from core.billing.invoices.drafting import draft_due
from core.billing.invoices.finalizing import finalize_due

SEEN = Counter("cloudbill_invoice_run", "Customers and drafts that the invoice run saw to, by its step.", ["step"])


class InvoicesDrafted:
    """Due work: what is to be billed, by customer."""

    name = "customersBilled"

    async def next_due(self, session: AsyncSession, tenant_id: UUID) -> datetime | None:
        """When the first thing is to be billed."""
        return await repository.next_bill(session, tenant_id)

    async def tenants_due(self, session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
        """Tenants with something to bill."""
        return await repository.tenants_to_bill(session, now=now)

    async def run(self, session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
        """Some customers; those that another worker has are left to it."""
        done = await draft_due(session, tenant_id=tenant_id, now=now)
        SEEN.labels("drafted").inc(done)
        return done


class InvoicesFinalized:
    """Due work: drafts whose grace is over."""

    name = "invoicesFinalized"

    async def next_due(self, session: AsyncSession, tenant_id: UUID) -> datetime | None:
        """When the first draft's grace is over."""
        return await repository.next_final(session, tenant_id)

    async def tenants_due(self, session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
        """Tenants with drafts to make final."""
        return await repository.tenants_to_finalize(session, now=now)

    async def run(self, session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
        """Some drafts; those that another worker has are left to it."""
        done = await finalize_due(session, tenant_id=tenant_id, now=now)
        SEEN.labels("finalized").inc(done)
        return done
