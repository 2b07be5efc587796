"""Many workers on one tenant's run: each takes customers that no other has, until nothing is left."""

from datetime import datetime
from uuid import UUID

from core.billing.invoices import repository
from core.billing.invoices.drafting import draft_due
from core.billing.invoices.finalizing import finalize_due
from core.foundation.clock import tenant_now
from core.foundation.database import Database

WORKERS = 4
"""How many jobs share one tenant's run."""


async def run_tenant(database: Database, tenant_id: UUID, *, batch: int = 100) -> int:
    """Bills what is due for the tenant in transactions of its own, until there is nothing that is not another's."""
    done = 0
    for step in (draft_due, finalize_due):
        while True:
            async with database.tenant(tenant_id) as session:
                now = await tenant_now(session, tenant_id)
                seen = await step(session, tenant_id=tenant_id, now=now, most=batch)
            done += seen
            if not seen:
                break
    return done


async def tenants_due(database: Database, *, now: datetime) -> list[UUID]:
    """Tenants for whom something is to be billed or made final."""
    async with database.reading() as session:
        found = await repository.tenants_to_bill(session, now=now)
        found += await repository.tenants_to_finalize(session, now=now)
    return sorted(set(found))
