"""GB an hour of a move's copy and of its verification, against PostgreSQL's own tools on the same data in the same run.

Fills a PostgreSQL 15 with charges of this schema, then copies it to an embedded 18: by the mover (ordinary roles,
indexes and row security put on afterwards), by `pg_dump -Fd -j2` and `pg_restore -j2` (both timed, as a superuser),
and by `pgcopydb clone` where it is installed. Prints ratios.

    python -m bench.move [--gigabytes 0.2] [--jobs 2] [--json]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from core.foundation.settings import load_settings
from core.operations.backups.programs import connection as environment_of
from core.operations.transfer.digests import digest
from core.operations.transfer.moving import preflight
from core.operations.transfer.moving.journal import Ends, Journal
from core.operations.transfer.moving.mover import Choices, Mover
from core.operations.transfer.tables import inventory, settle
from tests.support.moved_books import furnish
from tests.support.twins import Place, Twins, older_programs

AIM = 0.8
ROW_BYTES = 2_000
"""About what a charge takes with its keys, entries and indexes."""

FILL = """
SET session_replication_role = replica;
CREATE TEMP TABLE one AS
    SELECT w.tenant_id AS tenant, w.customer_id AS customer, w.id AS wallet, r.id AS revenue
    FROM accounts w JOIN accounts r ON r.tenant_id = w.tenant_id AND r.customer_id = w.customer_id
    AND r.kind = 'revenue'
    WHERE w.kind = 'wallet' ORDER BY w.id LIMIT 1;
CREATE TEMP TABLE charge AS
    SELECT n, md5('t' || n)::uuid AS transaction, md5('e' || n)::uuid AS event,
           timestamptz '2026-10-01' + n * interval '1 second' AS at FROM generate_series(1, {rows}) AS n;
INSERT INTO ledger_transactions (tenant_id, id, kind, occurred_at)
    SELECT tenant, transaction, 'usage', at FROM one, charge;
INSERT INTO ledger_entries (tenant_id, account_id, version, transaction_id, amount_micro, balance_after_micro, currency)
    SELECT tenant, wallet, n + 1, transaction, -7500, 1000000000000 - 7500 * n, 'USD' FROM one, charge
    UNION ALL SELECT tenant, revenue, n, transaction, 7500, 7500 * n, 'USD' FROM one, charge;
INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, model, input_tokens,
                          cached_tokens, output_tokens, amount_micro, currency, price_book_version, arithmetic,
                          transaction_id)
    SELECT tenant, event, at, customer, 'bench-' || n, 'settled', 'gpt-4o', 1000, 0, 500, 7500, 'USD', 1,
           jsonb_build_object('input', '0.0025', 'output', '0.005', 'sum', '0.0075', 'number', n), transaction
    FROM one, charge;
INSERT INTO usage_keys (tenant_id, key, input_hash, event_id, event_occurred_at, transaction_id)
    SELECT tenant, 'bench-' || n, sha256(('k' || n)::bytea), event, at, transaction FROM one, charge;
UPDATE accounts SET version = {rows} + 1, balance_micro = 1000000000000 - 7500 * {rows}::bigint
    FROM one WHERE id = wallet;
UPDATE accounts SET version = {rows}, balance_micro = 7500 * {rows}::bigint FROM one WHERE id = revenue;
"""


def main() -> None:
    """Measures and prints; ends with 1 when what arrived is not what left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=0.2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    twins = Twins(durable=True)
    try:
        result = _measure(twins, options.gigabytes, options.jobs)
    finally:
        twins.stop()
    if options.json:
        print(json.dumps(result, indent=2))
        return
    size = result["gigabytes"]
    print(f"{size:.2f} GB of this schema, PostgreSQL 15 to 18, {os.cpu_count()} cores, {options.jobs} jobs")
    for name in ("copy", "dump and restore", "pgcopydb", "verification"):
        seconds = result.get(name)
        print(
            f"{name:18} "
            + (f"{seconds:7.1f} s {size / seconds * 3600:7.1f} GB an hour" if seconds else "not installed")
        )
    print(f"the copy beside the faster tool: {result['ratio']:.2f} (aim {AIM})")


def _measure(twins: Twins, gigabytes: float, jobs: int) -> dict[str, float]:
    old, new = twins.pair()
    furnish(old, tenants=1, users=2)
    with old.connect("admin") as admin:
        admin.execute(FILL.format(rows=int(gigabytes * 1e9 / ROW_BYTES)))
        admin.execute("VACUUM ANALYZE")
        row = admin.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row
    result = {"gigabytes": row[0] / 1e9, "copy": _timed(lambda: _move(old, new, jobs))}
    with settle(old.connect("mover")) as left, settle(new.connect("mover")) as right, ThreadPoolExecutor(2) as pool:
        tables = inventory(left)
        began = time.monotonic()
        here, there = (one.result() for one in [pool.submit(digest, side, tables) for side in (left, right)])
        result["verification"] = time.monotonic() - began
    if here != there:
        print("the sides differ", file=sys.stderr)
        raise SystemExit(1)
    twins.drop(new)
    with tempfile.TemporaryDirectory(prefix="cloudbill-dump-") as folder:
        result["dump and restore"] = _timed(lambda: _dump_and_restore(twins, old, Path(folder) / "dump", jobs))
    fastest = result["dump and restore"]
    if program := shutil.which("pgcopydb"):
        result["pgcopydb"] = _timed(lambda: _pgcopydb(twins, old, program, jobs))
        fastest = min(fastest, result["pgcopydb"])
    result["ratio"] = fastest / result["copy"]
    return result


def _move(old: Place, new: Place, jobs: int) -> None:
    """The mover's own phases up to where it would follow."""
    with tempfile.TemporaryDirectory(prefix="cloudbill-bench-") as folder:
        os.environ["CLOUDBILL_HOME"] = folder
        ends = Ends.of(old.url("mover"), new.url("mover"), new.url("owner"))
        report = preflight.look(ends)
        assert not report.blocked, report.blocked
        journal = Journal.create(Path(folder), ends)
        Mover(load_settings(), journal, Choices(jobs=jobs), lambda words: None).fill()


def _dump_and_restore(twins: Twins, old: Place, folder: Path, jobs: int) -> None:
    target = _empty(twins, "bench_restored")
    programs = older_programs()
    # pg_dump of the source's own version, pg_restore of the target's.
    _run([str(programs / "pg_dump"), "-Fd", f"-j{jobs}", "-f", str(folder), "-d", old.database], old.url("admin"))
    assert target.server.binaries
    restore = str(target.server.binaries / "pg_restore")
    _run([restore, f"-j{jobs}", "-d", target.database, str(folder)], target.url("admin"))


def _pgcopydb(twins: Twins, old: Place, program: str, jobs: int) -> None:
    target = _empty(twins, "bench_copied")
    words = ["clone", "--source", old.url("admin"), "--target", target.url("admin"), "--skip-extensions"]
    with tempfile.TemporaryDirectory(prefix="cloudbill-pgcopydb-") as folder:
        subprocess.run(
            [program, *words, "--table-jobs", str(jobs), "--index-jobs", str(jobs), "--dir", folder, "--no-comments"],
            check=False, capture_output=True, env={"PATH": f"{older_programs()}:{os.environ['PATH']}"},
        )  # fmt: skip


def _empty(twins: Twins, name: str) -> Place:
    server = twins.server("new")
    with psycopg.connect(server.admin_url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return Place(server, name)


def _run(argv: list[str], url: str) -> None:
    done = subprocess.run(
        argv, env={**environment_of(url), "PATH": os.environ["PATH"]}, capture_output=True, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr.decode()[-500:])


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
