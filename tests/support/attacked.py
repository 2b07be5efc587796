"""A tenant's books as an attacker with the application's role meets them: plain rows, nothing of ours in between."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg

AT = "2026-11-05 12:00:00+00"
LATER = "2027-06-05 12:00:00+00"

Connect = Callable[[str], Awaitable[psycopg.AsyncConnection[Any]]]


@dataclass
class Books:
    """A tenant with a wallet of 5.00, as the attacker meets it."""

    connection: psycopg.AsyncConnection[Any]
    tenant: UUID = field(default_factory=uuid4)
    customer: UUID = field(default_factory=uuid4)
    wallet: UUID = field(default_factory=uuid4)
    revenue: UUID = field(default_factory=uuid4)
    clearing: UUID = field(default_factory=uuid4)
    receivable: UUID = field(default_factory=uuid4)
    granted: UUID = field(default_factory=uuid4)

    async def run(self, statement: str, **values: Any) -> None:
        await self.connection.execute(
            statement,
            {**vars(self), "at": AT, **values},
        )

    async def enter(self) -> None:
        await self.run("SELECT set_config('app.tenant_id', %(tenant)s::text, true)")

    async def transaction(self, kind: str = "grant", **values: Any) -> UUID:
        new = uuid4()
        await self.run(
            "INSERT INTO ledger_transactions (tenant_id, id, kind, reference, occurred_at) "
            "VALUES (%(tenant)s, %(id)s, %(kind)s, %(reference)s, %(at)s)",
            **{"id": new, "kind": kind, "reference": None if kind == "usage" else str(new), **values},
        )
        return new

    async def entry(
        self, transaction: UUID, account: UUID, amount: int, *, version: int, after: int, currency: str = "USD"
    ) -> None:
        await self.run(
            "INSERT INTO ledger_entries VALUES "
            "(%(tenant)s, %(account)s, %(version)s, %(transaction)s, %(amount)s, %(after)s, %(currency)s)",
            account=account,
            version=version,
            transaction=transaction,
            amount=amount,
            after=after,
            currency=currency,
        )

    async def set_account(self, account: UUID, balance: int, version: int) -> None:
        await self.run(
            "UPDATE accounts SET balance_micro = %(balance)s, version = %(version)s WHERE id = %(account)s",
            account=account,
            balance=balance,
            version=version,
        )

    async def open_account(self, account: UUID, kind: str, **values: Any) -> None:
        await self.run(
            "INSERT INTO accounts (tenant_id, id, customer_id, kind, currency, floor_micro, balance_micro, version) "
            "VALUES (%(tenant)s, %(account)s, %(customer)s, %(kind)s, %(currency)s, %(floor)s, %(balance)s, "
            "%(version)s)",
            **{
                "account": account,
                "kind": kind,
                "currency": "USD",
                "floor": 0 if kind == "wallet" else None,
                "balance": 0,
                "version": 0,
                **values,
            },
        )

    async def charge(self, amount: int = 1_000_000) -> UUID:
        """An honest posting of usage, without its event."""
        transaction = await self.transaction("usage")
        await self.entry(transaction, self.wallet, -amount, version=2, after=5_000_000 - amount)
        await self.entry(transaction, self.revenue, amount, version=1, after=amount)
        await self.set_account(self.wallet, 5_000_000 - amount, 2)
        await self.set_account(self.revenue, amount, 1)
        return transaction

    async def event(self, key: str, transaction: UUID | None, **values: Any) -> UUID:
        new = uuid4()
        await self.run(
            "INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, model, "
            "input_tokens, cached_tokens, output_tokens, amount_micro, currency, price_book_version, arithmetic, "
            "transaction_id) VALUES (%(tenant)s, %(id)s, %(at)s, %(customer)s, %(key)s, %(outcome)s, 'gpt-4o', 1, 0, "
            "1, %(amount)s, 'USD', 1, '{}', %(transaction)s)",
            **{
                "id": new,
                "key": key,
                "transaction": transaction,
                "amount": 1_000_000,
                "outcome": "settled" if transaction else "refused",
                **values,
            },
        )
        return new

    async def key(self, key: str, event: UUID, transaction: UUID | None, **values: Any) -> None:
        await self.run(
            "INSERT INTO usage_keys VALUES (%(tenant)s, %(key)s, '\\x00', %(event)s, %(at)s, %(transaction)s)",
            **{"key": key, "event": event, "transaction": transaction, **values},
        )

    async def hold(self, amount: int, *, held: int | None, account: UUID | None = None, **values: Any) -> UUID:
        new = uuid4()
        await self.run(
            "INSERT INTO holds (tenant_id, id, account_id, customer_id, amount_micro, currency, state, "
            "idempotency_key, input_hash, created_at, expires_at, balance_after_micro, available_after_micro) VALUES "
            "(%(tenant)s, %(id)s, %(account)s, %(customer)s, %(amount)s, %(currency)s, 'open', %(key)s, '\\x00', "
            "%(at)s, %(at)s, 0, 0)",
            **{
                "id": new,
                "account": account or self.wallet,
                "amount": amount,
                "key": str(new),
                "currency": "USD",
                **values,
            },
        )
        if held is not None:
            await self.run("UPDATE accounts SET held_micro = %(held)s WHERE id = %(wallet)s", held=held)
        return new

    async def leave(self, manner: str) -> None:
        """Commits: with the tenant as it is, cleared or changed, or with the checks asked for at once."""
        if manner == "cleared":
            await self.run("SELECT set_config('app.tenant_id', '', true)")
        elif manner == "changed":
            await self.run("SELECT set_config('app.tenant_id', %(other)s::text, true)", other=uuid4())
        elif manner == "immediate":
            await self.run("SET CONSTRAINTS ALL IMMEDIATE")
        await self.connection.commit()
