"""`cloudbill cost`: what a stack costs a month, before it is spent."""

import subprocess
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from core.operations.costs.graphs import ROOT, GraphUnavailable, find_graph, record
from infra.costs.compare import changes, compare
from infra.costs.estimate import Estimate, estimate
from infra.costs.focus import to_csv
from infra.costs.render import Grid, changes_grid, comparison_grid, estimate_grid, markdown
from infra.costs.usage import find_usage

app = typer.Typer()
OVER_BUDGET = 3


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    FOCUS = "focus"


@app.command()
def cost(
    stack: Annotated[str, typer.Argument(help="A stack (prod, prod-gcp, …), or a recorded graph: GRAPH.json.")],
    other: Annotated[
        str | None, typer.Option("--compare", metavar="STACK2", help="Another stack or graph beside it.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="GITREF", help="What it cost at a commit, and what the change costs.")
    ] = None,
    usage: Annotated[
        str, typer.Option(metavar="small|base|large|FILE", help="How much it is used in a month.")
    ] = "base",
    output: Annotated[
        Format, typer.Option("--format", help="focus: CSV in the shape of the FOCUS specification.")
    ] = Format.TABLE,
    budget: Annotated[
        float | None, typer.Option(min=0, help=f"USD a month; above it the exit code is {OVER_BUDGET}.")
    ] = None,
) -> None:
    """Price a stack from its own resources, line by line, offline and without an account.

    `low`, `monthly` and `high` are the usage profiles small, base and large; --usage chooses what `monthly` means.
    """
    if output is Format.FOCUS and (other or against):
        raise typer.BadParameter(
            "one estimate has that shape: leave out --compare and --against", param_hint="--format"
        )
    if other and against:
        raise typer.BadParameter("compares with one thing at a time: leave out --compare", param_hint="--against")
    profile, now = find_usage(usage), datetime.now(tz=UTC)

    def price(name: str) -> Estimate:
        return estimate(find_graph(name), usage=profile, today=now.date())

    priced = price(stack)
    document: dict[str, Any]
    if other:
        comparison = compare(priced, price(other))
        document, grid = comparison.to_dict(), comparison_grid(comparison)
    elif against:
        before = estimate(_at(against, priced.stack), usage=profile, today=now.date())
        changed = changes(before, priced)
        grid = changes_grid(priced, changed, against)
        document = {
            "before": before.to_dict(),
            "after": priced.to_dict(),
            "changes": [
                {"resource": resource, "item": item, "before": str(was), "after": str(is_now)}
                for resource, item, was, is_now in changed
            ],
        }
    else:
        document, grid = priced.to_dict(), estimate_grid(priced)
    match output:
        case Format.JSON:
            typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        case Format.MARKDOWN:
            typer.echo(markdown(grid))
        case Format.FOCUS:
            typer.echo(to_csv(priced, month=now.date()), nl=False)
        case Format.TABLE:
            _draw(grid)
    if budget is not None and priced.monthly > Decimal(str(budget)):
        typer.echo(f"cloudbill: {priced.stack} is {priced.monthly} a month, over the budget of {budget:g}", err=True)
        raise typer.Exit(OVER_BUDGET)


def _at(reference: str, stack: str) -> Any:
    """The stack's graph by the program of a commit."""
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


def _draw(grid: Grid) -> None:
    table = Table(title=grid.title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for place, heading in enumerate(grid.headings):
        table.add_column(heading, justify="right" if place in grid.numbers else "left", overflow="fold")
    for place, row in enumerate(grid.rows):
        table.add_row(*row, style="bold" if place in grid.strong else None)
    console = Console()
    console.print(table)
    for note in grid.notes:
        console.print(note, style="dim", highlight=False, soft_wrap=True)
