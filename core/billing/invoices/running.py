"""Many workers on one tenant's run: each takes what no other has, until nothing is left.

Periods that are over are renewed first, then what is due becomes drafts, then drafts become final.
"""

from datetime import datetime
from uuid import UUID

from core.billing.invoices import repository
from core.billing.invoices.drafting import draft_due
from core.billing.invoices.finalizing import finalize_due
from core.billing.subscriptions.due import SubscriptionsDue
from core.foundation.clock import tenant_now
from core.foundation.database import Database, plan_by_indexes

_RENEWALS = SubscriptionsDue()

WORKERS = 4
"""How many jobs share one tenant's run."""


async def run_tenant(database: Database, tenant_id: UUID) -> int:
    """Bills what is due for the tenant in transactions of its own, until there is nothing that is not another's."""
    done = 0
    for step in (_RENEWALS.run, draft_due, finalize_due):
        while True:
            async with database.tenant(tenant_id) as session:
                await plan_by_indexes(session)
                now = await tenant_now(session, tenant_id)
                seen = await step(session, tenant_id=tenant_id, now=now)
            done += seen
            if not seen:
                break
    return done


async def tenants_due(database: Database, *, now: datetime) -> list[UUID]:
    """Tenants for whom something is to be renewed, billed or made final."""
    async with database.reading() as session:
        found = list(await _RENEWALS.tenants_due(session, now=now))
        found += await repository.tenants_to_bill(session, now=now)
        found += await repository.tenants_to_finalize(session, now=now)
    return sorted(set(found))
