"""`cloudbill destroy`: a stack taken down, after a last backup."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from core.foundation.clock import wall_now
from core.operations.rollouts.destroying import Ending
from core.operations.rollouts.destroying import destroy as run_destruction
from core.operations.rollouts.errors import NotConfirmed
from core.operations.rollouts.journal import Journals
from core.operations.rollouts.project import Project

app = typer.Typer()
SOURCES = Path(__file__).parents[2]


@app.command()
def destroy(
    stack: Annotated[str, typer.Argument(help="A stack that has a file: dev, staging, …")],
    yes_destroy: Annotated[
        str | None, typer.Option("--yes-destroy", metavar="NAME", help="The stack's name again: do not ask.")
    ] = None,
) -> None:
    """Take a stack down: a last backup, protections off, `pulumi destroy`; then say what remains and what it costs.

    One that stopped goes on where it stopped.
    """
    project = Project.find(Path.cwd(), SOURCES)

    def confirmed(question: str) -> str:
        if yes_destroy is not None:
            return yes_destroy
        if not sys.stdin.isatty():
            raise NotConfirmed(f"{question} Nobody can answer here: give --yes-destroy {stack}")
        return typer.prompt(f"{question} Type its name to go on")

    left = run_destruction(
        stack,
        Ending(
            project=project,
            journals=Journals(project.root / ".cloudbill" / "deployments"),
            now=wall_now,
            say=typer.echo,
            confirmed=confirmed,
        ),
    )
    typer.echo(f"\n{stack} is gone. What remains, USD a month, and how it is removed:")
    for one in left:
        cost = "by use" if one.monthly is None else f"{one.monthly:.2f}"
        typer.echo(f"  {cost:>8}  {one.what}: {one.how}")
