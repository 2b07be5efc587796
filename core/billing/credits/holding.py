"""Holds: the most a call may cost is kept back before it is made, and settled, released or expired afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import repository
from core.billing.credits.errors import HoldNotFound, HoldNotOpen, InsufficientCredits
from core.billing.credits.planning import CreditPlan
from core.billing.credits.repository import TenantTerms
from core.billing.credits.standing import AccountsMissing, Standing, free_expired
from core.billing.ledger import repository as ledger
from core.billing.ledger.posting import LockedAccount
from core.billing.pricing import repository as pricing
from core.billing.pricing.rating import most
from core.billing.pricing.service import card_at, check_model
from core.foundation.crypto import input_hash
from core.foundation.errors import KeyInFlight, KeyReused
from core.identity.tenants.customers import CustomerNotFound, ensure_customer

PAYER_ACCOUNTS = ("wallet", "receivable", "revenue")
"""What a payer of usage needs."""

WALLETS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Reservation:
    """A hold that is asked for: an amount, or a model with the tokens that a call may take."""

    key: str
    time_to_live: timedelta
    amount_micro: int | None = None
    model: str | None = None
    input_tokens: int = 0
    max_output_tokens: int = 0
    user_id: str | None = None
    customer_id: UUID | None = None

    def hash(self) -> bytes:
        """SHA-256 of everything but the key."""
        return input_hash(
            [
                self.amount_micro,
                self.model,
                self.input_tokens,
                self.max_output_tokens,
                self.time_to_live.total_seconds(),
                self.user_id,
                self.customer_id,
            ]
        )


@dataclass(frozen=True, slots=True)
class Reserved:
    """A hold as it was when it was made, with what the wallet then had."""

    hold_id: UUID
    amount_micro: int
    currency: str
    expires_at: datetime
    balance_micro: int
    available_micro: int
    replayed: bool


async def reserve(session: AsyncSession, reservation: Reservation, *, tenant_id: UUID, now: datetime) -> Reserved:
    """Keeps the amount back on the customer's own wallet if it has one, else on the tenant's.

    Raises InsufficientCredits, KeyInFlight, KeyReused, CustomerNotFound, UnknownModel or NoPriceBook.
    """
    if not await repository.is_key_free(session, tenant_id, reservation.key):
        raise KeyInFlight
    first = await repository.find_hold_by_key(session, tenant_id, reservation.key)
    if first is not None:
        return _replayed(first, reservation)

    terms = await repository.get_terms(session, tenant_id)
    amount_micro = await _amount(session, reservation, tenant_id=tenant_id, terms=terms, now=now)
    customer_id = await _customer(session, reservation, tenant_id=tenant_id, terms=terms, now=now)
    standing, wallet = await _lock(session, tenant_id, customer_id=customer_id, terms=terms, now=now)
    plan = CreditPlan(tenant_id)
    free_expired(standing, plan)
    if amount_micro > wallet.spendable_micro:
        raise InsufficientCredits(
            balance_micro=wallet.balance_micro,
            available_micro=wallet.available_micro,
            spendable_micro=wallet.spendable_micro,
            required_micro=amount_micro,
            currency=terms.currency,
        )
    expires_at = standing.now + reservation.time_to_live
    hold_id = plan.open_hold(
        wallet,
        customer_id=customer_id,
        amount_micro=amount_micro,
        key=reservation.key,
        input_hash=reservation.hash(),
        now=standing.now,
        expires_at=expires_at,
    )
    await ledger.write(session, plan)
    return Reserved(
        hold_id=hold_id,
        amount_micro=amount_micro,
        currency=terms.currency,
        expires_at=expires_at,
        balance_micro=wallet.balance_micro,
        available_micro=wallet.available_micro,
        replayed=False,
    )


async def release(session: AsyncSession, hold_id: UUID, *, tenant_id: UUID, now: datetime) -> Row[Any]:
    """Gives a hold free; one that was released or has expired stays so. Raises HoldNotFound or HoldNotOpen."""
    terms = await repository.get_terms(session, tenant_id)
    standing = await repository.lock_standing(session, tenant_id, terms=terms, holds=[hold_id], now=now)
    hold = standing.holds.get(hold_id)
    if hold is None:
        raise HoldNotFound
    plan = CreditPlan(tenant_id)
    free_expired(standing, plan)
    if hold.state == "settled":
        raise HoldNotOpen(hold.state)
    if hold.state == "open":
        plan.free(standing.wallet_of_hold(hold), hold)
        plan.close(hold, "released", now=standing.now)
    if not plan.is_empty:
        await ledger.write(session, plan)
    return await get_hold(session, hold_id, tenant_id=tenant_id)


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


async def _amount(
    session: AsyncSession, reservation: Reservation, *, tenant_id: UUID, terms: TenantTerms, now: datetime
) -> int:
    if reservation.amount_micro is not None:
        return reservation.amount_micro
    assert reservation.model is not None
    cards = await pricing.list_rate_cards(session, tenant_id, currency=terms.currency)
    card = card_at(cards, now, currency=terms.currency)
    check_model(card, reservation.model)
    amount_micro = most(
        card,
        reservation.model,
        input_tokens=reservation.input_tokens,
        max_output_tokens=reservation.max_output_tokens,
    )
    # A hold is never of nothing: a call that is free by the book still gets one to settle.
    return max(1, amount_micro)


async def _customer(
    session: AsyncSession, reservation: Reservation, *, tenant_id: UUID, terms: TenantTerms, now: datetime
) -> UUID:
    if reservation.user_id is not None:
        customer = await ensure_customer(session, tenant_id=tenant_id, external_id=reservation.user_id, now=now)
        return customer.id
    if reservation.customer_id is not None:
        if not await repository.customer_exists(session, tenant_id, reservation.customer_id):
            raise CustomerNotFound
        return reservation.customer_id
    return terms.self_id


async def _lock(
    session: AsyncSession, tenant_id: UUID, *, customer_id: UUID, terms: TenantTerms, now: datetime
) -> tuple[Standing, LockedAccount]:
    """The wallet that pays for the customer, opened at its first use."""
    standing = await repository.lock_standing(session, tenant_id, terms=terms, customers=[customer_id], now=now)
    try:
        return standing, standing.wallet_of(customer_id, terms.self_id)
    except AccountsMissing as missing:
        await ledger.open_accounts(
            session, tenant_id, customer_id=missing.payer_id, currency=terms.currency, kinds=PAYER_ACCOUNTS
        )
    standing = await repository.lock_standing(session, tenant_id, terms=terms, customers=[customer_id], now=now)
    return standing, standing.wallet_of(customer_id, terms.self_id)


def _replayed(first: Row[Any], reservation: Reservation) -> Reserved:
    if first.input_hash != reservation.hash():
        raise KeyReused
    return Reserved(
        hold_id=first.id,
        amount_micro=first.amount_micro,
        currency=first.currency,
        expires_at=first.expires_at,
        balance_micro=first.balance_after_micro,
        available_micro=first.available_after_micro,
        replayed=True,
    )
