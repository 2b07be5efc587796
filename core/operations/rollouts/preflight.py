"""What is looked at before anything is created: the program, the rules, the bill."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.operations.deployments.recording import findings_in, rules_applied
from core.operations.rollouts.errors import PoliciesBroken, ProgramRefused, ToolMissing
from core.operations.rollouts.project import Project
from infra.costs import StackGraph, read_graph
from infra.costs.compare import changes
from infra.costs.estimate import estimate
from infra.costs.render import Grid, changes_grid, estimate_grid
from infra.costs.usage import find_usage

_SHOWN = 5
"""Violations in one sentence; the command that shows all of them is named."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A program that may be deployed."""

    graph: dict[str, Any]
    policies: list[dict[str, Any]]
    """Violations that are waived: there are no others."""
    rules_held: int
    rules_applied: int
    monthly: Decimal
    costs: Grid
    """What the change costs where an earlier graph is known, else what the stack costs."""


def record(project: Project, stack: str) -> str:
    """The graph as JSON, recorded in a process of its own. Raises ProgramRefused."""
    done = _module(project.root, "infra.graph", stack)
    if done.returncode != 0:
        raise ProgramRefused(f"the program does not run for {stack}: {_said(done, 'infra.graph')}")
    return done.stdout


def check(project: Project, stack: str, *, before: Path, work: Path, today: date) -> Checked:
    """Records, judges and prices. `before` may hold the graph that was deployed last; `work` takes the new one."""
    text = record(project, stack)
    work.write_text(text, encoding="utf-8")
    graph = json.loads(text)
    done = _module(project.root, "infra.policies", str(work), "--format", "json")
    if done.returncode not in (0, 1):
        raise ProgramRefused(f"the rules could not be held to {stack}: {_said(done, 'infra.policies')}")
    judged = json.loads(done.stdout)
    broken = findings_in(judged, "violations")
    if broken:
        shown = "; ".join(f"{one['rule']} at {one['resource']}: {one['message']}" for one in broken[:_SHOWN])
        raise PoliciesBroken(
            f"{len(broken)} violations of the rules: {shown}. All of them: python -m infra.policies {stack}"
        )
    priced = estimate(read_graph(text), usage=find_usage("base"), today=today)
    earlier = _earlier(before)
    if earlier is None:
        costs = estimate_grid(priced)
    else:
        changed = changes(estimate(earlier, usage=find_usage("base"), today=today), priced)
        costs = changes_grid(priced, changed, "what is deployed")
    return Checked(
        graph=graph,
        policies=findings_in(judged, "waived"),
        rules_held=judged["counts"]["pass"],
        rules_applied=rules_applied(judged),
        monthly=priced.monthly,
        costs=costs,
    )


def tools(graph: dict[str, Any]) -> list[str]:
    """The commands that the update calls, all there. Raises ToolMissing."""
    needed = ["pulumi"]
    if any(resource["type"] == "docker-build:index:Image" for resource in graph["resources"]):
        needed.append("docker")
    for name in needed:
        if shutil.which(name) is None:
            raise ToolMissing(
                f"the command {name} is not on PATH, and the program builds its images with it: install it, or give "
                "published images with --image and --collector"
            )
    return needed


def _earlier(path: Path) -> StackGraph | None:
    return read_graph(path.read_text(encoding="utf-8")) if path.is_file() else None


def _module(root: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", name, *words], cwd=root, capture_output=True, text=True, check=False, timeout=300
    )


def _said(done: subprocess.CompletedProcess[str], name: str) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if any("No module named 'pulumi'" in line for line in lines):
        return "Pulumi's packages are not installed here (make install)"
    own = [line.removeprefix(f"{name}: ") for line in lines if line.startswith(f"{name}: ")]
    rest = lines[lines.index(f"{name}: {own[0]}") + 1 :] if own else lines[-1:]
    return "; ".join([*own, *rest]) or "it said nothing"
