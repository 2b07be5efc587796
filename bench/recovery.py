"""What is lost and how long it takes: drills on an installation that writes, with a million ledger entries and more.

The entries are posted by the ledger's one writer while the backups' watch archives the log; then each scenario is
drilled. The limit, measured in the same run, is the machine's own: the server's files copied as they lie there.

    python -m bench.recovery [--entries 1000000] [--scenario pitr --scenario snapshot --scenario dropped-table] [--json]
"""

import argparse
import asyncio
import json
import shutil
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr

from bench.installation import installation
from bench.ledger import make_tenant, transfer_until
from core.billing.ledger.heads import Heads
from core.billing.ledger.sealing import seal_all
from core.billing.ledger.signing import load_signing_keys
from core.foundation.database import Database
from core.foundation.embedded.postgres import BACKUP
from core.foundation.settings import Settings
from core.operations.backups.taking import take
from core.operations.backups.watching import Watch
from core.operations.recovery.drilling import RPO_TARGET, RTO_TARGET, SCENARIOS, Scenario, run_drill

_BATCH, _TENANTS, _WALLETS = 1000, 2, 1000


@dataclass(frozen=True)
class Result:
    """One drill."""

    scenario: str
    passed: bool
    entries: int
    megabytes: float
    rpo_seconds: float | None
    rto_seconds: float | None
    steps: dict[str, float]
    restored_megabytes_a_second: float
    copied_megabytes_a_second: float
    ratio: float


def main() -> None:
    """Measures and prints; ends with 1 when a drill failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with installation() as place:
        url = SecretStr(place.postgres.url(BACKUP))
        settings = place.settings.model_copy(update={"database_backup_url": url})
        stop = threading.Event()
        watch = threading.Thread(target=Watch(settings).run, args=(stop,))
        watch.start()
        try:
            asyncio.run(_fill(settings, options.entries))
            take(settings, reason="manual")
            copied = _copy(place.postgres.data_dir)
            results = [_drill(settings, scenario, copied) for scenario in options.scenario or SCENARIOS]
        finally:
            stop.set()
            watch.join(30)
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        for result in results:
            _show(result)
        print(f"targets: RPO {RPO_TARGET.total_seconds():.0f} s, RTO {RTO_TARGET.total_seconds():.0f} s")
    if not all(result.passed for result in results):
        raise SystemExit(1)


async def _fill(settings: Settings, entries: int) -> None:
    database = Database(settings)
    try:
        tenants = [await make_tenant(database, number, _WALLETS) for number in range(_TENANTS)]
        posted = 0
        while posted < entries:
            runs = [
                transfer_until(database, tenant, wallets, _BATCH, time.monotonic() + 5) for tenant, wallets in tenants
            ]
            posted += sum(len(run) for run in await asyncio.gather(*runs)) * _BATCH * 2
        await seal_all(database, Heads(settings.heads_path, load_signing_keys(settings)), thorough=True)
    finally:
        await database.dispose()


def _copy(cluster: Path) -> float:
    """Megabytes a second of a plain copy."""
    source, target = cluster.resolve(), cluster.with_name("copied")
    size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file() and "pg_wal" not in path.parts)
    started = time.monotonic()
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("pg_wal", ".s.*", "*.pid"))
    took = time.monotonic() - started
    shutil.rmtree(target)
    return size / 2**20 / took


def _drill(settings: Settings, scenario: Scenario, copied: float) -> Result:
    drill = run_drill(settings, scenario)
    for finding in [*drill.checked.findings[:5], *([drill.error] if drill.error else [])]:
        print(finding)
    megabytes = drill.database_bytes / 2**20
    restored = megabytes / drill.steps.get("restored", float("inf"))
    return Result(
        scenario=scenario,
        passed=drill.passed,
        entries=drill.checked.entries,
        megabytes=round(megabytes, 1),
        rpo_seconds=drill.rpo_seconds,
        rto_seconds=drill.rto_seconds,
        steps=drill.steps,
        restored_megabytes_a_second=round(restored, 1),
        copied_megabytes_a_second=round(copied, 1),
        ratio=round(restored / copied, 3),
    )


def _show(result: Result) -> None:
    steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.steps.items())
    print(
        f"{result.scenario}: {'passed' if result.passed else 'FAILED'}; {result.entries} entries, "
        f"{result.megabytes:.0f} MB; RPO {result.rpo_seconds} s, RTO {result.rto_seconds} s ({steps}); restored at "
        f"{result.restored_megabytes_a_second:.0f} MB a second, bare copy {result.copied_megabytes_a_second:.0f}; "
        f"ratio {result.ratio}"
    )


if __name__ == "__main__":
    main()
