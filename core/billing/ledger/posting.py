"""Planning of postings: pure, in memory, on accounts that this transaction has locked.

A `Plan` gathers what one tenant's transaction is going to write; `documents` are what `write_ledger` (the SQL function,
and the only writer of the ledger) takes for some plans. Nothing here knows the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from core.foundation.ids import new_id

Row = dict[str, Any]


class PostingRefused(Exception):
    """A plan that the ledger would refuse: a mistake of ours, never the caller's."""


@dataclass(slots=True)
class LockedAccount:
    """An account as it stands in this transaction; planning moves its figures forward."""

    id: UUID
    customer_id: UUID
    kind: str
    currency: str
    floor_micro: int | None
    balance_micro: int
    held_micro: int
    version: int

    @property
    def available_micro(self) -> int:
        """What is posted less what is held."""
        return self.balance_micro - self.held_micro

    @property
    def spendable_micro(self) -> int:
        """What may still be taken before the floor is reached; never negative."""
        return max(0, self.available_micro - (self.floor_micro or 0))


class Plan:
    """The rows of one tenant's transaction, in the order they were decided."""

    def __init__(self, tenant_id: UUID) -> None:
        self.tenant_id = tenant_id
        self._transactions: list[Row] = []
        self._entries: list[Row] = []
        self._changed: dict[UUID, LockedAccount] = {}

    def post(
        self,
        kind: str,
        moves: Sequence[tuple[LockedAccount, int]],
        *,
        occurred_at: datetime,
        reference: str | None = None,
        transaction_id: UUID | None = None,
    ) -> UUID:
        """Plans a transaction of `moves` (account, amount in micro-units) and returns its id, a new one unless given.

        Raises PostingRefused for moves that do not sum to zero per currency or take a wallet below its floor.
        """
        sums: dict[str, int] = {}
        for account, amount_micro in moves:
            sums[account.currency] = sums.get(account.currency, 0) + amount_micro
            if amount_micro < 0 and account.floor_micro is not None and -amount_micro > account.spendable_micro:
                raise PostingRefused(f"{kind}: {-amount_micro} is more than {account.kind} {account.id} may spend")
        if len(moves) < 2 or any(sums.values()):
            raise PostingRefused(f"{kind}: {len(moves)} moves with the sums {sums} are not a transaction")

        transaction_id = transaction_id or new_id()
        self._transactions.append(
            {
                "tenant_id": self.tenant_id,
                "id": transaction_id,
                "kind": kind,
                "reference": reference,
                "occurred_at": occurred_at,
            }
        )
        for account, amount_micro in moves:
            account.version += 1
            account.balance_micro += amount_micro
            self._changed[account.id] = account
            self._entries.append(
                {
                    "tenant_id": self.tenant_id,
                    "account_id": account.id,
                    "version": account.version,
                    "transaction_id": transaction_id,
                    "amount_micro": amount_micro,
                    "balance_after_micro": account.balance_micro,
                    "currency": account.currency,
                }
            )
        return transaction_id

    def hold(self, account: LockedAccount, amount_micro: int) -> None:
        """Keeps `amount_micro` back on a wallet; a negative amount gives it free again."""
        if amount_micro > account.spendable_micro or account.held_micro + amount_micro < 0:
            raise PostingRefused(f"wallet {account.id} cannot hold {amount_micro}")
        account.held_micro += amount_micro
        self._changed[account.id] = account

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self._changed

    def parts(self) -> dict[str, list[Row]]:
        """The planned rows by the parameter of `write_ledger`; each row names its tenant."""
        return {
            "transactions": self._transactions,
            "entries": self._entries,
            "accounts": [
                {
                    "tenant_id": self.tenant_id,
                    "id": account.id,
                    "customer_id": account.customer_id,
                    "kind": account.kind,
                    "currency": account.currency,
                    "floor_micro": account.floor_micro,
                    "balance_micro": account.balance_micro,
                    "held_micro": account.held_micro,
                    "version": account.version,
                }
                for account in self._changed.values()
            ],
        }


PARTS = ("transactions", "entries", "accounts", "holds_opened", "holds_closed", "events", "keys", "keys_settled")
"""The parameters of `write_ledger`, in order."""


def documents(plans: Sequence[Plan]) -> list[str | None]:
    """What `write_ledger` takes: the rows of all plans by parameter, as JSON; None where there are none."""
    merged: dict[str, list[Row]] = {part: [] for part in PARTS}
    for plan in plans:
        for part, rows in plan.parts().items():
            merged[part].extend(rows)
    return [orjson.dumps(merged[part]).decode() if merged[part] else None for part in PARTS]
