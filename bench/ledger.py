"""Batched transfers between wallets, a second: each its own balanced transaction, written many at a time.

As an import or a payout run does it: through the ledger's one writer, as the application's role, with row security,
every constraint and durable commits, one connection a tenant. The worker seals meanwhile. Afterwards every transfer
must be in the ledger once. The limit, measured in the same run on the same server, is the machine's own: bare rows of
the same width copied into a table without any index, constraint or policy, in transactions of the same size.

    python -m bench.ledger [--seconds 15] [--batch 1000] [--tenants 2] [--wallets 1000] [--json]
"""

import argparse
import asyncio
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from sqlalchemy import text

from bench.installation import Installation, installation
from bench.tenants import grant_to_new
from core.billing.ledger import repository as ledger
from core.billing.ledger.posting import LockedAccount, Plan
from core.foundation.database import Database
from core.foundation.ids import new_id

AIM_A_SECOND = 10_000


@dataclass(frozen=True)
class Result:
    """What was measured: transfers and bare rows a second, and one over the other."""

    transfers_a_second: float
    batches: int
    batch_p50_ms: float
    batch_p99_ms: float
    bare_rows_a_second: float
    ratio: float


def main() -> None:
    """Measures and prints; ends with 1 when a transfer is not in the ledger exactly once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--tenants", type=int, default=2)
    parser.add_argument("--wallets", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with installation(serving=("worker",)) as place:
        result = asyncio.run(_measure(place, options))
    if options.json:
        print(json.dumps(asdict(result), indent=2))
        return
    print(f"transfers, {options.tenants} tenants, {options.batch} a batch: {result.transfers_a_second:.0f} a second")
    print(f"a batch takes {result.batch_p50_ms:.0f} ms (p50), {result.batch_p99_ms:.0f} ms (p99)")
    print(f"bare rows, the same way: {result.bare_rows_a_second:.0f} a second; ratio {result.ratio:.3f}")
    print(f"aim: {AIM_A_SECOND} transfers a second")


async def _measure(place: Installation, options: argparse.Namespace) -> Result:
    database = Database(place.settings)
    try:
        tenants = [await make_tenant(database, number, options.wallets) for number in range(options.tenants)]
        with psycopg.connect(place.postgres.admin_url("cloudbill"), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")  # as autovacuum does within a minute of a bulk load
            bare = await asyncio.to_thread(_bare_rows, connection, options.seconds / 3, options.batch)
        end = time.monotonic() + options.seconds
        started = time.monotonic()
        runs = [transfer_until(database, tenant, wallets, options.batch, end) for tenant, wallets in tenants]
        batches = [seconds for run in await asyncio.gather(*runs) for seconds in run]
        took = time.monotonic() - started
        async with database.reading() as session:
            booked = await session.scalar(
                text("SELECT count(*) FROM ledger_transactions WHERE kind = 'adjustment' AND reference LIKE 'bench-%'")
            )
    finally:
        await database.dispose()
    transfers = len(batches) * options.batch
    if booked != transfers:
        print(f"{transfers} transfers acknowledged, {booked} booked", file=sys.stderr)
        raise SystemExit(1)
    batches.sort()
    return Result(
        transfers_a_second=transfers / took,
        batches=len(batches),
        batch_p50_ms=batches[len(batches) // 2] * 1000,
        batch_p99_ms=batches[int(len(batches) * 0.99)] * 1000,
        bare_rows_a_second=bare,
        ratio=transfers / took / bare,
    )


async def make_tenant(database: Database, number: int, wallets: int) -> tuple[UUID, list[LockedAccount]]:
    tenant_id = new_id()
    async with database.tenant(tenant_id) as session:
        await session.execute(
            text(
                "INSERT INTO tenants (id, slug, name, currency, is_test, created_at) "
                "VALUES (:id, :slug, :slug, 'USD', false, now())"
            ),
            {"id": tenant_id, "slug": f"bench-{number}"},
        )
        accounts = await grant_to_new(session, tenant_id, [f"user-{one}" for one in range(wallets)])
    return tenant_id, accounts


async def transfer_until(
    database: Database, tenant_id: UUID, wallets: list[LockedAccount], batch: int, end: float
) -> list[float]:
    """Batches of random pairs until `end`; how long each took, in seconds."""
    chance = random.Random(tenant_id.int)
    took: list[float] = []
    while (begun := time.monotonic()) < end:
        plan = Plan(tenant_id)
        now = datetime.now(UTC)
        for _ in range(batch):
            giver, taker = chance.sample(wallets, 2)
            transfer_id = new_id()
            plan.post(
                "adjustment",
                [(giver, -1_000), (taker, 1_000)],
                occurred_at=now,
                reference=f"bench-{transfer_id}",
                transaction_id=transfer_id,
            )
        async with database.tenant(tenant_id) as session:
            # This run is the only writer of these wallets, so what it knows of them still holds once they are locked.
            await session.execute(
                text("SELECT id FROM accounts WHERE tenant_id = :t AND kind = 'wallet' ORDER BY id FOR NO KEY UPDATE"),
                {"t": tenant_id},
            )
            await ledger.write(session, plan)
        took.append(time.monotonic() - begun)
    return took


def _bare_rows(connection: psycopg.Connection, seconds: float, batch: int) -> float:
    """Rows as wide as a transfer's (one transaction, two entries), copied a second."""
    connection.execute("CREATE TABLE bare (row bytea)")
    width, rows = 3 * 100, 0
    payload = b"\\\\x" + b"00" * width + b"\n"
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        with connection.cursor().copy("COPY bare FROM STDIN") as copy:
            copy.write(payload * batch)
        rows += batch
    took = time.monotonic() - started
    connection.execute("DROP TABLE bare")
    return rows / took


if __name__ == "__main__":
    main()
