"""`cloudbill restored`: the servers that restores made: look into them, put one in place, throw them away."""

import os
from typing import Annotated

import typer

from core.cli import cloud_backups
from core.cli.cloud_backups import Stack
from core.cli.supervisor.environment import runs_outside
from core.cli.supervisor.errors import StartRefused
from core.cli.supervisor.home import Home
from core.foundation.embedded.ports import LOOPBACK
from core.foundation.embedded.postgres import DATABASE, OWNER
from core.foundation.settings import load_settings
from core.operations.backups.programs import server_programs
from core.operations.backups.restoring import Restores

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the restore was called.")]


@app.callback()
def group() -> None:
    """Servers that restores made."""


@app.command(name="list")
def list_restored() -> None:
    """List them, and whether they run."""
    restores = Restores(load_settings())
    names = restores.names()
    if not names:
        typer.echo("Nothing was restored here.")
    for name in names:
        port = restores.port(name)
        typer.echo(f"{name:<20} {f'runs at {LOOPBACK}:{port}' if port else 'does not run'}")


@app.command()
def start(name: Name) -> None:
    """Start one that was stopped."""
    restores = Restores(load_settings())
    server = restores.server(name)
    if port := restores.port(name):
        typer.echo(f"{name} runs at {LOOPBACK}:{port}.")
        return
    server.start()
    typer.echo(f"{name} runs at {server.host}:{server.port}.")


@app.command()
def stop(name: Name) -> None:
    """Stop one; its data stays."""
    ended = Restores(load_settings()).stop(name)
    typer.echo(f"{name} was stopped." if ended else f"{name} does not run.")


@app.command()
def use(name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Put one in the place of the embedded database, which is set aside. CloudBill must be down."""
    from core.operations.recovery.adopting import adopt

    settings, home = load_settings(), Home.find()
    if runs_outside(home) or settings.db_host is not None:
        raise StartRefused("The database here is not the embedded one: point DATABASE_URL at the restored server.")
    if home.is_held():
        raise StartRefused("CloudBill runs: stop it with `cloudbill down` first, then run this again.")
    server = Restores(settings).server(name)
    if not yes and not typer.confirm(f"Put {server.data_dir} in the place of {home.postgres}, which is set aside?"):
        raise typer.Exit(1)
    adopted = adopt(settings, name)
    for path in adopted.set_aside:
        typer.echo(f"Set aside: {path}")
    if adopted.shortened:
        typer.echo(
            f"{adopted.shortened} tenants' ledgers had gone on after that instant: what was booked then is lost."
        )
    if adopted.erased:
        typer.echo(f"{adopted.erased} persons who were erased are erased in it, too.")
    typer.echo("In place. `make up` starts it; its worker waits until `cloudbill recovery release`.")


@app.command()
def drop(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    stack: Stack = None,
) -> None:
    """Stop one and delete all of it."""
    if stack:
        cloud_backups.drop(stack, name, yes=yes)
        return
    restores = Restores(load_settings())
    server = restores.server(name)
    if not yes and not typer.confirm(f"Delete the restored server {name} in {server.data_dir.parent}?"):
        raise typer.Exit(1)
    restores.drop(name)
    typer.echo(f"{name} is gone.")


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def psql(context: typer.Context, name: Name) -> None:
    """Look into one with psql, as the owner; what follows `--` is psql's."""
    restores = Restores(load_settings())
    server, port = restores.server(name), restores.port(name)
    if port is None:
        raise typer.BadParameter(f"{name} does not run: `cloudbill restored start {name}`", param_hint="NAME")
    version = (server.data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
    program = str(server_programs(version) / "psql")
    words = ["-h", LOOPBACK, "-p", str(port), "-U", OWNER, "-d", DATABASE, *context.args]
    password = server.secrets.find(f"postgres-{OWNER}") or ""
    os.execve(program, [program, *words], {**os.environ, "PGPASSWORD": password})  # noqa: S606 - psql is the terminal's now
