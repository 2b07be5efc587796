"""`cloudbill cost`: what a stack costs a month, before it is spent, and what could be saved of it."""

from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from core.cli.default_command import DefaultCommand
from core.cli.deployments import sign_in
from core.cli.grids import Format, TableFormat, show
from core.foundation.clock import wall_now
from core.operations.costs.reporting import Question, actual_report, report, savings_report, scenarios_report
from core.operations.costs.showing import Selection, month_of

app = typer.Typer(cls=DefaultCommand, no_args_is_help=True)
OVER_BUDGET = 3
OFF = 4

Stack = Annotated[str, typer.Argument(help="A stack (prod, prod-gcp, …), or a recorded graph: GRAPH.json.")]
UsageName = Annotated[str, typer.Option(metavar="small|base|large|FILE", help="How much it is used in a month.")]


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is no number: it is USD a month, like 1500 or 1500.50") from None
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter(f"{text!r} is no budget: it is USD a month, 0 or more")
    return amount


@app.command(
    epilog="More: cloudbill cost savings, scenarios, actual; each has its --help. Prices: cloudbill prices refresh."
)
def estimate(
    stack: Stack,
    other: Annotated[
        str | None, typer.Option("--compare", metavar="STACK2", help="Another stack or graph beside it.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="GITREF", help="What it cost at a commit, and what the change costs.")
    ] = None,
    usage: UsageName = "base",
    output: Annotated[
        Format, typer.Option("--format", help="focus: CSV in the shape of the FOCUS specification.")
    ] = Format.TABLE,
    budget: Annotated[
        Decimal | None,
        typer.Option(parser=_amount, metavar="USD", help=f"A month; above it the exit code is {OVER_BUDGET}."),
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
    if output is Format.FOCUS:
        typer.echo(answer.focus, nl=False)
    else:
        show(answer.grid, answer.document, output.value)
    if budget is not None and answer.monthly > budget:
        typer.echo(f"cloudbill: {answer.stack} is {answer.monthly} a month, over the budget of {budget:f}", err=True)
        raise typer.Exit(OVER_BUDGET)


@app.command()
def savings(
    stack: Stack,
    usage: UsageName = "base",
    output: Annotated[TableFormat, typer.Option("--format", help="A table, JSON or Markdown.")] = TableFormat.TABLE,
) -> None:
    """Say what could be saved a month, how, and what it costs otherwise.

    Each figure is the stack's own, priced with that change; those of one group exclude each other.
    """
    answer = savings_report(stack, usage=usage, today=wall_now().date())
    show(answer.grid, answer.document, output.value)


@app.command()
def scenarios(
    name: Annotated[str | None, typer.Argument(help="One of them, line by line; without it all.")] = None,
    output: Annotated[TableFormat, typer.Option("--format", help="A table, JSON or Markdown.")] = TableFormat.TABLE,
) -> None:
    """Set other estimates of the same installation beside ours, with the lines that explain the gap."""
    answer = scenarios_report(name, today=wall_now().date())
    show(answer.grid, answer.document, output.value)


def _month(text: str) -> date:
    try:
        return month_of(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no month: it has the form 2026-10") from None


def _tag(text: str) -> tuple[str, str]:
    tag, found, value = text.partition("=")
    if not found or not tag:
        raise typer.BadParameter(f"{text!r} is no tag: it has the form stack=prod")
    return tag, value


@app.command()
def actual(
    stack: Stack,
    month: Annotated[date, typer.Option(parser=_month, metavar="YYYY-MM", help="The month of the bill.")],
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="FOCUS, AWS CUR (2.0 or legacy) or Google billing export.")
    ] = None,
    cost_explorer: Annotated[
        bool, typer.Option("--cost-explorer", help="Ask AWS Cost Explorer instead of reading a file.")
    ] = False,
    account: Annotated[str | None, typer.Option(metavar="ID", help="Only this account's or project's charges.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="TAG=VALUE", help="Only charges with this tag; may be repeated.")
    ] = None,
    usage: UsageName = "base",
    threshold: Annotated[
        Decimal, typer.Option(parser=_amount, metavar="PERCENT", help=f"Beyond it the exit code is {OFF}.")
    ] = Decimal(15),
    output: Annotated[TableFormat, typer.Option("--format", help="A table, JSON or Markdown.")] = TableFormat.TABLE,
    store: Annotated[
        bool, typer.Option("--store", help="Keep the bill with an installation, for its console.")
    ] = False,
    api: Annotated[
        str | None, typer.Option(metavar="URL", help="That installation's API.", show_default="this one's")
    ] = None,
) -> None:
    """Set what a month really cost beside the estimate, line by line.

    Taxes, credits and refunds stand apart: an estimate has none.
    """
    if (export is None) is not cost_explorer:
        raise typer.BadParameter("one of --export FILE and --cost-explorer is needed", param_hint="--export")
    question = Question(
        month=month,
        export=export,
        selection=Selection(account=account, tags=dict(_tag(one) for one in tag or ())),
        threshold=threshold / 100,
    )
    answer, found, lines = actual_report(stack, question, usage=usage, today=wall_now().date())
    show(answer.grid, answer.document, output.value)
    if store:
        with sign_in(api) as keeper:
            keeper.keep_bill(found.stack, month=month, source=export.name if export else "Cost Explorer", lines=lines)
        typer.echo(f"kept: the bill of {found.stack} for {month:%Y-%m}", err=True)
    if found.alerts:
        for alert in found.alerts:
            typer.echo(f"cloudbill: over {threshold:f} %: {alert}", err=True)
        raise typer.Exit(OFF)
