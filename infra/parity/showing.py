"""A comparison as people and as programs read it."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.parity.capability import Sighting
from infra.parity.comparing import Comparison, Gap, Row, State

COLORS = {State.BOTH: "green", State.LESS: "yellow", State.MISSING: "yellow", State.NEITHER: "dim"}
CLOUDS = {"aws": "AWS", "gcp": "Google Cloud"}


def as_table(comparison: Comparison, console: Console) -> None:
    """One row a capability; then how many there are of each, and the gaps that nothing explains."""
    table = Table(title=_title(comparison), title_justify="left")
    for heading in _headings(comparison):
        table.add_column(escape(heading), overflow="fold")
    for row in comparison.rows:
        color = "bold red" if row in comparison.unexplained else COLORS[row.state]
        table.add_row(*(escape(cell) for cell in _cells(row)), style=color if row.state is not State.BOTH else None)
    console.print(table)
    for line in (_counted(comparison), *_unexplained(comparison)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def as_markdown(comparison: Comparison) -> str:
    """The same for a document."""
    headings = _headings(comparison)
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(cell.replace("|", r"\|") for cell in _cells(row)) + " |" for row in comparison.rows]
    return "\n".join([*lines, "", _counted(comparison), *_unexplained(comparison)])


def as_json(comparison: Comparison) -> str:
    """The same for programs; the same text for the same comparison."""
    whole = {
        side: {"stack": stack.graph.stack, "cloud": stack.graph.cloud, "environment": stack.environment}
        for side, stack in (("left", comparison.left), ("right", comparison.right))
    }
    rows = [
        {
            "area": row.capability.area,
            "name": row.capability.name,
            "state": row.state.value,
            "left": _entry(row.left),
            "right": _entry(row.right),
            "gap": _gap_entry(row.gap),
        }
        for row in comparison.rows
    ]
    counts = {state.value: comparison.count(state) for state in State}
    counts["unexplained"] = len(comparison.unexplained)
    return json.dumps({**whole, "counts": counts, "capabilities": rows}, indent=2, ensure_ascii=False)


def _headings(comparison: Comparison) -> list[str]:
    sides = [
        f"{stack.graph.stack} ({CLOUDS.get(stack.graph.cloud, stack.graph.cloud)})"
        for stack in (comparison.left, comparison.right)
    ]
    return ["Capability", *sides, "Gap"]


def _title(comparison: Comparison) -> str:
    return f"{comparison.left.graph.stack} and {comparison.right.graph.stack}, side by side"


def _cells(row: Row) -> list[str]:
    return [f"{row.capability.area}: {row.capability.name}", _cell(row.left), _cell(row.right), _explained(row.gap)]


def _cell(found: Sighting | None) -> str:
    if found is None:
        return "none"
    kind = found.type.partition(":")[2].rpartition(":")[0]
    return f"{kind} {found.path}: {found.value}" if found.path else f"{kind}: {found.value}"


def _explained(gap: Gap | None) -> str:
    if gap is None:
        return ""
    return f"{gap.stack}: {gap.text} ({gap.page})" if gap.is_explained else f"{gap.stack}: nothing explains it"


def _counted(comparison: Comparison) -> str:
    counted = ", ".join(f"{comparison.count(state)} {state.value}" for state in State)
    return f"{len(comparison.rows)} capabilities: {counted}; {len(comparison.unexplained)} gaps without an explanation"


def _unexplained(comparison: Comparison) -> list[str]:
    return [
        f"{row.gap.stack} lacks {row.capability.area}: {row.capability.name}. Give it to the program, or say in "
        "infra/parity/explanations.py which feature is missing and which page says so"
        for row in comparison.unexplained
        if row.gap is not None
    ]


def _entry(found: Sighting | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"resource": found.resource, "type": found.type, "path": found.path, "value": found.value}


def _gap_entry(gap: Gap | None) -> dict[str, Any] | None:
    if gap is None:
        return None
    return {"stack": gap.stack, "explained": gap.is_explained, "text": gap.text, "page": gap.page}
