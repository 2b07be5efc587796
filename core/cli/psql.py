"""`cloudbill psql`: psql on a stack's database, by the cloud's own doors; `cloudbill hold`: a door's other end."""

import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

import typer

from core.operations.clouds.base import Place
from core.operations.clouds.tunnels import Login, login, needed, tunnel
from core.operations.rollouts.errors import InvalidRollout
from core.operations.rollouts.program import Program
from core.operations.rollouts.project import Project

app = typer.Typer()
SOURCES = Path(__file__).parents[2]


@app.command()
def psql(
    stack: Annotated[str, typer.Argument(help="A stack that is deployed: prod, prod-gcp, staging, …")],
    role: Annotated[
        Literal["operator", "app", "mover", "owner"],
        typer.Option("--as", help="operator reads all tenants; app sees none without a tenant; owner may do anything."),
    ] = "operator",
    command: Annotated[str | None, typer.Option("--command", "-c", help="SQL to run instead of a session.")] = None,
    run: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="A command to run with DATABASE_URL, instead of psql.")
    ] = None,
    minutes: Annotated[int, typer.Option(min=1, max=480, help="How long the way stays open at most.")] = 60,
    restored: Annotated[
        str | None, typer.Option(metavar="NAME", help="A database that a restore made beside the stack's own (AWS).")
    ] = None,
) -> None:
    """Open a session on a stack's database, which has no public address; the way is closed when it ends.

    The password is read from the cloud's secret store and is never shown.
    """
    if command and run:
        raise typer.BadParameter("is SQL for psql, and --run replaces psql: choose one", param_hint="--command")
    if not run:
        needed("psql", why="since it is what talks to the database (Debian, Ubuntu: apt install postgresql-client)")
    project = Project.find(Path.cwd(), SOURCES)
    place, outputs = project.place(stack), Program(project, stack).outputs().plain
    missing = [name for name in ("databaseEndpoint", "secretNames", "network") if not outputs.get(name)]
    if missing:
        raise InvalidRollout(f"{stack} gives out no {', '.join(missing)}: deploy it first (cloudbill deploy {stack})")
    if restored:
        outputs = {**outputs, "databaseEndpoint": _beside(place, restored)}
    who = login(place, outputs, role)
    where = restored or f"{stack}'s database"
    typer.echo(f"opening a way to {where}, as {role}", err=True)
    with tunnel(place, outputs, hold_minutes=minutes) as port, tempfile.TemporaryDirectory() as folder:
        # Ctrl-C is psql's: it cancels a statement there, and must not close the way.
        before = signal.signal(signal.SIGINT, _nothing)
        try:
            if run:
                environment = {**os.environ, "DATABASE_URL": _url(who, port)}
                code = subprocess.run(["/bin/sh", "-c", run], env=environment, check=False).returncode
            else:
                words = ["psql", "--no-password", *(["--command", command] if command else [])]
                code = subprocess.run(words, env=_environment(who, port, Path(folder)), check=False).returncode
        finally:
            signal.signal(signal.SIGINT, before)
    raise typer.Exit(code)


def hold(minutes: Annotated[int, typer.Option(min=1, max=480, help="Then it ends by itself.")] = 60) -> None:
    """Keep a one-off task open, for a session through it. `cloudbill psql` starts and stops it."""
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    ended.wait(minutes * 60)


def _beside(place: Place, name: str) -> str:
    if place.cloud != "aws":
        raise typer.BadParameter(
            "is for stacks on AWS: on Google Cloud an instance is reached by its own name, with gcloud sql connect",
            param_hint="--restored",
        )
    from core.operations.clouds.aws import Rds

    return Rds(place).endpoint_of(name)


def _nothing(number: int, frame: object) -> None:
    """A handler, and not SIG_IGN, which the command would inherit."""


def _environment(who: Login, port: int, folder: Path) -> dict[str, str]:
    """libpq's own; the password in a file that only we read, as other users may list a process's environment."""
    file = folder / "pgpass"
    file.touch(mode=0o600)
    escaped = who.password.replace("\\", "\\\\").replace(":", "\\:")
    file.write_text(f"*:*:*:*:{escaped}\n")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {
        **own,
        "PGHOST": who.host,
        "PGHOSTADDR": "127.0.0.1",
        "PGPORT": str(port),
        "PGDATABASE": who.database,
        "PGUSER": who.user,
        "PGPASSFILE": str(file),
        "PGAPPNAME": "cloudbill psql",
        **({"PGSSLMODE": "verify-full", "PGSSLROOTCERT": who.root} if who.root else {"PGSSLMODE": "require"}),
    }


def _url(who: Login, port: int) -> str:
    tail = f"sslmode=verify-full&sslrootcert={quote(who.root)}" if who.root else "sslmode=require"
    return (
        f"postgresql://{quote(who.user)}:{quote(who.password, safe='')}@{who.host}:{port}/{who.database}"
        f"?hostaddr=127.0.0.1&{tail}"
    )
