"""Holds as they are, and their expiry when their time is over; reserving.py makes and releases them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import repository
from core.billing.credits.errors import HoldNotFound
from core.billing.credits.planning import CreditPlan
from core.billing.credits.standing import free_expired
from core.billing.ledger import repository as ledger

WALLETS_AT_ONCE = 50


async def get_hold(session: AsyncSession, hold_id: UUID, *, tenant_id: UUID) -> Row[Any]:
    """A hold. Raises HoldNotFound."""
    hold = await repository.find_hold(session, tenant_id, hold_id)
    if hold is None:
        raise HoldNotFound
    return hold


class HoldExpiry:
    """Due work: holds whose time is over, on the tenant's clock."""

    name = "holdsExpired"

    async def next_due(self, session: AsyncSession, tenant_id: UUID) -> datetime | None:
        """When the tenant's first open hold expires."""
        return await repository.next_expiry(session, tenant_id)

    async def tenants_due(self, session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
        """The tenants with holds whose time is over."""
        return await repository.list_tenants_with_expired_holds(session, now=now)

    async def run(self, session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
        """Expires the due holds of some wallets."""
        payers = await repository.list_payers_with_expired_holds(session, tenant_id, now=now, limit=WALLETS_AT_ONCE)
        terms = await repository.get_terms(session, tenant_id)
        expired = 0
        for currency in {payer.currency for payer in payers}:
            standing = await repository.lock_standing(
                session,
                tenant_id,
                terms=terms,
                customers=[payer.customer_id for payer in payers if payer.currency == currency],
                currency=currency,
                now=now,
            )
            plan = CreditPlan(tenant_id)
            expired += free_expired(standing, plan)
            if not plan.is_empty:
                await ledger.write(session, plan)
        return expired
