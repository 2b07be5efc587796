"""`cloudbill restore`: a new server beside, at an instant or a backup. What runs is left alone."""

import re
from datetime import datetime
from typing import Annotated

import orjson
import typer

from core.cli import cloud_backups
from core.cli.backup import Identity, Output, settings_with
from core.cli.cloud_backups import Stack, only_here
from core.cli.formats import Format
from core.foundation.embedded.postgres import OWNER
from core.operations.backups.restoring import Restored, Restores

app = typer.Typer()

_DATE = re.compile(r"^\d{4}-\d{2}")
_BACKUP = re.compile(r"^\d{8}T\d{9}Z$")


@app.command()
def restore(
    to: Annotated[
        str,
        typer.Option(metavar="TIME|BACKUP|latest", help="An instant such as 2026-11-21T20:18:32Z, or a backup's name."),
    ],
    into: Annotated[str, typer.Option(metavar="NAME", help="What the new server is called; it must not exist yet.")],
    identity: Identity = None,
    stack: Stack = None,
    output: Output = Format.TEXT,
) -> None:
    """Restore into a new server beside the one that runs, start it, and say how far it came."""
    only_here(stack, identity=identity)
    if stack:
        cloud_backups.restore(stack, parse_target(to, of_cloud=True), into, output)
        return
    target = parse_target(to)

    def say(words: str) -> None:
        if output is Format.TEXT:
            typer.echo(words)

    restored = Restores(settings_with(identity)).restore(target, into=into, say=say)
    if output is Format.JSON:
        typer.echo(orjson.dumps(document(restored), option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
        return
    reached = f"{restored.reached_at:%Y-%m-%dT%H:%M:%S.%f}Z" if restored.reached_at else "the end of the backup"
    typer.echo(f"Restored from {restored.target.backup.id} in {restored.seconds:.1f} s.")
    typer.echo(f"The last transaction in it was committed at {reached}.")
    typer.echo(f"It runs at {restored.server.host}:{restored.server.port}; passwords: {restored.server.secrets.folder}")
    typer.echo(f"Look into it:       cloudbill restored psql {into} -- -c '\\dt+'")
    typer.echo(f"Put it in place:    cloudbill down && cloudbill restored use {into} && make up")
    typer.echo(f"Throw it away:      cloudbill restored drop {into}")


def parse_target(text: str, *, of_cloud: bool = False) -> str | datetime:
    """A backup's name, `latest`, or an aware instant. Raises typer.BadParameter.

    A cloud gives its backups names of its own: whatever does not begin as a date does is one.
    """
    if text == "latest" or _BACKUP.match(text) or (of_cloud and not _DATE.match(text.strip())):
        return text
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text} is neither an instant (2026-11-21T20:18:32Z), nor a backup's name, nor `latest`; "
            "`cloudbill backup list` shows what there is",
            param_hint="--to",
        ) from None
    if at.tzinfo is None:
        raise typer.BadParameter(
            f"{text} names no time zone: write it as {at:%Y-%m-%dT%H:%M:%S}Z for UTC, or with +02:00", param_hint="--to"
        )
    return at


def document(restored: Restored) -> dict[str, object]:
    """As JSON shows it; no password."""
    return {
        "name": restored.name,
        "backup": restored.target.backup.id,
        "target": restored.target.at or restored.target.goal,
        "reachedAt": restored.reached_at,
        "seconds": round(restored.seconds, 3),
        "host": restored.server.host,
        "port": restored.server.port,
        "user": OWNER,
        "secrets": str(restored.server.secrets.folder),
        "folder": str(restored.server.data_dir),
    }
