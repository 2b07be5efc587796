"""Settling calls: from what a caller reports to a committed charge."""

from core.billing.credits.charging import Charged, Usage
from core.billing.credits.desk import ChargeDesk
from core.billing.credits.holding import PAYER_ACCOUNTS
from core.billing.credits.resolving import Call, Resolver
from core.billing.credits.standing import AccountsMissing, CustomerMissing, NotPrepared
from core.billing.ledger import repository as ledger
from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.foundation.settings import Settings
from core.identity.tenants.customers import ensure_customer


class Charges:
    """One a process: what it remembers, and the desk that books."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._resolver = Resolver(database)
        self._desk = ChargeDesk(settings.app_url, self._prepare)

    def start(self) -> None:
        """Begins to book."""
        self._desk.start()

    async def close(self) -> None:
        """Books what waits, and ends."""
        await self._desk.close()

    @property
    def waiting(self) -> int:
        """Charges that are not answered yet."""
        return self._desk.waiting

    async def settle(self, call: Call) -> Charged:
        """Charges a call, once per key, and returns when that is committed.

        Raises what `Resolver.resolve` and `ChargeDesk.submit` raise.
        """
        return await self._desk.submit(await self._resolver.resolve(call))

    async def _prepare(self, usage: Usage, lacking: NotPrepared) -> None:
        """Makes what the first charge of a customer or a payer needs."""
        async with self._database.tenant(usage.tenant_id) as session:
            if isinstance(lacking, CustomerMissing):
                now = await tenant_now(session, usage.tenant_id)
                await ensure_customer(session, tenant_id=usage.tenant_id, external_id=lacking.user_id, now=now)
            elif isinstance(lacking, AccountsMissing):
                await ledger.open_accounts(
                    session,
                    usage.tenant_id,
                    customer_id=lacking.payer_id,
                    currency=usage.currency,
                    kinds=PAYER_ACCOUNTS,
                )
