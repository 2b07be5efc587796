"""What the write fence costs a charge: reconciles a second with its triggers on and off, in turns, in the same run.

python -m bench.fence [--seconds 8] [--rounds 4] [--clients 32] [--tenants 8] [--wallets 200] [--json]
"""

import argparse
import asyncio
import json
import random
import statistics

import psycopg
from psycopg import sql

from bench.installation import Installation, installation
from bench.reconcile import prepare, run_clients


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--tenants", type=int, default=8)
    parser.add_argument("--wallets", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, list[float]] = {"on": [], "off": []}
    with installation(serving=("api",)) as place:
        tenants = asyncio.run(prepare(place, options.tenants, options.wallets))[:-1]
        payers = [(tenant.token, user) for tenant in tenants for user in tenant.users]
        random.Random(7).shuffle(payers)
        for turn in range(options.rounds):
            # In turns, each first as often as the other: a machine that slows down is no difference between the two.
            for state in ("on", "off") if turn % 2 == 0 else ("off", "on"):
                _set(place, is_on=state == "on")
                measured = run_clients(place, payers, f"{state} {turn}", "settling", options)
                (kind,) = measured.latencies
                found[state].append(measured.a_second(kind))
        _set(place, is_on=True)
    on, off = (statistics.mean(found[state]) for state in ("on", "off"))
    if options.json:
        print(json.dumps({**found, "ratio": on / off}, indent=2))
        return
    for state, rates in found.items():
        print(f"fence {state:<4} {statistics.mean(rates):8.0f} a second ({', '.join(f'{one:.0f}' for one in rates)})")
    print(f"with the fence: {on / off:.3f} of the rate without")


def _set(place: Installation, *, is_on: bool) -> None:
    with psycopg.connect(place.postgres.admin_url("cloudbill"), autocommit=True) as admin:
        tables = admin.execute(
            "SELECT t.tgrelid::regclass::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE t.tgname = 'fenced' AND t.tgparentid = 0 AND c.relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            admin.execute(
                sql.SQL("ALTER TABLE {} {} TRIGGER fenced").format(
                    sql.Identifier("public", table), sql.SQL("ENABLE" if is_on else "DISABLE")
                )
            )


if __name__ == "__main__":
    main()
