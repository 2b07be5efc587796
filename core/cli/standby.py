"""`cloudbill standby`: servers on this machine that follow the embedded database and can take its place."""

from typing import Annotated

import typer

from core.foundation.settings import load_settings
from core.operations.clouds.local_standbys import LocalStandbys
from core.operations.failover.errors import StandbyFailed
from core.operations.failover.here import HOME, ServersHere

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the standby is called; `home` is the embedded database itself.")]


@app.callback()
def group() -> None:
    """Standbys of the embedded database."""


@app.command()
def create(name: Name) -> None:
    """Copy the primary into a new server that follows it."""
    endpoint = ServersHere(load_settings()).create(name, say=typer.echo)
    typer.echo(f"{name} follows at {endpoint}. What a failover would do: cloudbill failover plan")


@app.command(name="list")
def list_standbys() -> None:
    """The primary and who follows it."""
    standing = LocalStandbys(load_settings()).standing()
    servers = ServersHere(load_settings())
    typer.echo(f"{standing.name:<20} primary, {standing.state} at {servers.endpoint(standing.name)}")
    for one in standing.replicas:
        lag = "" if one.lag_seconds is None else f", {one.lag_seconds:.1f} s behind"
        typer.echo(f"{one.name:<20} {one.state} at {servers.endpoint(one.name)}{lag}")
    others = {standing.name, *(one.name for one in standing.replicas)}
    for name in servers.names():
        if name not in others:
            typer.echo(f"{name:<20} was a primary, and follows nobody: `cloudbill standby rebuild {name}`")


@app.command()
def start(name: Name) -> None:
    """Start one that was stopped."""
    typer.echo(f"{name} runs at {ServersHere(load_settings()).start(name)}.")


@app.command()
def stop(name: Name) -> None:
    """Stop one; its data stays."""
    servers = ServersHere(load_settings())
    if name in (HOME, servers.primary()):
        raise StandbyFailed(
            f"{name} is not stopped: it is {'the primary' if name == servers.primary() else 'home'}; "
            "`cloudbill down` stops everything, `cloudbill failover run` lets another one serve"
        )
    ended = servers.stop(name, rests=True)
    typer.echo(f"{name} was stopped." if ended else f"{name} does not run.")


@app.command()
def rebuild(name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Make an old primary follow the present one. What was written there alone is gone then."""
    servers = ServersHere(load_settings())
    servers.data(name)
    if name == servers.primary():
        raise StandbyFailed(f"{name} is the primary")
    if not yes and not typer.confirm(f"Make {name} anew from {servers.primary()}?"):
        raise typer.Exit(1)
    endpoint = servers.rebuild(name, say=typer.echo)
    typer.echo(f"{name} follows at {endpoint}. What a failover would do: cloudbill failover plan")


@app.command()
def drop(name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Stop one and delete all of it."""
    servers = ServersHere(load_settings())
    servers.data(name)
    if not yes and not typer.confirm(f"Delete the standby {name}?"):
        raise typer.Exit(1)
    servers.drop(name)
    typer.echo(f"{name} is gone.")
