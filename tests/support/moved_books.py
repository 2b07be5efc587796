"""An installation's books made quickly in a database, and read again on either side of a move."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import text

from bench.tenants import grant_to_new
from core.billing.ledger import repository as ledger
from core.foundation.database import Database
from core.foundation.ids import new_id
from core.foundation.settings import load_settings
from tests.support.twins import Place


def furnish(place: Place, *, tenants: int = 2, users: int = 40) -> list[UUID]:
    """Tenants with funded wallets of `users` customers each."""
    settings = load_settings(
        database_app_url=place.url("app"),
        database_operator_url=place.url("operator"),
        redis_url="redis://127.0.0.1:9/0",
    )
    return asyncio.run(_furnish(Database(settings), tenants, users))


async def _furnish(database: Database, tenants: int, users: int) -> list[UUID]:
    made: list[UUID] = []
    for number in range(tenants):
        tenant_id = new_id()
        async with database.tenant(tenant_id) as session:
            await session.execute(
                text(
                    "INSERT INTO tenants (id, slug, name, currency, is_test, created_at) "
                    "VALUES (:id, :slug, :slug, 'USD', false, now())"
                ),
                {"id": tenant_id, "slug": f"moved-{number}"},
            )
            own = new_id()
            await session.execute(
                text(
                    "INSERT INTO customers (tenant_id, id, external_id, is_self, created_at) "
                    "VALUES (:t, :id, 'self', true, now())"
                ),
                {"t": tenant_id, "id": own},
            )
            for wallet in await grant_to_new(session, tenant_id, [f"user-{one}" for one in range(users)]):
                await ledger.open_accounts(
                    session, tenant_id, customer_id=wallet.customer_id, currency="USD", kinds=("receivable",)
                )
        made.append(tenant_id)
    await database.dispose()
    return made


def acknowledged(log: Path) -> dict[str, str]:
    """Key and tenant of all that the load was answered."""
    found: dict[str, str] = {}
    for line in log.read_text().splitlines():
        words = line.split()
        if words and words[0] == "a" and len(words) == 4:
            found[words[1]] = words[2]
    return found


def pauses(log: Path, *, over: float = 0.5) -> list[float]:
    """How long nothing was acknowledged, each time that it was longer than `over` seconds."""
    times = sorted(float(line.split()[3]) for line in log.read_text().splitlines() if line.startswith("a "))
    return [round(b - a, 3) for a, b in zip(times, times[1:], strict=False) if b - a > over]


def splits(log: Path) -> int:
    """How often both sides took writes."""
    return sum(line.startswith("split") for line in log.read_text().splitlines())


def lost_and_doubled(place: Place, acks: dict[str, str]) -> tuple[list[str], list[str]]:
    """Acknowledged keys that are not on that side, and those that were booked more than once."""
    with place.connect("operator") as connection:
        rows = connection.execute(
            "SELECT k.key, k.tenant_id::text, coalesce(e.n, 0), count(t.id) FROM usage_keys k LEFT JOIN "
            "(SELECT tenant_id, idempotency_key, count(*) AS n FROM usage_events WHERE outcome = 'settled' "
            "GROUP BY 1, 2) e ON e.tenant_id = k.tenant_id AND e.idempotency_key = k.key "
            "LEFT JOIN ledger_transactions t ON t.tenant_id = k.tenant_id AND t.id = k.transaction_id GROUP BY 1, 2, 3"
        ).fetchall()
    there = {(key, tenant): (events, booked) for key, tenant, events, booked in rows}
    lost = [key for key, tenant in acks.items() if (key, tenant) not in there]
    doubled = [f"{key}: {counts}" for (key, _), counts in there.items() if counts != (1, 1)]
    return lost, doubled


def broken_sums(place: Place) -> list[Any]:
    """What is wrong with the books themselves: sums, balances, versions."""
    with place.connect("operator") as connection:
        return connection.execute(
            "SELECT 'sum', transaction_id::text FROM ledger_entries GROUP BY tenant_id, transaction_id, currency "
            "HAVING sum(amount_micro) <> 0 UNION ALL "
            "SELECT 'balance', a.id::text FROM accounts a WHERE a.balance_micro <> "
            "(SELECT coalesce(sum(e.amount_micro), 0) FROM ledger_entries e "
            "WHERE e.tenant_id = a.tenant_id AND e.account_id = a.id) UNION ALL "
            "SELECT 'version', a.id::text FROM accounts a WHERE a.version <> (SELECT count(*) FROM ledger_entries e "
            "WHERE e.tenant_id = a.tenant_id AND e.account_id = a.id) LIMIT 20"
        ).fetchall()


def rows_of(connection: psycopg.Connection[Any], table: str) -> int:
    """How many rows there are."""
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row
    return row[0]
