"""What a call costs whom: the pure rule of reconciliation, decided on what one transaction has locked and read.

Requests of a group are decided one after the other on the same standing, so each sees what the ones before it left; one
that is refused does not stand in the way of a smaller one behind it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.billing.credits.errors import HoldNotFound, HoldNotOpen, HoldOfAnother, InsufficientCredits
from core.billing.credits.planning import CreditPlan, LockedHold
from core.billing.credits.reserving import take_limited
from core.billing.credits.standing import CustomerMissing, KnownKey, PricedTerms, Standing
from core.billing.ledger.posting import LockedAccount
from core.billing.pricing.rating import Charge, RateCard, rate
from core.billing.pricing.service import card_at, check_model
from core.foundation.crypto import input_hash as hash_of
from core.foundation.errors import InvalidInput, KeyReused
from core.foundation.ids import new_id
from core.foundation.money import format_micro, read_micro

OLDEST_USAGE = timedelta(days=35)
AHEAD_OF_CLOCK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Call:
    """A call as its caller reports it. `user_id` is the tenant's own name for a customer, `customer_id` ours."""

    tenant_id: UUID
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    key: str
    user_id: str | None = None
    customer_id: UUID | None = None
    hold_id: UUID | None = None
    occurred_at: datetime | None = None
    is_partial: bool = False

    def hash(self) -> bytes:
        """SHA-256 of everything but the key."""
        return hash_of(
            [
                self.user_id,
                self.customer_id,
                self.model,
                self.input_tokens,
                self.cached_tokens,
                self.output_tokens,
                self.hold_id,
                self.occurred_at.timestamp() if self.occurred_at else None,
                self.is_partial,
            ]
        )


@dataclass(frozen=True, slots=True)
class Charged:
    """A settled call; the balances are those of the moment it was booked."""

    transaction_id: UUID
    usage_event_id: UUID
    charged_micro: int
    balance_micro: int
    available_micro: int
    receivable_micro: int
    currency: str
    price_book_version: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that the floor did not allow; it was kept as refused usage and is answered with `error`."""

    error: InsufficientCredits


def charge(call: Call, standing: Standing, plan: CreditPlan, *, terms: PricedTerms) -> Charged | Refused:
    """Decides one call and adds what follows to the plan.

    Without a hold, a charge beyond the wallet's floor is refused, or owed where the tenant chose so. With a hold
    (open, or over by now), what the wallet does not cover is owed: what was delivered is never dropped. Nothing is
    planned when it raises: KeyReused, HoldNotFound, HoldOfAnother, HoldNotOpen, CustomerNotFound, CustomerErased,
    InvalidInput, UnknownModel, NoPriceBook; or NotPrepared, after all of these, when a customer or accounts have to
    be made first.
    """
    known = standing.keys.get(call.key)
    if known is not None:
        if known.input_hash != call.hash():
            raise KeyReused
        if known.transaction_id is not None:
            return _replayed(known, known.transaction_id)

    hold = _find_hold(call, standing)
    # A refused call keeps the time at which it was delivered.
    occurred_at = known.event_occurred_at if known else check_time(call.occurred_at, standing.now)
    card = card_at(terms.cards, occurred_at, currency=terms.currency)
    check_model(card, call.model)
    customer_id = _customer(call, standing, hold, terms)
    wallet = standing.wallet_of_hold(hold) if hold else standing.wallet_of(customer_id, terms.self_id)
    cost = rate(
        card,
        call.model,
        input_tokens=call.input_tokens,
        cached_tokens=call.cached_tokens,
        output_tokens=call.output_tokens,
    )

    freed = hold if hold and hold.state == "open" else None
    # What may be used for least is used first.
    limited = take_limited(
        standing.limited_to(call.model, wallet.customer_id), cost.amount_micro, freed=freed.shares if freed else {}
    )
    limited_micro = sum(share_micro for _, share_micro in limited)
    freed_micro = freed.of_wallet_micro if freed else 0
    spendable_micro = max(0, wallet.available_micro + freed_micro - (wallet.floor_micro or 0))
    if cost.amount_micro - limited_micro > spendable_micro and hold is None and standing.policy == "refuse":
        return _refused(
            call,
            standing,
            plan,
            wallet,
            cost,
            limited_micro=limited_micro,
            card=card,
            customer_id=customer_id,
            occurred_at=occurred_at,
        )

    from_wallet_micro = min(cost.amount_micro - limited_micro, spendable_micro)
    receivable_micro = cost.amount_micro - limited_micro - from_wallet_micro
    revenue = standing.account(wallet.customer_id, "revenue")
    moves = [(wallet, -from_wallet_micro), (revenue, cost.amount_micro)]
    moves += [(account, -share_micro) for account, share_micro in limited]
    if receivable_micro:
        moves.append((standing.account(wallet.customer_id, "receivable"), -receivable_micro))

    if freed:
        plan.free(standing.account_of, freed)
    # Booked on the tenant's clock now, whenever the call was: a balance of the past never changes.
    transaction_id = plan.post("usage", moves, occurred_at=standing.now)
    if freed:
        plan.close(freed, "settled", now=standing.now, transaction_id=transaction_id)

    charged = Charged(
        transaction_id=transaction_id,
        usage_event_id=new_id(),
        charged_micro=cost.amount_micro,
        balance_micro=wallet.balance_micro,
        available_micro=wallet.available_micro,
        receivable_micro=receivable_micro,
        currency=terms.currency,
        price_book_version=card.version,
        replayed=False,
    )
    arithmetic = cost.arithmetic
    arithmetic["paid"] = {
        "fromWallet": format_micro(from_wallet_micro),
        "receivable": format_micro(receivable_micro),
        "balance": format_micro(charged.balance_micro),
        "available": format_micro(charged.available_micro),
    }
    if limited:
        arithmetic["paid"]["limited"] = format_micro(limited_micro)
    _record(
        call,
        standing,
        plan,
        cost,
        card=card,
        customer_id=customer_id,
        currency=wallet.currency,
        event_id=charged.usage_event_id,
        transaction_id=transaction_id,
        occurred_at=occurred_at,
    )
    return charged


def _customer(call: Call, standing: Standing, hold: LockedHold | None, terms: PricedTerms) -> UUID:
    """Whose call it is; a hold is settled for the customer that it was made for."""
    if hold is None:
        return standing.customer_of(call.user_id, call.customer_id, terms.self_id)
    if call.user_id is None and call.customer_id in (None, hold.customer_id):
        return hold.customer_id  # erased meanwhile, too: what was kept back for it is settled
    try:
        customer_id = standing.customer_of(call.user_id, call.customer_id, terms.self_id)
    except CustomerMissing:
        raise HoldOfAnother from None
    if customer_id != hold.customer_id:
        raise HoldOfAnother
    return customer_id


def _find_hold(call: Call, standing: Standing) -> LockedHold | None:
    if call.hold_id is None:
        return None
    hold = standing.holds.get(call.hold_id)
    if hold is None:
        raise HoldNotFound
    if hold.state == "settled":
        raise HoldNotOpen(hold.state)
    return hold


def check_time(occurred_at: datetime | None, now: datetime) -> datetime:
    """When the call was: now unless it says so. Raises InvalidInput outside of what may be reported."""
    if occurred_at is None:
        return now
    if not now - OLDEST_USAGE <= occurred_at <= now + AHEAD_OF_CLOCK:
        raise InvalidInput("occurredAt", "must be at most 35 days back and 5 minutes ahead of the tenant's clock")
    return occurred_at


def _replayed(known: KnownKey, transaction_id: UUID) -> Charged:
    paid = known.arithmetic["paid"]
    return Charged(
        transaction_id=transaction_id,
        usage_event_id=known.event_id,
        charged_micro=known.amount_micro,
        balance_micro=read_micro(paid["balance"]),
        available_micro=read_micro(paid["available"]),
        receivable_micro=read_micro(paid["receivable"]),
        currency=known.currency,
        price_book_version=known.price_book_version,
        replayed=True,
    )


def _refused(
    call: Call,
    standing: Standing,
    plan: CreditPlan,
    wallet: LockedAccount,
    cost: Charge,
    *,
    limited_micro: int,
    card: RateCard,
    customer_id: UUID,
    occurred_at: datetime,
) -> Refused:
    known = standing.keys.get(call.key)
    event_id = known.event_id if known else new_id()
    if known is None:
        _record(
            call,
            standing,
            plan,
            cost,
            card=card,
            customer_id=customer_id,
            currency=wallet.currency,
            event_id=event_id,
            transaction_id=None,
            occurred_at=occurred_at,
        )
    return Refused(
        InsufficientCredits(
            balance_micro=wallet.balance_micro,
            available_micro=wallet.available_micro,
            spendable_micro=wallet.spendable_micro + limited_micro,
            required_micro=cost.amount_micro,
            currency=wallet.currency,
            usage_event_id=event_id,
        )
    )


def _record(
    call: Call,
    standing: Standing,
    plan: CreditPlan,
    cost: Charge,
    *,
    card: RateCard,
    customer_id: UUID,
    currency: str,
    event_id: UUID,
    transaction_id: UUID | None,
    occurred_at: datetime,
) -> None:
    input_hash = call.hash()
    if call.is_partial:
        cost.arithmetic["partial"] = True
    plan.record(
        {
            "tenant_id": call.tenant_id,
            "id": event_id,
            "occurred_at": occurred_at,
            "customer_id": customer_id,
            "idempotency_key": call.key,
            "outcome": "settled" if transaction_id else "refused",
            "model": call.model,
            "input_tokens": call.input_tokens,
            "cached_tokens": call.cached_tokens,
            "output_tokens": call.output_tokens,
            "amount_micro": cost.amount_micro,
            "currency": currency,
            "price_book_version": card.version,
            "arithmetic": cost.arithmetic,
            "transaction_id": transaction_id,
            "hold_id": call.hold_id,
        },
        input_hash=input_hash,
        key_is_known=call.key in standing.keys,
    )
    standing.keys[call.key] = KnownKey(
        input_hash=input_hash,
        event_id=event_id,
        event_occurred_at=occurred_at,
        transaction_id=transaction_id,
        amount_micro=cost.amount_micro,
        currency=currency,
        price_book_version=card.version,
        arithmetic=cost.arithmetic,
    )
