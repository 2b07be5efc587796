"""Charges what a test tenant is owed, counting the lines of payments that it runs, or killed (SIGKILL) at one of them.

python -m tests.support.charging_killed TENANT '{"count": "lines.json"}'
python -m tests.support.charging_killed TENANT '{"at": "core/billing/payments/charges/performing.py:80", "time": 2}'
"""

import json
import sys
from datetime import timedelta
from uuid import UUID

from core.billing.clocks import service as clocks
from core.billing.payments.charges import performing
from core.billing.payments.gateway import close_providers
from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.foundation.settings import load_settings
from tests.support.invoicing_killed import run


async def charge(tenant_id: UUID) -> None:
    """All that is due by the tenant's clock, decided and charged."""
    settings = load_settings()
    database = Database(settings)
    try:
        async with database.tenant(tenant_id) as session:
            now = await tenant_now(session, tenant_id)
        await clocks.move(database, tenant_id=tenant_id, to=now, settings=settings)
    finally:
        await close_providers()
        await database.dispose()


if __name__ == "__main__":
    performing.LEASE = timedelta(0)  # who comes after a dead one does not wait for it
    run(charge(UUID(sys.argv[1])), json.loads(sys.argv[2]), rooms=("payments", "dunning"))
