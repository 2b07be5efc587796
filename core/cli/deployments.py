"""`cloudbill deployments`: what an installation knows of its stacks, and adding to it."""

import os
import time
from typing import Annotated

import typer

from core.foundation.errors import CloudBillError
from core.foundation.settings import SettingsInvalid, load_settings
from core.operations.deployments.recording import Keeper, deployment_of, list_stacks, source_digest

app = typer.Typer(no_args_is_help=True)

Api = Annotated[str | None, typer.Option("--api", help="The API's address.", show_default="this installation's")]


@app.command()
def record(
    names: Annotated[list[str] | None, typer.Argument(metavar="STACK|GRAPH.json", help="One or more.")] = None,
    api: Api = None,
    every: Annotated[bool, typer.Option("--all", help="Every stack that has a file.")] = False,
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="Only where program, prices or configuration changed since.")
    ] = False,
    in_background: Annotated[bool, typer.Option("--in-background", hidden=True)] = False,
) -> None:
    """Record stacks offline and keep graph, policies and estimate with an installation.

    CLOUDBILL_EMAIL and CLOUDBILL_PASSWORD are an operator's sign-in; on this machine the first operator's is known.
    """
    if bool(names) == every:
        raise typer.BadParameter("give stacks or recorded graphs, or --all")
    if in_background:
        os.nice(10)
    failed = 0
    with sign_in(api) as keeper:
        for name in names or list_stacks():
            failed += not _record(keeper, name, if_changed=if_changed)
    if failed:
        raise typer.Exit(1)


@app.command(name="list")
def list_deployments(
    stack: Annotated[str | None, typer.Option(help="Only of this stack.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, newest first.")] = 20,
    api: Api = None,
) -> None:
    """List deployments and recorded stacks, newest first."""
    with sign_in(api) as keeper:
        rows = keeper.list_deployments(stack, limit)
    if not rows:
        typer.echo("No deployment is kept. `cloudbill deployments record STACK` adds one.")
    for row in rows:
        monthly = f"{row['monthly']} {row['currency']} a month" if row["monthly"] else "no estimate"
        typer.echo(f"{row['recordedAt']}  {row['stack']:<12} {row['outcome']:<10} {monthly:<24} {row['deploymentId']}")


def _record(keeper: Keeper, name: str, *, if_changed: bool) -> bool:
    """Whether it is kept now; one that cannot be recorded does not keep the others from it."""
    started = time.monotonic()
    try:
        if if_changed and not name.endswith(".json") and keeper.is_kept(name, source_digest(name)):
            typer.echo(f"{name}: unchanged")
            return True
        kept = keeper.keep(deployment_of(name))
    except CloudBillError as error:
        typer.echo(f"cloudbill: {name}: {error.detail}", err=True)
        return False
    typer.echo(f"{name}: kept as {kept['deploymentId']} in {time.monotonic() - started:.1f} s")
    if kept["estimateError"]:
        typer.echo(f"cloudbill: {name} has no estimate: {kept['estimateError']}", err=True)
    return True


def sign_in(api: str | None) -> Keeper:
    """As CLOUDBILL_EMAIL, or as the first operator of the installation on this machine."""
    from core.cli.supervisor.environment import OPERATOR_EMAIL, local_api_url
    from core.cli.supervisor.home import Home

    address = api or local_api_url(load_settings())
    email, password = os.environ.get("CLOUDBILL_EMAIL"), os.environ.get("CLOUDBILL_PASSWORD")
    if api is None and not (email or password):
        email, password = OPERATOR_EMAIL, Home.find().secrets.find("operator-password")
    if not email or not password:
        raise SettingsInvalid("CLOUDBILL_EMAIL and CLOUDBILL_PASSWORD are not set: give an operator's sign-in")
    return Keeper.sign_in(address, email=email, password=password)
