"""`cloudbill backup|restore|restored … --stack NAME`: the same commands for a database that a cloud keeps."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from core.cli.formats import Format
from core.operations.clouds.base import Backups, Fault, RestoredDatabase, Span, StoredBackup, backups_of
from core.operations.rollouts.deployed import Deployed, deployed
from core.operations.rollouts.project import Project

Stack = Annotated[
    str | None,
    typer.Option("--stack", metavar="NAME", help="Of a deployed stack (prod, prod-gcp, …) instead of this machine."),
]
SOURCES = Path(__file__).parents[2]
_CLOUDS = {"aws": "RDS", "gcp": "Cloud SQL"}


def found(stack: str) -> Deployed:
    """The stack, by its name. Raises RolloutError, CloudError."""
    return deployed(Project.find(Path.cwd(), SOURCES), stack)


def only_here(stack: str | None, **options: object) -> None:
    """Refuses options that concern this machine only. Raises typer.BadParameter."""
    for name, value in options.items():
        if stack and value:
            raise typer.BadParameter(
                f"is for backups of this machine; those of {stack} are the cloud's", param_hint=f"--{name}"
            )


def create(stack: str, output: Format) -> None:
    """A snapshot that stays until the retention drops it."""
    made = _of(found(stack), output).create("manual")
    if output is Format.JSON:
        _print_json(_plain(made))
        return
    typer.echo(f"{made.name}: finished at {_instant(made.finished_at)}, {_size(made.size_bytes)}")
    typer.echo(f"Get it back with: cloudbill restore --stack {stack} --to {made.name} --into NAME")


def copy(stack: str, name: str, region: str, output: Format) -> None:
    """In another region, finished when this returns."""
    at = found(stack)
    copied = _of(at, output).copy(name, region=region)
    if output is Format.JSON:
        _print_json({**_plain(copied), "region": region})
        return
    typer.echo(f"{copied.name} is in {region}: {copied.reason}, of {_instant(copied.finished_at)}")


def list_all(stack: str, output: Format) -> None:
    """Backups and restorable instants."""
    backups = _of(found(stack), output)
    stored, spans = backups.list_backups(), backups.restorable()
    if output is Format.JSON:
        _print_json(
            {
                "backups": [_plain(one) for one in stored],
                "restorable": [{"from": span.start, "until": span.end} for span in spans],
            }
        )
        return
    for one in stored:
        typer.echo(f"{_instant(one.finished_at)}  {_size(one.size_bytes):>9}  {one.reason:<10} {one.name}")
    if not stored:
        typer.echo(f"No backups of {stack}: `cloudbill backup create --stack {stack}` makes one.")
    typer.echo(f"Restorable: {_spans(spans)}")


def verify(stack: str, output: Format) -> None:
    """What the cloud tells; it opens none."""
    at = found(stack)
    backups = _of(at, output)
    faults, count = backups.verify(), len(backups.list_backups())
    if output is Format.JSON:
        _print_json(
            {"verified": not faults, "opened": False, "backups": count, "findings": [_fault(f) for f in faults]}
        )
    else:
        for fault in faults:
            typer.echo(f"{fault.subject}: {fault.detail} [{fault.check}]")
        typer.echo(
            f"{f'{len(faults)} findings' if faults else 'ok'}: {count} backups as {_CLOUDS[at.place.cloud]} describes "
            "them: state, encryption, key, copies, restorable window"
        )
        typer.echo(
            "None was opened, which no cloud can do: only a drill does (`cloudbill drill run` in a one-off task)."
        )
    if faults:
        raise typer.Exit(1)


def prune(stack: str, output: Format, *, dry_run: bool) -> None:
    """Drops our own, past the retention."""
    went = _of(found(stack), output).prune(dry_run=dry_run)
    if output is Format.JSON:
        _print_json({"backups": went, "dryRun": dry_run})
        return
    for name in went:
        typer.echo(name)
    typer.echo(f"{len(went)} backups {'would go' if dry_run else 'went'}; automated and foreign ones are left alone.")


def restore(stack: str, to: str | datetime, into: str, output: Format) -> None:
    """A new database beside."""
    at = found(stack)
    restored = _of(at, output).restore(to, into=into)
    if output is Format.JSON:
        _print_json(_restored(restored))
        return
    typer.echo(f"{restored.name} runs at {restored.endpoint}, in the private network of {stack}.")
    if restored.reached_at:
        typer.echo(f"Its state is that of {_instant(restored.reached_at)}.")
    typer.echo("Nothing uses it yet, and nothing was taken from the old one.")
    typer.echo(f"Throw it away:      cloudbill restored drop {into} --stack {stack}")


def drop(stack: str, name: str, *, yes: bool) -> None:
    """A database that a restore made."""
    at = found(stack)
    if not yes and not typer.confirm(f"Delete the restored database {name} of {stack}, with all that is in it?"):
        raise typer.Exit(1)
    _of(at, Format.TEXT).drop(name)
    typer.echo(f"{name} is gone.")


def _of(at: Deployed, output: Format) -> Backups:
    def say(words: str) -> None:
        if output is Format.TEXT:
            typer.echo(words, err=True)

    return backups_of(at.place, at.database, say=say)


def _plain(one: StoredBackup) -> dict[str, Any]:
    return {"id": one.name, "finishedAt": one.finished_at, "bytes": one.size_bytes, "reason": one.reason}


def _fault(fault: Fault) -> dict[str, str]:
    return {"check": fault.check, "name": fault.subject, "detail": fault.detail}


def _restored(restored: RestoredDatabase) -> dict[str, Any]:
    return {"name": restored.name, "endpoint": restored.endpoint, "reachedAt": restored.reached_at}


def _spans(spans: list[Span]) -> str:
    words = [
        f"{_instant(span.start)} to {_instant(span.end)}" if span.end > span.start else _instant(span.start)
        for span in spans
    ]
    return "; ".join(words) or "no instant, only what is listed"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def _size(count: int) -> str:
    return f"{count / 2**30:.0f} GB" if count >= 2**30 else f"{count / 2**20:.1f} MB"


def _print_json(document: Any) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
