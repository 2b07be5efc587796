"""Tenants with many funded wallets, made quickly: registered through the API, funded by the ledger's own writer."""

import json
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.ledger import repository as ledger
from core.billing.ledger.posting import LockedAccount, Plan
from core.foundation.database import Database
from core.foundation.ids import new_id

KINDS = ("wallet", "revenue", "granted")
CREDITS_MICRO = 10**12
AT_ONCE = 500


@dataclass(frozen=True)
class BenchTenant:
    """A tenant with the token of its owner and the users that have wallets of their own."""

    id: UUID
    token: str
    users: list[str]


def register(port: int, slug: str) -> str:
    """A new tenant's access token."""
    body = json.dumps({"email": f"{slug}@bench.test", "password": "Bench-9-wallets", "tenantId": slug}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/auth/register", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["accessToken"]


async def fund(database: Database, slug: str, token: str, *, wallets: int) -> BenchTenant:
    """Gives the tenant `wallets` customers with a wallet of their own each."""
    async with database.reading() as session:
        tenant_id = (await session.execute(text("SELECT id FROM tenants WHERE slug = :s"), {"s": slug})).scalar_one()
    users = [f"user-{number}" for number in range(wallets)]
    for first in range(0, wallets, AT_ONCE):
        async with database.tenant(tenant_id) as session:
            await grant_to_new(session, tenant_id, users[first : first + AT_ONCE])
    return BenchTenant(tenant_id, token, users)


async def grant_to_new(session: AsyncSession, tenant_id: UUID, users: list[str]) -> list[LockedAccount]:
    """Makes the customers, opens their accounts and grants each its credits; returns the wallets."""
    now = datetime.now(UTC)
    customers = [new_id() for _ in users]
    await session.execute(
        text(
            "INSERT INTO customers (tenant_id, id, external_id, is_self, created_at) "
            "SELECT :t, c.id, c.external_id, false, :now "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:users AS text[])) AS c (id, external_id)"
        ),
        {"t": tenant_id, "ids": customers, "users": users, "now": now},
    )
    plan = Plan(tenant_id)
    accounts = [
        {
            kind: LockedAccount(new_id(), customer, kind, "USD", 0 if kind == "wallet" else None, 0, 0, 0)
            for kind in KINDS
        }
        for customer in customers
    ]
    await session.execute(
        text(
            "INSERT INTO accounts (tenant_id, id, customer_id, kind, currency, floor_micro) "
            "SELECT :t, a.id, a.customer_id, a.kind, 'USD', CASE a.kind WHEN 'wallet' THEN 0 END "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:customers AS uuid[]), CAST(:kinds AS text[])) "
            "AS a (id, customer_id, kind)"
        ),
        {
            "t": tenant_id,
            "ids": [account.id for by_kind in accounts for account in by_kind.values()],
            "customers": [account.customer_id for by_kind in accounts for account in by_kind.values()],
            "kinds": [account.kind for by_kind in accounts for account in by_kind.values()],
        },
    )
    for by_kind in accounts:
        plan.post(
            "grant",
            [(by_kind["wallet"], CREDITS_MICRO), (by_kind["granted"], -CREDITS_MICRO)],
            occurred_at=now,
            reference=str(new_id()),
        )
    await ledger.write(session, plan)
    return [by_kind["wallet"] for by_kind in accounts]
