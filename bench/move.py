"""GB an hour of a move's copy and of its verification, against PostgreSQL's own tools on the same data in the same run.

Fills a PostgreSQL 15 with charges of this schema, then copies it to an embedded 18: by the mover (ordinary roles, row
security and indexes put on afterwards), by `pg_dump -Fd -j2` and `pg_restore -j2` (both timed, as a superuser), and by
`pgcopydb clone` where it is installed. What each brought is compared with the source, row by row, by digests.

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
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from core.foundation.settings import load_settings
from core.operations.backups.programs import connection as environment_of
from core.operations.transfer.digests import Digests, digest
from core.operations.transfer.moving import preflight
from core.operations.transfer.moving.journal import Ends, Journal
from core.operations.transfer.moving.mover import Choices, Mover
from core.operations.transfer.tables import inventory, settle
from tests.support.moved_books import furnish
from tests.support.twins import Place, Twins, older_programs

AIM = 0.8
ROW_BYTES = 1_500
"""About what a charge takes with its keys, entries and indexes."""
TENANTS = 8

# Ids as they are made in life: ordered by time (version 7). Charges go to the tenants in turn.
FILL = """
SET session_replication_role = replica;
CREATE FUNCTION pg_temp.id(word text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(1780000000000 + n), 12, '0') || '7' || substr(md5(word || n), 1, 3) || '8'
            || substr(md5(word || n), 4, 15))::uuid $$;
CREATE TEMP TABLE wallet AS
    SELECT row_number() OVER (ORDER BY tenant_id) - 1 AS n, * FROM (
        SELECT DISTINCT ON (w.tenant_id) w.tenant_id, w.customer_id, w.id AS wallet, r.id AS revenue
        FROM accounts w JOIN accounts r ON r.tenant_id = w.tenant_id AND r.customer_id = w.customer_id
        AND r.kind = 'revenue' WHERE w.kind = 'wallet' ORDER BY w.tenant_id, w.id) one;
CREATE TEMP TABLE charge AS
    SELECT w.tenant_id AS tenant, w.customer_id AS customer, w.wallet, w.revenue, 'bench-' || c.n AS key,
           (c.n / {tenants}) + 1 AS version, pg_temp.id('t', c.n) AS transaction, pg_temp.id('e', c.n) AS event,
           timestamptz '2026-10-01' + c.n * interval '1 second' AS at
    FROM generate_series(0, {rows} - 1) AS c (n) JOIN wallet w ON w.n = c.n % {tenants};
INSERT INTO ledger_transactions (tenant_id, id, kind, occurred_at)
    SELECT tenant, transaction, 'usage', at FROM charge;
INSERT INTO ledger_entries (tenant_id, account_id, version, transaction_id, amount_micro, balance_after_micro, currency)
    SELECT tenant, wallet, version + 1, transaction, -7500, 1000000000000 - 7500 * version, 'USD' FROM charge
    UNION ALL SELECT tenant, revenue, version, transaction, 7500, 7500 * version, 'USD' FROM charge;
INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, model, input_tokens,
                          cached_tokens, output_tokens, amount_micro, currency, price_book_version, arithmetic,
                          transaction_id)
    SELECT tenant, event, at, customer, key, 'settled', 'gpt-4o', 1000, 0, 500, 7500, 'USD', 1,
           jsonb_build_object('input', '0.0025', 'output', '0.005', 'sum', '0.0075', 'number', version), transaction
    FROM charge;
INSERT INTO usage_keys (tenant_id, key, input_hash, event_id, event_occurred_at, transaction_id)
    SELECT tenant, key, sha256(key::bytea), event, at, transaction FROM charge;
"""


def main() -> None:
    """Measures and prints; ends with 1 when what arrived is not what left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=0.2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only-move", action="store_true", help="without the other tools")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    twins = Twins(durable=True)
    try:
        result = _measure(twins, options)
    finally:
        twins.stop()
    if options.json:
        print(json.dumps(result, indent=2))
        return
    size = result["gigabytes"]
    print(f"{size:.2f} GB of this schema, PostgreSQL 15 to 18, {os.cpu_count()} cores, {options.jobs} jobs")
    for name, (seconds, worked) in result["steps"].items():
        print(f"{name:16} {seconds:7.1f} s {size / seconds * 3600:7.1f} GB an hour {worked:7.1f} s of processors")
    if "ratio" in result:
        print(f"the copy beside the faster tool: {result['ratio']:.2f} (aim {AIM})")


def _measure(twins: Twins, options: argparse.Namespace) -> dict[str, Any]:
    old, new = twins.pair()
    furnish(old, tenants=TENANTS, users=1)
    with old.connect("admin") as admin:
        admin.execute(FILL.format(rows=int(options.gigabytes * 1e9 / ROW_BYTES), tenants=TENANTS))
        admin.execute("VACUUM ANALYZE")
        row = admin.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row
    result: dict[str, Any] = {"gigabytes": row[0] / 1e9}
    _say(f"{result['gigabytes']:.2f} GB")
    for place in (old, new):
        with place.connect("admin") as admin:
            admin.execute("CHECKPOINT")
    time.sleep(1)
    jobs, clock = options.jobs, _Clock(twins)
    with clock.taking("copy"):
        _move(old, new, jobs, clock)
    with clock.taking("verification"), ThreadPoolExecutor(2) as pool:
        expected, there = pool.map(_digest, (old, new))
    _refuse_other(expected, there, "the mover")
    twins.drop(new)
    result["steps"] = clock.steps
    if options.only_move:
        return result
    with tempfile.TemporaryDirectory(prefix="cloudbill-dump-") as folder:
        restored = _empty(twins, "bench_restored")
        with clock.taking("dump and restore"):
            with clock.taking("- dump"):
                _dump(old, Path(folder) / "dump", jobs)
            with clock.taking("- restore"):
                _restore(restored, Path(folder) / "dump", jobs)
    _refuse_other(expected, _digest(restored, role="admin"), "pg_restore")
    twins.drop(restored)
    fastest = clock.steps["dump and restore"][0]
    if program := shutil.which("pgcopydb"):
        cloned = _empty(twins, "bench_copied")
        with clock.taking("pgcopydb"):
            _pgcopydb(old, cloned, program, jobs)
        _refuse_other(expected, _digest(cloned, role="admin"), "pgcopydb")
        fastest = min(fastest, clock.steps["pgcopydb"][0])
    result["ratio"] = fastest / clock.steps["copy"][0]
    return result


class _Clock:
    """Seconds by the wall, and those that the servers and this process took of the processors."""

    def __init__(self, twins: Twins) -> None:
        self.steps: dict[str, tuple[float, float]] = {}
        self._servers = [psutil.Process(twins.server(name).pid) for name in ("old", "new")]

    @contextmanager
    def taking(self, name: str) -> Generator[None]:
        self.steps[name] = (0.0, 0.0)  # its place in the order
        began, worked = time.monotonic(), self.worked()
        yield
        self.steps[name] = (time.monotonic() - began, self.worked() - worked)
        _say(f"{name}: {self.steps[name][0]:.1f} s, {self.steps[name][1]:.1f} s of processors")

    def worked(self) -> float:
        """A server's processes that have ended are counted with the one that started them."""
        total = sum(psutil.Process().cpu_times()[:4])
        for server in self._servers:
            total += sum(server.cpu_times()[:4])
            for child in server.children():
                with suppress(psutil.Error):
                    total += sum(child.cpu_times()[:2])
        return total


def _move(old: Place, new: Place, jobs: int, clock: _Clock) -> None:
    """The mover's own phases up to where it would follow."""
    with tempfile.TemporaryDirectory(prefix="cloudbill-bench-") as folder:
        os.environ["CLOUDBILL_HOME"] = folder
        ends = Ends.of(old.url("mover"), new.url("mover"), new.url("owner"))
        report = preflight.look(ends)
        assert not report.blocked, report.blocked
        mover = _Timed(load_settings(), Journal.create(Path(folder), ends), Choices(jobs=jobs), _say)
        mover.clock = clock
        mover.fill()


class _Timed(Mover):
    """Its steps measured."""

    clock: _Clock

    def _copy(self) -> None:
        with self.clock.taking("- rows"):
            super()._copy()

    def _rebuild(self) -> None:
        with self.clock.taking("- indexes, keys"):
            super()._rebuild()


def _digest(place: Place, *, role: str = "mover") -> Digests:
    with settle(place.connect(role)) as connection:
        return digest(connection, inventory(connection))


def _refuse_other(expected: Digests, found: Digests, tool: str) -> None:
    if expected != found:
        raise SystemExit(f"what {tool} brought is not what was there")


def _dump(old: Place, folder: Path, jobs: int) -> None:
    # pg_dump of the source's own version, pg_restore of the target's.
    program = str(older_programs() / "pg_dump")
    _run([program, "-Fd", f"-j{jobs}", "-f", str(folder), "-d", old.database], old.url("admin"))


def _restore(target: Place, folder: Path, jobs: int) -> None:
    assert target.server.binaries
    _run(
        [str(target.server.binaries / "pg_restore"), f"-j{jobs}", "-d", target.database, str(folder)],
        target.url("admin"),
    )


def _pgcopydb(old: Place, target: Place, program: str, jobs: int) -> None:
    words = ["clone", "--source", old.url("admin"), "--target", target.url("admin"), "--skip-extensions"]
    with tempfile.TemporaryDirectory(prefix="cloudbill-pgcopydb-") as folder:
        # It ends with an error over comments and rights; what counts is what it brought, which is compared.
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


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
