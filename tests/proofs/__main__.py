"""`make proof`: the long proofs, whole. One line each, and all of them in docs/proofs.md.

    make proof                                       all of them
    make proof ARGS="--only kills --count 50 --seed 7"

Each is a test of the suite, which runs a small sample of it; here it is run as large as its count says, on servers
that keep what they have written, as an installation's do.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from tests.support.servers import ROOT

REPORT = ROOT / "docs" / "proofs.md"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Tests, how much of them is the whole, and where the count goes."""

    name: str
    promise: str
    tests: tuple[str, ...]
    count: int
    unit: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    """Set for the tests, with `{count}` and `{seed}` filled in."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a proof."""

    proof: Proof
    count: int
    passed: bool
    lines: list[str]
    seconds: float


PROOFS = (
    Proof(
        name="races",
        promise="Nothing passes its floor, nothing is charged twice, no hold is left, however many clients race.",
        tests=("tests/proofs/test_races.py",),
        count=2000,
        unit="attempts",
    ),
    Proof(
        name="races-inside",
        promise="The same within one process and between several, with locks held and connections broken.",
        tests=("tests/billing/credits/test_races.py",),
        count=2000,
        unit="attempts",
        environment={"CLOUDBILL_RACE_ATTEMPTS": "{count}"},
    ),
    Proof(
        name="kills",
        promise="What was acknowledged is in the ledger once, and every key answers the same, though all die.",
        tests=("tests/proofs/test_kills.py",),
        count=20,
        unit="kills",
    ),
    Proof(
        name="kills-of-metering",
        promise="Every metered event that was sent is stored and counted once, though the API dies under its batches.",
        tests=("tests/proofs/test_metering_kills.py",),
        count=20,
        unit="kills",
    ),
    Proof(
        name="moves",
        promise="A move between 15 and 18 loses and doubles nothing, whichever of its parts is killed, and when.",
        tests=("tests/proofs/test_moves.py",),
        count=50,
        unit="kills",
    ),
    Proof(
        name="wires-of-moves",
        promise="Nothing is lost, and the mover says what it waits for, whatever the wire to either server does.",
        tests=("tests/proofs/test_wire.py",),
        count=1,
        unit="time each fault in each phase",
    ),
    Proof(
        name="kills-of-failovers",
        promise="A failover killed at any of its lines goes on; nothing is lost, and never do two servers take writes.",
        tests=("tests/operations/failover/test_kills.py",),
        count=26,
        unit="kills",
    ),
    Proof(
        name="kills-of-jobs",
        promise="A job is done once, whenever its worker dies.",
        tests=("tests/worker/test_jobs.py",),
        count=20,
        unit="kills",
        environment={"CLOUDBILL_PROOF_KILLS": "{count}"},
    ),
    Proof(
        name="kills-of-payments",
        promise="A purchase is settled once, though API and worker die and Stripe tells everything twice, shuffled.",
        tests=("tests/billing/webhooks/test_kills.py",),
        count=20,
        unit="kills",
        environment={"CLOUDBILL_PROOF_KILLS": "{count}"},
    ),
    Proof(
        name="kills-of-charges",
        promise="Charging saved cards, killed at its lines, charges each invoice and each top-up once.",
        tests=("tests/billing/payments/test_charge_kills.py",),
        count=100,
        unit="kills",
    ),
    Proof(
        name="kills-of-invoices",
        promise="The run, killed at its lines, loses no line, doubles none, leaves no gap; all is computed again.",
        tests=("tests/billing/invoices/test_invoice_kills.py",),
        count=200,
        unit="kills",
    ),
    Proof(
        name="previews",
        promise="A preview of the first invoice, a change, a cancellation, the next one equals the later invoice.",
        tests=("tests/billing/invoices/test_previews_equal.py",),
        count=1000,
        unit="subscriptions",
    ),
    Proof(
        name="lives",
        promise="Whatever happens to a tenant, invoices, wallets, ledger, reports, facts and the provider agree.",
        tests=("tests/scenarios/test_lives.py",),
        count=40,
        unit="lives",
    ),
    Proof(
        name="webhook-orders",
        promise="Every order of created, succeeded, completed and refunded, with duplicates, gives the same ledger.",
        tests=("tests/billing/webhooks/test_webhooks.py",),
        count=24,
        unit="orders",
        environment={"CLOUDBILL_PROOF_ORDERS": "{count}", "CLOUDBILL_PROOF_SEED": "{seed}"},
    ),
    Proof(
        name="stories",
        promise="Random stories of top-ups, holds, charges, releases, refunds and time agree with a model.",
        tests=("tests/billing/credits/test_credits_stateful.py",),
        count=200,
        unit="stories",
        environment={"CLOUDBILL_PROOF_EXAMPLES": "{count}", "CLOUDBILL_PROOF_STEPS": "60"},
    ),
    Proof(
        name="corruptions",
        promise="Whatever is changed, removed or rewritten in the ledger or its chain is found and named.",
        tests=("tests/billing/ledger",),
        count=1,
        unit="run",
    ),
    Proof(
        name="transfer-corruptions",
        promise="Whatever single row is changed, lost, added or given to another tenant in a copy is named by its key.",
        tests=("tests/operations/transfer/test_digests.py",),
        count=1000,
        unit="corruptions",
    ),
    Proof(
        name="transfer-kills",
        promise="An export and an import go on wherever they were killed, and are the same in the end.",
        tests=("tests/operations/transfer/test_transfer_kills.py",),
        count=50,
        unit="kills",
    ),
    Proof(
        name="mutations",
        promise="A careless edit of either production graph breaks a rule; what survives is reviewed.",
        tests=("tests/infra/policies/test_mutations.py",),
        count=1,
        unit="run",
    ),
    Proof(
        name="contract",
        promise="The OpenAPI document is true in all that schemathesis checks.",
        tests=("tests/proofs/test_contract.py",),
        count=100,
        unit="cases a kind of input",
    ),
)


def prove(proof: Proof, *, count: int, seed: int, servers: str) -> Outcome:
    """Run it to its end."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cloudbill-proof-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "--tb=short", "--timeout=14400", "--durable", f"--servers={servers}"]
        command += [f"--proof-count={count}", f"--proof-seed={seed}", f"--hypothesis-seed={seed}"]
        given = {name: value.format(count=count, seed=seed) for name, value in proof.environment.items()}
        done = subprocess.run(
            [*command, "-ojunit_family=xunit1", f"--junitxml={report}", *proof.tests],
            cwd=ROOT,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            print(done.stdout + done.stderr)
        said, tests = _results(report) if report.exists() else ([], 0)
    lines = said or [f"{tests} tests"]
    return Outcome(
        proof=proof,
        count=count,
        passed=done.returncode == 0,
        lines=lines if done.returncode == 0 else ["FAILED: the end of its output is above", *said],
        seconds=time.monotonic() - started,
    )


def main(arguments: list[str]) -> int:
    """Run the proofs asked for; 0 when all hold."""
    parser = argparse.ArgumentParser(prog="make proof", description="The long proofs, whole.")
    parser.add_argument("--only", choices=[proof.name for proof in PROOFS], action="append")
    parser.add_argument("--count", type=int, help="how much of each, instead of the whole")
    parser.add_argument("--seed", type=int, default=1, help="what chances are drawn from")
    parser.add_argument("--servers", choices=("embedded", "debian"), default="embedded")
    chosen = parser.parse_args(arguments)
    outcomes: list[Outcome] = []
    for proof in PROOFS:
        if chosen.only and proof.name not in chosen.only:
            continue
        outcome = prove(proof, count=chosen.count or proof.count, seed=chosen.seed, servers=chosen.servers)
        outcomes.append(outcome)
        for line in outcome.lines:
            state = "holds" if outcome.passed else "BROKEN"
            print(f"{proof.name:18} {state:7} {outcome.seconds:6.0f} s  {line}", flush=True)
    if not chosen.only:
        write(outcomes, seed=chosen.seed, servers=chosen.servers)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def write(outcomes: list[Outcome], *, seed: int, servers: str) -> None:
    """The results as a page."""
    day = datetime.now(UTC).date().isoformat()
    kinds = {"embedded": "embedded PostgreSQL 18 and Valkey", "debian": "PostgreSQL 15 and Redis 7 of Debian"}
    page = [
        "# Proofs",
        "",
        "Written by `make proof`. A sample of each is part of `make test`; one alone: "
        '`make proof ARGS="--only kills --count 50 --seed 7"`.',
        "",
        f"{day}, seed {seed}, {kinds[servers]}, {os.cpu_count()} cores, Python {platform.python_version()}.",
        "",
        "| Proof | Promise | How much | Result | Seconds |",
        "|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        proof = outcome.proof
        result = ("holds: " if outcome.passed else "**broken**: ") + "; ".join(outcome.lines)
        page.append(
            f"| {proof.name} | {proof.promise} | {outcome.count:,} {proof.unit} | {result} | {outcome.seconds:.0f} |"
        )
    REPORT.write_text("\n".join(page) + "\n", encoding="utf-8")


def _results(report: Path) -> tuple[list[str], int]:
    tree = ElementTree.parse(report)  # our own pytest wrote it
    said = [node.get("value") or "" for node in tree.iter("property") if node.get("name") == "result"]
    return said, sum(1 for _ in tree.iter("testcase"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
