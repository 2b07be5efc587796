"""What one tenant's transaction has locked and read before it decides on charges and holds, and the tenant's terms."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.billing.credits.planning import CreditPlan, LockedHold
from core.billing.ledger.posting import LockedAccount
from core.billing.pricing.rating import RateCard
from core.identity.tenants.customers import CustomerErased, CustomerNotFound, is_erased_name


@dataclass(frozen=True, slots=True)
class TenantTerms:
    """What a tenant keeps for ever: the customer that is the tenant itself, and its currency."""

    self_id: UUID
    currency: str


@dataclass(frozen=True, slots=True)
class PricedTerms(TenantTerms):
    """The same with the tenant's price books, which may be some seconds old."""

    cards: Sequence[RateCard]


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A caller's key that was used before, with the event it stands for."""

    input_hash: bytes
    event_id: UUID
    event_occurred_at: datetime
    transaction_id: UUID | None
    amount_micro: int
    currency: str
    price_book_version: int
    arithmetic: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KnownHold:
    """How a hold was made, by its caller's key; the balances are those of that moment."""

    id: UUID
    key: str
    input_hash: bytes
    amount_micro: int
    currency: str
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    balance_micro: int
    available_micro: int


class NotPrepared(Exception):
    """Something has to be there first that nobody has needed before; `what` names it within its tenant."""

    def __init__(self, message: str, what: UUID | str) -> None:
        super().__init__(message)
        self.what = what


class AccountsMissing(NotPrepared):
    """The payer's accounts have to be opened."""

    def __init__(self, payer_id: UUID) -> None:
        super().__init__(f"customer {payer_id} lacks accounts", payer_id)
        self.payer_id = payer_id


class CustomerMissing(NotPrepared):
    """A customer by the tenant's own id has to be made."""

    def __init__(self, user_id: str) -> None:
        super().__init__("the tenant has no such customer yet", user_id)
        self.user_id = user_id


@dataclass(slots=True)
class Standing:
    """What one tenant's transaction has locked and read; deciding moves it forward.

    `users` are the named customers by the tenant's own ids, `customers` the same by ours. `keys` are those of usage and
    `hold_keys` those of holds: two spaces of names. `known_holds` has the holds by key, and those to be released.
    """

    now: datetime
    policy: str
    accounts: dict[tuple[UUID, str], LockedAccount]
    customers: set[UUID] = field(default_factory=lambda: set())
    users: dict[str, UUID] = field(default_factory=lambda: {})
    erased: set[UUID] = field(default_factory=lambda: set())
    """Those of `customers` who were erased: nothing new is charged or kept back for them."""
    keys: dict[str, KnownKey] = field(default_factory=lambda: {})
    holds: dict[UUID, LockedHold] = field(default_factory=lambda: {})
    hold_keys: dict[str, UUID] = field(default_factory=lambda: {})
    known_holds: dict[UUID, KnownHold] = field(default_factory=lambda: {})
    limits: list[tuple[int, UUID, frozenset[str]]] = field(default_factory=lambda: [])
    """Accounts of limited credits in the order of use (for how much they are, id), with the models they are for."""
    _by_id: dict[UUID, LockedAccount] = field(default_factory=lambda: {})

    def know(self, known: KnownHold) -> None:
        """Keeps how a hold was made, to be found by its key."""
        self.hold_keys[known.key] = known.id
        self.known_holds[known.id] = known

    def customer_of(self, user_id: str | None, customer_id: UUID | None, self_id: UUID) -> UUID:
        """Who is meant: a customer by the tenant's own id or by ours; neither: the tenant itself.

        Raises CustomerMissing, CustomerNotFound, CustomerErased.
        """
        if user_id is not None:
            named = self.users.get(user_id)
            if named is None:
                raise CustomerMissing(user_id)
        elif customer_id is None:
            return self_id
        elif (named := customer_id) not in self.customers:
            raise CustomerNotFound
        if named in self.erased:
            raise CustomerErased(named)
        return named

    def wallet_of_hold(self, hold: LockedHold) -> LockedAccount:
        """The wallet that a hold is on; it was locked with the hold."""
        return self.account_of(hold.account_id)

    def account_of(self, account_id: UUID) -> LockedAccount:
        """A locked account by its id."""
        if account_id not in self._by_id:
            self._by_id = {account.id: account for account in self.accounts.values()}
        return self._by_id[account_id]

    def limited_to(self, model: str | None, payer_id: UUID) -> list[LockedAccount]:
        """The payer's limited credits that may pay for calls of a model, in the order in which they are used."""
        if model is None or not self.limits:
            return []
        found = [self.account_of(account_id) for _, account_id, models in self.limits if model in models]
        return [account for account in found if account.customer_id == payer_id]

    def wallet_of(self, customer_id: UUID, self_id: UUID) -> LockedAccount:
        """The customer's own wallet if it has one, else the tenant's. Raises AccountsMissing."""
        wallet = self.accounts.get((customer_id, "wallet")) or self.accounts.get((self_id, "wallet"))
        if wallet is None:
            raise AccountsMissing(self_id)
        return wallet

    def account(self, payer_id: UUID, kind: str) -> LockedAccount:
        """An account of the payer's. Raises AccountsMissing."""
        account = self.accounts.get((payer_id, kind))
        if account is None:
            raise AccountsMissing(payer_id)
        return account


def free_expired(standing: Standing, plan: CreditPlan) -> int:
    """Expires the open holds whose time is over: they count as released at once. Returns how many."""
    expired = [hold for hold in standing.holds.values() if hold.state == "open" and hold.expires_at <= standing.now]
    for hold in expired:
        plan.free(standing.account_of, hold)
        plan.close(hold, "expired", now=standing.now)
    return len(expired)


def read_standing(answer: dict[str, Any]) -> Standing:
    """The standing in an answer of the SQL function `read_charges`."""
    standing = Standing(now=_instant(answer["now"]), policy=answer["policy"], accounts={})
    for account_id, customer_id, kind, *figures in answer["accounts"] or ():
        payer_id = UUID(customer_id)
        standing.accounts[payer_id, kind] = LockedAccount(UUID(account_id), payer_id, kind, *figures)
    for customer_id, external_id in answer["customers"] or ():
        standing.users[external_id] = UUID(customer_id)
        if is_erased_name(external_id, standing.users[external_id]):
            standing.erased.add(standing.users[external_id])
    standing.customers.update(standing.users.values())
    for key, input_hash, event_id, event_at, transaction_id, *event in answer["keys"] or ():
        standing.keys[key] = KnownKey(
            bytes.fromhex(input_hash),
            UUID(event_id),
            _instant(event_at),
            UUID(transaction_id) if transaction_id else None,
            *event,
        )
    for account_id, models, breadth in answer.get("limited") or ():
        standing.limits.append((breadth, UUID(account_id), frozenset(models)))
    standing.limits.sort(key=lambda limit: limit[:2])
    for hold_id, account_id, customer_id, amount_micro, state, expires_at in (
        *(answer["holds"] or ()),
        *(answer["expired"] or ()),
    ):
        hold = LockedHold(UUID(hold_id), UUID(account_id), UUID(customer_id), amount_micro, state, _instant(expires_at))
        standing.holds[hold.id] = hold
    for hold_id, account_id, share_micro in answer.get("shares") or ():
        standing.holds[UUID(hold_id)].shares[UUID(account_id)] = share_micro
    for hold_id, key, input_hash, amount_micro, currency, *instants, balance, available in answer["reservations"] or ():
        created_at, expires_at, closed_at = (_instant(text) if text else None for text in instants)
        assert created_at is not None
        assert expires_at is not None
        standing.know(
            KnownHold(
                UUID(hold_id),
                key,
                bytes.fromhex(input_hash),
                amount_micro,
                currency,
                created_at,
                expires_at,
                closed_at,
                balance,
                available,
            )
        )
    return standing


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
