"""`cloudbill bootstrap`: what Pulumi itself needs before it can build a stack."""

import re
from pathlib import Path
from typing import Annotated

import typer

from core.operations.clouds.groundwork.open import groundwork
from core.operations.clouds.groundwork.parts import Outcome, Repository, lay
from core.operations.deployments.sources import ask_git
from core.operations.rollouts.errors import InvalidRollout
from core.operations.rollouts.project import Project

app = typer.Typer()
SOURCES = Path(__file__).parents[2]
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_WORDS = {"there": "there", "made": "made", "missing": "would make"}


@app.command()
def bootstrap(
    stack: Annotated[str, typer.Argument(help="A stack that has a file: prod, prod-gcp, staging, …")],
    repository: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="On GitHub; by default that of the remote `origin`."),
    ] = None,
    no_pipeline: Annotated[
        bool, typer.Option("--no-pipeline", help="Only the state and its key: nobody deploys from GitHub.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look, and change nothing.")] = False,
) -> None:
    """Make the state's bucket, its key and the pipeline's identity. A second run changes nothing.

    Runs with the credentials of an administrator of the account or project, once; the pipeline gets less.
    """
    project = Project.find(Path.cwd(), SOURCES)
    place, config = project.place(stack), project.config(stack)
    deploys = None if no_pipeline else Repository(name=_repository(repository, project.root), environment=stack)
    database: dict[str, str] = config.get("database") or {}
    backups = database.get("backupRegion")
    ground = groundwork(place, stack, deploys, regions=[backups] if backups else [])
    outcomes = lay(ground.parts(), dry_run=dry_run, tell=_tell)
    changed = sum(outcome.state != "there" for outcome in outcomes)
    if dry_run:
        typer.echo(f"{changed} of {len(outcomes)} parts would be made; nothing was changed")
        return
    typer.echo(f"{changed} of {len(outcomes)} parts were made, the others were there")
    typer.echo("\nNext:")
    for command in ground.next_commands():
        typer.echo(f"  {command}")
    if deploys is not None:
        typer.echo(
            f"\nOn GitHub, in {deploys.name}, Settings > Environments, make {stack} (with reviewers) and "
            f"{stack}-preview, and give both these variables; none is a secret:"
        )
        for name, value in ground.pipeline_settings().items():
            typer.echo(f"  {name}={value}")


def _tell(outcome: Outcome) -> None:
    typer.echo(f"{_WORDS[outcome.state]:<12}{outcome.title}" + (f" ({outcome.found})" if outcome.found else ""))


def _repository(given: str | None, root: Path) -> str:
    name = given or _origin(root)
    if name is None:
        raise InvalidRollout(
            "whose pipeline may deploy is not known, since the remote origin is not on GitHub: give --repository "
            "OWNER/NAME, or --no-pipeline"
        )
    if not _REPOSITORY.fullmatch(name):
        raise InvalidRollout(f"--repository is {name!r}: it must be OWNER/NAME, as GitHub shows it")
    return name


def _origin(root: Path) -> str | None:
    found = re.search(
        r"github\.com[:/](?P<name>[^/]+/[^/]+?)(?:\.git)?/?$", ask_git(root, "remote", "get-url", "origin") or ""
    )
    return found["name"] if found else None
