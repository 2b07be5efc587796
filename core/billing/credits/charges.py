"""Charging calls: what is asked before and after each of them, up to the committed answer."""

from core.billing.credits.booking import Request
from core.billing.credits.charging import Call, Charged
from core.billing.credits.desk import ChargeDesk
from core.billing.credits.reserving import Release, Released, Reservation, Reserved
from core.billing.credits.resolving import Resolver
from core.billing.credits.standing import AccountsMissing, CustomerMissing, NotPrepared
from core.billing.ledger import repository as ledger
from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.identity.tenants.customers import ensure_customer

PAYER_ACCOUNTS = ("wallet", "receivable", "revenue")
"""What a payer of usage needs."""


class Charges:
    """One a process: what it remembers, and the desk that books.

    Each request raises what its rule and `ChargeDesk.submit` raise.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._resolver = Resolver(database)
        self._desk = ChargeDesk(database.following, self._prepare)

    def start(self) -> None:
        """Begins to book."""
        self._desk.start()

    async def close(self) -> None:
        """Books what waits, and ends."""
        await self._desk.close()

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet."""
        return self._desk.waiting

    async def settle(self, call: Call) -> Charged:
        """Charges a call, once per key, and returns when that is committed."""
        charged = await self._desk.submit(Request(call, await self._resolver.terms_of(call.tenant_id)))
        assert isinstance(charged, Charged)
        return charged

    async def reserve(self, reservation: Reservation) -> Reserved:
        """Keeps the most that a call may cost back, once per key, and returns when that is committed."""
        reserved = await self._desk.submit(Request(reservation, await self._resolver.terms_of(reservation.tenant_id)))
        assert isinstance(reserved, Reserved)
        return reserved

    async def release(self, release: Release) -> Released:
        """Gives a hold free and returns when that is committed."""
        released = await self._desk.submit(Request(release, await self._resolver.terms_of(release.tenant_id)))
        assert isinstance(released, Released)
        return released

    async def _prepare(self, request: Request, lacking: NotPrepared) -> None:
        """Makes what the first request of a customer or a payer needs."""
        tenant_id = request.asked.tenant_id
        async with self._database.tenant(tenant_id) as session:
            if isinstance(lacking, CustomerMissing):
                now = await tenant_now(session, tenant_id)
                await ensure_customer(session, tenant_id=tenant_id, external_id=lacking.user_id, now=now)
            elif isinstance(lacking, AccountsMissing):
                await ledger.open_accounts(
                    session,
                    tenant_id,
                    customer_id=lacking.payer_id,
                    currency=request.terms.currency,
                    kinds=PAYER_ACCOUNTS,
                )
