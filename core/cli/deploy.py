"""`cloudbill deploy`: a stack brought up, watched and written down."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import httpx
import typer

from core.cli.tables import draw
from core.foundation.addresses import is_local
from core.foundation.clock import wall_now
from core.foundation.settings import load_settings
from core.operations.rollouts.deploying import Surroundings, Wanted
from core.operations.rollouts.deploying import deploy as run_deployment
from core.operations.rollouts.deploying import preview as run_preview
from core.operations.rollouts.errors import NotConfirmed
from core.operations.rollouts.journal import Journals
from core.operations.rollouts.preflight import Checked
from core.operations.rollouts.program import image_given
from core.operations.rollouts.project import Project
from core.operations.rollouts.telling import secret_given
from core.operations.smoke.steps import take
from core.operations.smoke.story import Story

app = typer.Typer()
SOURCES = Path(__file__).parents[2]


@app.command()
def deploy(
    stack: Annotated[str, typer.Argument(help="A stack that has a file: prod, prod-gcp, staging, …")],
    image: Annotated[
        str | None, typer.Option(metavar="REPOSITORY@sha256:DIGEST", help="A published image of the application.")
    ] = None,
    collector: Annotated[
        str | None, typer.Option(metavar="REPOSITORY@sha256:DIGEST", help="A published image of the collector.")
    ] = None,
    build: Annotated[
        bool, typer.Option("--build", help="Build both images from these sources, whatever the stack's file says.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would be done, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only go on with one that stopped; a plain start does so by itself.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew, even where one stopped on the way.")] = False,
    notify: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A webhook that is told how it ended, signed with CLOUDBILL_NOTIFY_SECRET."),
    ] = None,
    api: Annotated[
        str | None, typer.Option(metavar="URL", help="Where it is recorded; by default the API of the stack itself.")
    ] = None,
) -> None:
    """Bring a stack up with Pulumi: check, snapshot the database, update, smoke-test, record, tell.

    One that stopped goes on where it stopped. It is recorded with an operator's CLOUDBILL_EMAIL, CLOUDBILL_PASSWORD.
    """
    for url, option in ((notify, "--notify"), (api, "--api")):
        if url is not None and not url.startswith(("http://", "https://")):
            raise typer.BadParameter("must begin with http:// or https://", param_hint=option)
    wanted = Wanted(
        stack=stack,
        image=image_given(image, "--image") if image else None,
        collector=image_given(collector, "--collector") if collector else None,
        build=build,
        resume=resume,
        fresh=fresh,
        notify=notify,
        api=api,
    )
    around = surroundings(yes=yes)
    if preview:
        if image or collector or build or resume or fresh:
            raise typer.BadParameter("changes nothing: give the stack alone", param_hint="--preview")
        changes = run_preview(wanted, around)
        typer.echo(", ".join(f"{count} {kind}" for kind, count in sorted(changes.items())) or "nothing would change")
        return
    journal = run_deployment(wanted, around)
    typer.echo(f"{stack} is deployed ({journal.id})")


def surroundings(*, yes: bool) -> Surroundings:
    """Of this process: its folder, environment and terminal."""
    project = Project.find(Path.cwd(), SOURCES)

    def confirm(question: str) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            raise NotConfirmed(f"{question} Nobody can answer here: give --yes")
        if not typer.confirm(question):
            raise NotConfirmed("nothing was changed")

    key = os.environ.get("CLOUDBILL_NOTIFY_SECRET")
    return Surroundings(
        project=project,
        journals=Journals(project.root / ".cloudbill" / "deployments"),
        now=wall_now,
        say=typer.echo,
        show=_show,
        confirm=confirm,
        smoke=_smoke,
        email=os.environ.get("CLOUDBILL_EMAIL"),
        password=os.environ.get("CLOUDBILL_PASSWORD"),
        notify_key=secret_given(key) if key else None,
    )


def _show(checked: Checked) -> None:
    draw(checked.costs)
    for one in checked.policies:
        typer.echo(f"waived: {one['rule']} at {one['resource']}")


def _smoke(url: str) -> list[str]:
    async def story() -> list[str]:
        async with httpx.AsyncClient(base_url=url, timeout=15, trust_env=not is_local(url)) as client:
            results = await take(
                Story(client=client, address=url, settings=load_settings()).steps(),
                lambda result: typer.echo(f"  {result.outcome:<8}{result.step:<26}{result.detail}"),
            )
        return [result.step for result in results if result.outcome == "fail"]

    return asyncio.run(story())
