"""`cloudbill up`, `down`, `reset` and `status`: the installation on one machine."""

import json
import shutil
import time
from contextlib import suppress
from typing import Annotated, Literal

import psutil
import typer

from core.cli.supervisor.errors import StartRefused
from core.cli.supervisor.home import Home
from core.cli.supervisor.records import SUPERVISOR, find_record, forget
from core.cli.supervisor.state import clear_state

_EMBEDDED_DATA = (
    "valkey",
    "run",
    "ledger-heads",
    "ledger-heads.key",
    "stripe",
    "log-received",
    "standbys",
    "standby.options",
    "failover",
    "serving.json",
)


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once all is healthy; it keeps running.")
    ] = False,
    supervise: Annotated[bool, typer.Option("--supervise", hidden=True)] = False,
) -> None:
    """Start everything on this machine: servers, API, worker, Stripe simulator, console."""
    if detach:
        from core.cli.supervisor.detached import start_detached

        start_detached(Home.find())
    else:
        from core.cli.supervisor.attached import run_attached

        run_attached(Home.find(), in_background=supervise)


def down() -> None:
    """Stop what `up` started, wherever it was started from. The data stays."""
    _stop(Home.find())


def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop everything and delete the data of the embedded servers. Refused for any other database."""
    from core.cli.supervisor.environment import choose, runs_outside
    from core.foundation.settings import load_settings

    home = Home.find()
    if runs_outside(home):
        raise StartRefused(
            "`reset` deletes embedded data only, and CloudBill runs here on another server: `cloudbill down` stops it, "
            "and its database is dropped with its own tools."
        )
    if not choose(load_settings()).embedded_database:
        raise StartRefused(
            "`reset` deletes embedded data only, and DATABASE_URL or DB_HOST names another server: "
            "drop that database with its own tools."
        )
    if not home.folder.exists():
        typer.echo("There is nothing to delete.")
        return
    if not yes and not typer.confirm(f"Stop CloudBill and delete all of its data in {home.folder}?"):
        raise typer.Exit(1)
    _stop(home)
    from core.foundation.embedded.postgres import EmbeddedPostgres
    from core.foundation.embedded.valkey import EmbeddedValkey

    for place in (home.folder / "standbys").glob("*/postgres"):
        EmbeddedPostgres(place, secrets=home.secrets.folder).delete()
    EmbeddedPostgres(home.postgres, secrets=home.secrets.folder).delete()
    EmbeddedValkey(home.valkey, secrets=home.secrets.folder).delete()
    for name in _EMBEDDED_DATA:
        path = home.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    typer.echo(f"Deleted the embedded servers' data in {home.folder}. `make up` starts anew.")
    if (home.folder / "backups").exists():
        typer.echo("Its backups and their keys stay: `cloudbill backup list`.")


def status(
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="How to answer.")] = "text",
) -> None:
    """Say how each part is; exit code 0 only when all are healthy."""
    from core.cli.supervisor.status import ask_all, find_demo

    parts = ask_all(Home.find())
    if form == "json":
        typer.echo(json.dumps({name: {"url": part.url, "healthy": part.healthy} for name, part in parts.items()}))
    else:
        for name, part in parts.items():
            typer.echo(f"{name:<9} {'healthy' if part.healthy else 'not healthy':<12} {part.url}".rstrip())
        if demo := find_demo(Home.find()):
            typer.echo(f"The demo is {demo}.")
    if not all(part.healthy for part in parts.values()):
        raise typer.Exit(1)


def _stop(home: Home) -> None:
    from core.cli.supervisor.preflight import end_orphans

    record = find_record(home.run, SUPERVISOR)
    held = home.is_held()
    leader = record.find_leader() if record and held else None
    if held and leader is None:
        raise StartRefused("Something holds this installation but did not say who it is; try again in a moment.")
    if leader:
        typer.echo("Stopping CloudBill ...")
        leader.terminate()
        give_up_at = time.monotonic() + 120
        while home.is_held():
            if time.monotonic() > give_up_at:
                raise StartRefused(f"It has not stopped after 120 s; end process {leader.pid}, then run this again.")
            time.sleep(0.1)
        with suppress(psutil.Error):
            leader.wait(timeout=10)
        _stop_standbys(home)
        typer.echo("Stopped.")
        return
    ended = [*(end_orphans(home) if home.run.exists() else []), *_stop_standbys(home)]
    clear_state(home.run)
    forget(home.run, SUPERVISOR)
    typer.echo(f"Ended what a killed start had left: {', '.join(ended)}." if ended else "CloudBill does not run here.")


def _stop_standbys(home: Home) -> list[str]:
    """They are started beside us, by the commands that make them; who was stopped."""
    if not (home.folder / "standbys").exists():
        return []
    from core.foundation.embedded.postgres_data import end_server

    places = [home.postgres, *sorted((home.folder / "standbys").glob("*/postgres"))]
    return [f"the database in {place}" for place in places if end_server(place.resolve()) is not None]
