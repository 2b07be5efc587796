"""`cloudbill cost`: what a stack costs a month, before it is spent."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import orjson
import typer

from core.cli.tables import draw
from core.foundation.clock import wall_now
from core.operations.costs.reporting import report

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
    answer = report(stack, other=other, against=against, usage=usage, today=wall_now().date())
    match output:
        case Format.JSON:
            typer.echo(orjson.dumps(answer.document, option=orjson.OPT_INDENT_2).decode())
        case Format.MARKDOWN:
            typer.echo(answer.markdown)
        case Format.FOCUS:
            typer.echo(answer.focus, nl=False)
        case Format.TABLE:
            draw(answer.grid)
    if budget is not None and answer.monthly > Decimal(str(budget)):
        typer.echo(f"cloudbill: {answer.stack} is {answer.monthly} a month, over the budget of {budget:g}", err=True)
        raise typer.Exit(OVER_BUDGET)
