"""How many reconciled calls a second, over HTTP, against PostgreSQL's own TPC-B on the same server in the same run.

32 keep-alive clients; row security, every constraint and the chain on; durable commits. For 1, 8 and 32 tenants with
1,000 wallets each, then for one hot wallet, and then for pairs: reserved and settled, on the most tenants. Afterwards
every acknowledged call must be in the ledger once and every acknowledged hold among the holds.

    python -m bench.reconcile [--seconds 15] [--clients 32] [--tenants 1,8,32] [--wallets 1000] [--scale 32] [--json]
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
from dataclasses import asdict, dataclass

import psycopg
from sqlalchemy import text

from bench.clients import Measured
from bench.installation import ROOT, Installation, Pgbench, installation
from bench.tenants import BenchTenant, fund, register
from core.foundation.database import Database

AIM_RATIO = 0.5
AIM_P99_MS = 50.0


@dataclass(frozen=True)
class Result:
    """One line of the report."""

    name: str
    a_second: float
    p50_ms: float
    p99_ms: float
    ratio: float


def main() -> None:
    """Measures and prints; ends with 1 when an acknowledged call is not in the ledger exactly once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--warm-up", type=float, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--tenants", default="1,8,32")
    parser.add_argument("--wallets", type=int, default=1000)
    parser.add_argument("--scale", type=int, default=32)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    counts = [int(count) for count in options.tenants.split(",")]
    with installation() as place:
        print(f"PostgreSQL with {options.scale} branches of TPC-B ...", file=sys.stderr)
        pgbench = Pgbench(place.postgres, scale=options.scale, clients=8)
        print(f"{max(counts)} tenants with {options.wallets} wallets each ...", file=sys.stderr)
        tenants = asyncio.run(prepare(place, max(counts), options.wallets))
        results, tps = _measure(place, pgbench, tenants, counts, options)
    if options.json:
        print(json.dumps({"tps": tps, "results": [asdict(result) for result in results]}, indent=2))
        return
    print(f"pgbench TPC-B, scale {options.scale}, 8 clients: {', '.join(f'{one:.0f}' for one in tps)} a second")
    print(f"{'':28}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}{'of TPC-B':>10}")
    for result in results:
        print(
            f"{result.name:28}{result.a_second:>10.0f}{result.p50_ms:>9.1f}{result.p99_ms:>9.1f}{result.ratio:>10.2f}"
        )
    print(f"aim: {AIM_RATIO} of TPC-B at 32 tenants, p99 under {AIM_P99_MS:.0f} ms")


async def prepare(place: Installation, count: int, wallets: int) -> list[BenchTenant]:
    """Tenants with funded wallets; the last has one."""
    database = Database(place.settings)
    tenants: list[BenchTenant] = []
    for number in range(count):
        slug = f"bench-{number}"
        tenants.append(await fund(database, slug, register(place.port, slug), wallets=wallets))
    hot = register(place.port, "bench-hot")
    tenants.append(await fund(database, "bench-hot", hot, wallets=1))
    await database.dispose()
    # As autovacuum does within a minute of a bulk load: plans follow the tables' real sizes.
    with psycopg.connect(place.postgres.admin_url("cloudbill"), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return tenants


def _measure(
    place: Installation,
    pgbench: Pgbench,
    tenants: list[BenchTenant],
    counts: list[int],
    options: argparse.Namespace,
) -> tuple[list[Result], list[float]]:
    """Each set of tenants between two runs of TPC-B, whose mean is the limit."""
    results: list[Result] = []
    tps = [pgbench.measure(options.seconds)]
    sets = [(f"{count} tenant{'s' if count > 1 else ''}", tenants[:count]) for count in counts]
    runs = [
        *[(name, "settling", chosen) for name, chosen in sets],
        ("one hot wallet", "settling", tenants[-1:]),
        (f"{sets[-1][0]}, pairs", "reserving", sets[-1][1]),
    ]
    for name, script, chosen in runs:
        payers = [(tenant.token, user) for tenant in chosen for user in tenant.users]
        random.Random(7).shuffle(payers)  # in the same order every time
        before = asyncio.run(_booked(place))
        measured = run_clients(place, payers, name, script, options)
        after = asyncio.run(_booked(place))
        booked = tuple(then - first for then, first in zip(after, before, strict=True))
        answered = measured.statuses.pop(200, 0), measured.statuses.pop(201, 0)
        if measured.statuses or booked != answered:
            raise SystemExit(f"{name}: calls, holds: {answered} answered, {booked} booked, others {measured.statuses}")
        tps.append(pgbench.measure(options.seconds))
        limit = (tps[-2] + tps[-1]) / 2
        for kind in sorted(measured.latencies):
            results.append(
                Result(
                    name if len(measured.latencies) == 1 else f"{name}: {kind}",
                    measured.a_second(kind),
                    measured.percentile(kind, 0.5),
                    measured.percentile(kind, 0.99),
                    measured.a_second(kind) / limit,
                )
            )
            print(results[-1], file=sys.stderr)
    return results, tps


def run_clients(
    place: Installation, payers: list[tuple[str, str]], name: str, script: str, options: argparse.Namespace
) -> Measured:
    """Clients in a process of their own, for so many seconds."""
    order = {
        "port": place.port,
        "payers": payers,
        "script": script,
        "prefix": name.replace(" ", "-"),
        "clients": options.clients,
        "seconds": options.seconds,
        "warm_up": options.warm_up,
    }
    finished = subprocess.run(
        [sys.executable, "-m", "bench.clients"], input=json.dumps(order), capture_output=True, text=True, cwd=ROOT
    )
    if finished.returncode:
        raise SystemExit(finished.stderr)
    measured = json.loads(finished.stdout)
    statuses = {int(status): count for status, count in measured["statuses"].items()}
    return Measured(measured["seconds"], measured["latencies"], statuses)


async def _booked(place: Installation) -> tuple[int, int]:
    """Calls charged and holds made, ever."""
    database = Database(place.settings)
    async with database.reading() as session:
        charged = await session.scalar(text("SELECT count(*) FROM ledger_transactions WHERE kind = 'usage'"))
        held = await session.scalar(text("SELECT count(*) FROM holds"))
    await database.dispose()
    return int(charged or 0), int(held or 0)


if __name__ == "__main__":
    main()
