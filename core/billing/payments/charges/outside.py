"""Charges between the steps of a test tenant's clock: nothing of the past is left open when it moves on."""

import asyncio
from uuid import UUID

from core.billing.payments.charges import performing, repository
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.settings import Settings

_LOOK_SECONDS = 0.05
_LOOKS = 1200


class ChargesMade:
    """Tries to charge that a step has begun."""

    name = "chargesMade"

    async def run(self, database: Database, settings: Settings, *, tenant_id: UUID) -> int:
        """Makes them, one after the other; one that a job is at is waited for, for a minute."""
        done = 0
        for _ in range(_LOOKS):
            async with database.tenant(tenant_id, writes=False) as session:
                pending = await repository.list_pending(session, tenant_id)
            if not pending:
                return done
            for attempt_id in pending:
                performed = await performing.perform(
                    database, settings, tenant_id=tenant_id, attempt_id=attempt_id, wall=wall_now()
                )
                if performed is None or performed.attempt.state == "pending":
                    await asyncio.sleep(_LOOK_SECONDS)
                else:
                    done += 1
        return done
