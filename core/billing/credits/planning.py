"""What a transaction of the credits room is going to write: postings, holds and usage. Pure, like posting.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core.billing.ledger.posting import LockedAccount, Plan, Row
from core.foundation.ids import new_id


@dataclass(slots=True)
class LockedHold:
    """A hold as it stands in this transaction. It changes only while its wallet is locked."""

    id: UUID
    account_id: UUID
    customer_id: UUID
    amount_micro: int
    state: str
    expires_at: datetime
    shares: dict[UUID, int] = field(default_factory=dict[UUID, int])
    """What of the amount is kept of limited credits, by account; the rest is the wallet's."""

    @property
    def of_wallet_micro(self) -> int:
        """What is kept of the wallet itself."""
        return self.amount_micro - sum(self.shares.values())


class CreditPlan(Plan):
    """A plan with holds and usage in it."""

    def __init__(self, tenant_id: UUID) -> None:
        super().__init__(tenant_id)
        self._holds_opened: list[Row] = []
        self._holds_closed: list[Row] = []
        self._events: list[Row] = []
        self._keys: list[Row] = []
        self._keys_settled: list[Row] = []

    def open_hold(
        self,
        wallet: LockedAccount,
        *,
        customer_id: UUID,
        amount_micro: int,
        key: str,
        input_hash: bytes,
        now: datetime,
        expires_at: datetime,
        shares: Sequence[tuple[LockedAccount, int]] = (),
    ) -> LockedHold:
        """Keeps an amount back: of limited credits what `shares` says, the rest of the wallet."""
        kept = {account.id: share_micro for account, share_micro in shares}
        hold = LockedHold(new_id(), wallet.id, customer_id, amount_micro, "open", expires_at, kept)
        self.hold(wallet, hold.of_wallet_micro)
        for account, share_micro in shares:
            self.hold(account, share_micro)
        self._holds_opened.append(
            {
                "tenant_id": self.tenant_id,
                "id": hold.id,
                "account_id": wallet.id,
                "customer_id": customer_id,
                "amount_micro": amount_micro,
                "currency": wallet.currency,
                "idempotency_key": key,
                "input_hash": input_hash.hex(),
                "created_at": now,
                "expires_at": expires_at,
                "balance_after_micro": wallet.balance_micro,
                "available_after_micro": wallet.available_micro,
                "limited_micro": sum(kept.values()),
                "shares": [{"account_id": account_id, "amount_micro": micro} for account_id, micro in kept.items()]
                if kept
                else None,
            }
        )
        return hold

    def free(self, account_of: Callable[[UUID], LockedAccount], hold: LockedHold) -> None:
        """Gives an open hold's amount back to where it is kept; `close` must follow in the same plan."""
        self.hold(account_of(hold.account_id), -hold.of_wallet_micro)
        for account_id, share_micro in hold.shares.items():
            self.hold(account_of(account_id), -share_micro)

    def close(self, hold: LockedHold, state: str, *, now: datetime, transaction_id: UUID | None = None) -> None:
        """Ends an open hold as settled (by a transaction), released or expired."""
        hold.state = state
        self._holds_closed.append(
            {
                "tenant_id": self.tenant_id,
                "id": hold.id,
                "state": state,
                "closed_at": now,
                "transaction_id": transaction_id,
            }
        )

    def record(self, event: Row, *, input_hash: bytes, key_is_known: bool) -> None:
        """Adds a usage event under its key; a key that is known was refused before and is settled by it."""
        self._events.append(event)
        key: dict[str, Any] = {
            "tenant_id": self.tenant_id,
            "key": event["idempotency_key"],
            "event_id": event["id"],
            "event_occurred_at": event["occurred_at"],
            "transaction_id": event["transaction_id"],
        }
        if key_is_known:
            self._keys_settled.append(key)
        else:
            self._keys.append({**key, "input_hash": input_hash.hex()})

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return super().is_empty and not self._events

    def parts(self) -> dict[str, list[Row]]:
        """The planned rows by the parameter of `write_ledger`."""
        return super().parts() | {
            "holds_opened": self._holds_opened,
            "holds_closed": self._holds_closed,
            "events": self._events,
            "keys": self._keys,
            "keys_settled": self._keys_settled,
        }
