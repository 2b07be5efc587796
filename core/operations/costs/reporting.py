"""What `cloudbill cost` answers: one estimate, two side by side, or what a change costs."""

import subprocess
import tempfile
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.operations.costs.graphs import ROOT, GraphUnavailable, find_graph, record
from infra.costs import StackGraph
from infra.costs.compare import changes, compare
from infra.costs.estimate import Estimate, estimate
from infra.costs.focus import to_csv
from infra.costs.render import Grid, changes_grid, comparison_grid, estimate_grid, markdown
from infra.costs.usage import find_usage


@dataclass(frozen=True)
class Report:
    """The answer in the forms in which it is wanted; `monthly` is that of the stack that was asked for."""

    stack: str
    monthly: Decimal
    document: dict[str, Any]
    grid: Grid
    focus: str

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        return markdown(self.grid)


def report(
    stack: str, *, other: str | None = None, against: str | None = None, usage: str = "base", today: date
) -> Report:
    """The stack alone, beside another one, or as it was at a commit. Raises CostError or GraphUnavailable."""
    profile = find_usage(usage)
    priced = estimate(find_graph(stack), usage=profile, today=today)
    document, grid = priced.to_dict(), estimate_grid(priced)
    if other:
        comparison = compare(priced, estimate(find_graph(other), usage=profile, today=today))
        document, grid = comparison.to_dict(), comparison_grid(comparison)
    elif against:
        before = estimate(_at(against, priced.stack), usage=profile, today=today)
        document, grid = _change(before, priced, against)
    return Report(priced.stack, priced.monthly, document, grid, to_csv(priced, month=today))


def _change(before: Estimate, after: Estimate, reference: str) -> tuple[dict[str, Any], Grid]:
    changed = changes(before, after)
    document = {
        "before": before.to_dict(),
        "after": after.to_dict(),
        "changes": [
            {"resource": resource, "item": item, "before": str(was), "after": str(is_now)}
            for resource, item, was, is_now in changed
        ],
    }
    return document, changes_grid(after, changed, reference)


def _at(reference: str, stack: str) -> StackGraph:
    """The stack's graph by the program of a commit, in a work tree of its own."""
    with tempfile.TemporaryDirectory(prefix="cloudbill-cost-") as folder:
        tree = Path(folder) / "tree"
        if _git("worktree", "add", "--detach", str(tree), reference) != 0:
            raise GraphUnavailable(f"{reference!r} is no commit of this repository")
        try:
            return record(stack, root=tree)
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> int:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False).returncode  # noqa: S607
