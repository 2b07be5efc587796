"""Keeping back the most a call may cost, and giving it free again: pure rules, decided beside those of charging.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from core.billing.credits.errors import HoldNotFound, HoldNotOpen, InsufficientCredits
from core.billing.credits.planning import CreditPlan
from core.billing.credits.standing import KnownHold, PricedTerms, Standing
from core.billing.ledger.posting import LockedAccount
from core.billing.pricing.rating import most
from core.billing.pricing.service import card_at, check_model
from core.foundation.crypto import input_hash
from core.foundation.errors import KeyReused
from core.identity.errors import CustomerForbidden


@dataclass(frozen=True, slots=True)
class Reservation:
    """A hold that is asked for: an amount, or a model with the tokens that a call may take."""

    tenant_id: UUID
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
class Release:
    """A hold that is not needed any more. `customer_id`: the only customer whose hold it may be."""

    tenant_id: UUID
    hold_id: UUID
    customer_id: UUID | None = None


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


@dataclass(frozen=True, slots=True)
class Released:
    """A hold that keeps nothing back any more: released, unless it had expired before."""

    hold_id: UUID
    customer_id: UUID
    amount_micro: int
    currency: str
    state: Literal["released", "expired"]
    key: str
    created_at: datetime
    expires_at: datetime
    closed_at: datetime


def reserve(reservation: Reservation, standing: Standing, plan: CreditPlan, *, terms: PricedTerms) -> Reserved:
    """Keeps the amount back on the customer's own wallet if it has one, else on the tenant's.

    Nothing is planned when it raises: KeyReused, UnknownModel, NoPriceBook, CustomerNotFound, CustomerErased,
    InsufficientCredits; or NotPrepared when a customer or accounts have to be made first.
    """
    known_id = standing.hold_keys.get(reservation.key)
    if known_id is not None:
        known = standing.known_holds[known_id]
        if known.input_hash != reservation.hash():
            raise KeyReused
        return _reserved(known, replayed=True)

    amount_micro = _amount(reservation, standing, terms)
    customer_id = standing.customer_of(reservation.user_id, reservation.customer_id, terms.self_id)
    wallet = standing.wallet_of(customer_id, terms.self_id)
    shares = take_limited(standing.limited_to(reservation.model, wallet.customer_id), amount_micro)
    limited_micro = sum(share for _, share in shares)
    if amount_micro - limited_micro > wallet.spendable_micro:
        raise InsufficientCredits(
            balance_micro=wallet.balance_micro,
            available_micro=wallet.available_micro,
            spendable_micro=wallet.spendable_micro + limited_micro,
            required_micro=amount_micro,
            currency=wallet.currency,
        )
    made_from = reservation.hash()
    hold = plan.open_hold(
        wallet,
        customer_id=customer_id,
        amount_micro=amount_micro,
        key=reservation.key,
        input_hash=made_from,
        now=standing.now,
        expires_at=standing.now + reservation.time_to_live,
        shares=shares,
    )
    standing.holds[hold.id] = hold
    made = KnownHold(
        id=hold.id,
        key=reservation.key,
        input_hash=made_from,
        amount_micro=amount_micro,
        currency=wallet.currency,
        created_at=standing.now,
        expires_at=hold.expires_at,
        closed_at=None,
        balance_micro=wallet.balance_micro,
        available_micro=wallet.available_micro,
    )
    standing.know(made)
    return _reserved(made, replayed=False)


def release(asked: Release, standing: Standing, plan: CreditPlan) -> Released:
    """Gives a hold free; one that was released or has expired stays so, and the answer is the same.

    Nothing is planned when it raises: HoldNotFound, CustomerForbidden, HoldNotOpen.
    """
    hold, made = standing.holds.get(asked.hold_id), standing.known_holds.get(asked.hold_id)
    if hold is None or made is None:
        raise HoldNotFound
    if asked.customer_id not in (None, hold.customer_id):
        raise CustomerForbidden
    if hold.state == "settled":
        raise HoldNotOpen(hold.state)
    if hold.state == "open":
        plan.free(standing.account_of, hold)
        plan.close(hold, "released", now=standing.now)
    return Released(
        hold_id=hold.id,
        customer_id=hold.customer_id,
        amount_micro=hold.amount_micro,
        currency=made.currency,
        state="expired" if hold.state == "expired" else "released",
        key=made.key,
        created_at=made.created_at,
        expires_at=made.expires_at,
        closed_at=made.closed_at or standing.now,  # before this transaction, or in it
    )


def take_limited(
    accounts: Sequence[LockedAccount], amount_micro: int, *, freed: Mapping[UUID, int] = MappingProxyType({})
) -> list[tuple[LockedAccount, int]]:
    """Of each account of limited credits, in their order, what it gives of an amount; `freed` is about to be free."""
    taken: list[tuple[LockedAccount, int]] = []
    for account in accounts:
        share_micro = min(amount_micro, account.spendable_micro + freed.get(account.id, 0))
        if share_micro > 0:
            taken.append((account, share_micro))
            amount_micro -= share_micro
    return taken


def _amount(reservation: Reservation, standing: Standing, terms: PricedTerms) -> int:
    if reservation.amount_micro is not None:
        return reservation.amount_micro
    assert reservation.model is not None
    card = card_at(terms.cards, standing.now, currency=terms.currency)
    check_model(card, reservation.model)
    amount_micro = most(
        card,
        reservation.model,
        input_tokens=reservation.input_tokens,
        max_output_tokens=reservation.max_output_tokens,
    )
    # A hold is never of nothing: a call that is free by the book still gets one to settle.
    return max(1, amount_micro)


def _reserved(hold: KnownHold, *, replayed: bool) -> Reserved:
    return Reserved(
        hold_id=hold.id,
        amount_micro=hold.amount_micro,
        currency=hold.currency,
        expires_at=hold.expires_at,
        balance_micro=hold.balance_micro,
        available_micro=hold.available_micro,
        replayed=replayed,
    )
