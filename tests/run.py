"""`make test`: the suite on the embedded servers, then on Debian's PostgreSQL 15 and Redis 7, then the browser stories.

What this machine lacks is left out and said so at the end, with the reason. Arguments are pytest's own; `--only` names
one of the three. The exit code is 0 when nothing failed.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tests.support.browser import find_chromium
from tests.support.servers import ROOT, ServersMissing, debian_programs

# These bring servers of their own, or need none: another PostgreSQL would change nothing for them. The rest is looked
# through for the tests that ask for this run's servers (`--on-servers`).
WITHOUT_SERVERS = (
    "tests/architecture",
    "tests/cli",
    "tests/console",
    "tests/docs",
    "tests/foundation/embedded",
    "tests/image",
    "tests/infra",
    "tests/operations/clouds",
    "tests/operations/transfer",
    "tests/provider",
    "tests/proofs/test_contract.py",
    "tests/proofs/test_moves.py",
    "tests/proofs/test_wire.py",
)
BROWSER = "tests/browser"
CLOSING_LINE = re.compile(r"\b(passed|failed|errors?|skipped|no tests ran)\b.* in [\d.]+s")
NOTHING_COLLECTED = 5


@dataclass(kw_only=True)
class Stage:
    """One run of pytest, and what came of it."""

    name: str
    title: str
    arguments: list[str]
    missing: Callable[[], str | None]
    """Why this machine cannot run it, or None."""

    closing: str = ""
    code: int = 0
    seconds: float = 0.0
    left_out: Counter[str] = field(default_factory=Counter[str])


def stages() -> list[Stage]:
    """All there is to run, in order."""
    return [
        Stage(
            name="embedded",
            title="embedded PostgreSQL 18 and Valkey",
            arguments=["--servers=embedded", f"--ignore={BROWSER}"],
            missing=lambda: None,
        ),
        Stage(
            name="debian",
            title="Debian's PostgreSQL 15 and Redis 7",
            arguments=[
                "--servers=debian",
                "--on-servers",
                *[f"--ignore={place}" for place in (BROWSER, *WITHOUT_SERVERS)],
            ],
            missing=_missing_servers,
        ),
        Stage(
            name="browser",
            title="the browser stories in Chromium",
            arguments=["-n0", BROWSER],
            missing=_missing_browser,
        ),
    ]


def run(stage: Stage, arguments: list[str]) -> None:
    """Run it, show its output as it comes, keep its closing line and what it skipped."""
    print(f"\n=== {stage.title}", flush=True)
    with tempfile.TemporaryDirectory(prefix="cloudbill-run-") as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--tb=short",
            f"-n{_workers()}",
            "--dist=worksteal",  # neighbours stay together, and share what their module or folder started
            "-ojunit_family=xunit1",
            f"--junitxml={report}",
        ]
        color = ["--color=yes"] if sys.stdout.isatty() else []
        started = time.monotonic()
        process = subprocess.Popen(
            [*command, *color, *stage.arguments, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", line).strip("= \n")
            if CLOSING_LINE.search(plain):
                stage.closing = plain
        stage.code = process.wait()
        stage.seconds = time.monotonic() - started
        if report.exists():
            stage.left_out = _skipped(report)


def main(arguments: list[str]) -> int:
    """Run what can be run; the exit code."""
    parser = argparse.ArgumentParser(prog="make test", description=__doc__, add_help=True)
    parser.add_argument("--only", choices=[stage.name for stage in stages()], action="append")
    chosen, for_pytest = parser.parse_known_args(arguments)
    started = time.monotonic()
    done: list[Stage] = []
    left_out: list[str] = []
    for stage in stages():
        if chosen.only and stage.name not in chosen.only:
            left_out.append(f"{stage.title}: not asked for (--only)")
        elif reason := stage.missing():
            left_out.append(f"{stage.title}: {reason}")
        else:
            run(stage, [argument for argument in for_pytest if argument != "--"])
            done.append(stage)
            left_out += [f"{stage.name}: {count} x {reason}" for reason, count in sorted(stage.left_out.items())]
    print(f"\n=== {time.monotonic() - started:.0f} s in all")
    for stage in done:
        print(f"{stage.title}: {stage.closing or f'ended with {stage.code}'}")
    print("left out: " + ("nothing" if not left_out else ""))
    for line in left_out:
        print(f"  {line}")
    codes = [stage.code for stage in done]
    failed = [code for code in codes if code not in (0, NOTHING_COLLECTED)]
    if failed:
        return failed[0]
    return 0 if 0 in codes else NOTHING_COLLECTED


def _workers() -> int:
    # One more than there are cores, since many tests wait for processes that they started; more than four only fight
    # for the same database server.
    return min(4, (os.cpu_count() or 1) + 1)


def _missing_servers() -> str | None:
    try:
        debian_programs()
    except ServersMissing as reason:
        return str(reason)
    return None


def _missing_browser() -> str | None:
    if not any((ROOT / BROWSER).glob("test_*.py")):
        return "there are none"
    return None if find_chromium() else "no Chromium found (apt install chromium)"


def _skipped(report: Path) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("skipped"):  # our own pytest wrote it
        reasons[re.sub(r"^Skipped: ", "", case.get("message") or "no reason given")] += 1
    return reasons


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
