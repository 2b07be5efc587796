"""schemathesis against a running API: whether the OpenAPI document tells the truth."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.servers import ROOT

PHASES = ("examples", "coverage", "fuzzing", "stateful")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What it found."""

    passed: bool
    report: str


def examine(
    url: str,
    *,
    owner: str,
    operator: str,
    seed: int,
    examples: int,
    seconds: int,
    phases: Sequence[str] = PHASES,
    only: str | None = None,
) -> Verdict:
    """All checks on all operations (or those whose path matches `only`), `examples` cases each, within `seconds`."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "schemathesis.toml"), "run"]
    command += [f"{url}/openapi.json", "--url", url, "--checks", "all", "--phases", ",".join(phases), "--no-color"]
    command += ["--seed", str(seed), "--max-examples", str(examples), "--max-failures", "60"]
    command += ["--include-path-regex", only] if only else []
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "CLOUDBILL_OWNER": owner, "CLOUDBILL_OPERATOR": operator, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Verdict(passed=done.returncode == 0, report=done.stdout + done.stderr)
