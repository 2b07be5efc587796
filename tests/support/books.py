"""A tenant's books made in the database by the ledger's own writer: for tests of what stands behind the API."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.billing.credits import service as credits
from core.billing.ledger import repository as ledger
from core.billing.ledger.posting import Plan
from core.billing.pricing.rating import rate
from core.billing.pricing.repository import list_rate_cards
from core.foundation.database import Database
from core.foundation.ids import new_id
from core.identity.tenants.customers import ensure_customer


@dataclass(frozen=True)
class Books:
    """A tenant with its `self`."""

    database: Database
    tenant_id: UUID
    slug: str

    async def top_up(self, amount_micro: int) -> UUID:
        """Grants credits; the transaction's id."""
        async with self.database.tenant(self.tenant_id) as session:
            return await credits.top_up(
                session,
                tenant_id=self.tenant_id,
                customer_id=self.tenant_id,
                currency="USD",
                amount_micro=amount_micro,
                kind="grant",
                reference=str(new_id()),
                occurred_at=datetime.now(UTC),
            )

    async def adjust(self, transaction_id: UUID) -> None:
        """A transaction of nothing with an id of one's own, on the accounts of another customer."""
        now = datetime.now(UTC)
        async with self.database.tenant(self.tenant_id) as session:
            customer = await ensure_customer(session, tenant_id=self.tenant_id, external_id="adjusted", now=now)
            accounts = await ledger.lock_accounts(
                session, self.tenant_id, customer_id=customer.id, currency="USD", kinds=("wallet", "granted")
            )
            plan = Plan(self.tenant_id)
            moves = [(accounts["wallet"], 0), (accounts["granted"], 0)]
            plan.post(
                "adjustment", moves, occurred_at=now, reference=str(transaction_id), transaction_id=transaction_id
            )
            await ledger.write(session, plan)

    async def charge(self, *, output_tokens: int = 100, occurred_at: datetime | None = None) -> UUID:
        """Settles a call to gpt-4o (10 micro an output token); the transaction's id."""
        async with self.database.tenant(self.tenant_id) as session:
            return await self.charge_in(session, output_tokens=output_tokens, occurred_at=occurred_at)

    async def charge_in(self, session: Any, *, output_tokens: int, occurred_at: datetime | None = None) -> UUID:
        """The same inside a transaction of the caller's."""
        at, event_id, key = occurred_at or datetime.now(UTC), new_id(), str(new_id())
        amount_micro = 10 * output_tokens
        accounts = await ledger.lock_accounts(
            session, self.tenant_id, customer_id=self.tenant_id, currency="USD", kinds=("wallet", "revenue")
        )
        plan = Plan(self.tenant_id)
        moves = [(accounts["wallet"], -amount_micro), (accounts["revenue"], amount_micro)]
        transaction_id = plan.post("usage", moves, occurred_at=at)
        await ledger.write(session, plan)
        row = {
            "tenant": self.tenant_id,
            "key": key,
            "hash": b"h" * 32,
            "event": event_id,
            "at": at,
            "transaction": transaction_id,
            "tokens": output_tokens,
            "amount": amount_micro,
            "arithmetic": json.dumps(await _arithmetic(session, self.tenant_id, output_tokens)),
        }
        await session.execute(_EVENT, row)
        await session.execute(_KEY, row)
        return transaction_id

    async def hold(
        self, amount_micro: int, *, expires_in: timedelta = timedelta(minutes=5), now: datetime | None = None
    ) -> UUID:
        """Holds credits back on the wallet; the hold's id."""
        now, hold_id = now or datetime.now(UTC), new_id()
        async with self.database.tenant(self.tenant_id) as session:
            accounts = await ledger.lock_accounts(
                session, self.tenant_id, customer_id=self.tenant_id, currency="USD", kinds=("wallet",)
            )
            plan = Plan(self.tenant_id)
            plan.hold(accounts["wallet"], amount_micro)
            await ledger.write(session, plan)
            await session.execute(
                _HOLD,
                {
                    "tenant": self.tenant_id,
                    "id": hold_id,
                    "account": accounts["wallet"].id,
                    "amount": amount_micro,
                    "now": now,
                    "expires": now + expires_in,
                    "balance": accounts["wallet"].balance_micro,
                    "available": accounts["wallet"].available_micro,
                },
            )
        return hold_id


async def _arithmetic(session: Any, tenant_id: UUID, output_tokens: int) -> dict[str, Any]:
    card = (await list_rate_cards(session, tenant_id, currency="USD"))[0]
    return rate(card, "gpt-4o", input_tokens=0, cached_tokens=0, output_tokens=output_tokens).arithmetic


async def open_books(database: Database, slug: str = "acme", *, clock: datetime | None = None) -> Books:
    """A new tenant with its `self`, and a clock of its own if one is given."""
    tenant_id = new_id()
    async with database.tenant(tenant_id) as session:
        row = {"id": tenant_id, "slug": slug, "test": clock is not None, "now": clock or datetime.now(UTC)}
        await session.execute(_TENANT, row)
        await session.execute(_SELF, row)
        if clock is not None:
            await session.execute(_CLOCK, row)
    return Books(database, tenant_id, slug)


_TENANT = text("""
INSERT INTO tenants (id, slug, name, currency, is_test, created_at) VALUES (:id, :slug, :slug, 'USD', :test, :now)
""")

_SELF = text("""
INSERT INTO customers (tenant_id, id, external_id, is_self, created_at) VALUES (:id, :id, 'self', true, :now)
""")

_CLOCK = text("INSERT INTO tenant_clocks (tenant_id, now_at) VALUES (:id, :now)")

_EVENT = text("""
INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, model, input_tokens,
    cached_tokens, output_tokens, amount_micro, currency, price_book_version, arithmetic, transaction_id)
VALUES (:tenant, :event, :at, :tenant, :key, 'settled', 'gpt-4o', 0, 0, :tokens, :amount, 'USD', 1,
    CAST(:arithmetic AS jsonb), :transaction)
""")

_KEY = text("""
INSERT INTO usage_keys (tenant_id, key, input_hash, event_id, event_occurred_at, transaction_id)
VALUES (:tenant, :key, :hash, :event, :at, :transaction)
""")

_HOLD = text("""
INSERT INTO holds (tenant_id, id, account_id, customer_id, amount_micro, currency, state, idempotency_key, input_hash,
    created_at, expires_at, balance_after_micro, available_after_micro)
VALUES (:tenant, :id, :account, :tenant, :amount, 'USD', 'open', CAST(:id AS text), '', :now, :expires, :balance,
    :available)
""")
