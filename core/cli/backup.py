"""`cloudbill backup`: make, list, verify and prune the backups of this machine's database; the key that opens them."""

import signal
import threading
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import orjson
import typer

from core.cli import cloud_backups
from core.cli.cloud_backups import Stack, only_here
from core.cli.formats import Format
from core.foundation.clock import wall_now
from core.foundation.settings import Settings, load_settings
from core.operations.backups.catalogue import Backup, Contents
from core.operations.backups.errors import UnknownBackup
from core.operations.backups.positions import Window, windows
from core.operations.backups.restoring import describe

app = typer.Typer(no_args_is_help=True)

Output = Annotated[Format, typer.Option("--format", help="text for people; json: one document.")]
Identity = Annotated[
    Path | None, typer.Option("--identity", metavar="FILE", help="The private key, where it is not the one kept here.")
]


@app.callback()
def group() -> None:
    """Make, list, verify and prune backups."""


@app.command()
def create(
    application: Annotated[
        bool, typer.Option("--application", help="Configuration, stacks, secrets and signed heads; not the database.")
    ] = False,
    stack: Stack = None,
    output: Output = Format.TEXT,
) -> None:
    """Take a backup now. Until it is in the catalogue, nothing that was there before is touched."""
    only_here(stack, application=application)
    if stack:
        cloud_backups.create(stack, output)
        return
    from core.operations.backups.application import take_application
    from core.operations.backups.taking import take

    settings = load_settings()
    backup = take_application(settings, reason="manual") if application else take(settings, reason="manual")
    if output is Format.JSON:
        _print_json(plain(backup))
        return
    typer.echo(f"{backup.id}: {_size(backup.size)} from {_size(backup.plain_size)}, {backup.files} files")
    way = f"backup open {backup.id} --into FOLDER" if application else f"restore --to {backup.id} --into NAME"
    typer.echo(f"Get it back with: cloudbill {way}")


@app.command()
def copy(
    backup: Annotated[str | None, typer.Argument(help="Which one; with --stack it is needed.")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="REGION|FOLDER", help="Of a stack: a region. Here: a folder [BACKUPS_COPY_PATH]."),
    ] = None,
    stack: Stack = None,
    output: Output = Format.TEXT,
) -> None:
    """Copy a backup to another region. On this machine: all of them to another folder, with the log they need.

    Asked twice it is made once. On Google Cloud, which copies no backup, a new one is taken and kept there.
    """
    if stack:
        if backup is None or to is None:
            raise typer.BadParameter(f"name the backup and the region: `cloudbill backup copy NAME --to REGION "
                                     f"--stack {stack}`", param_hint="BACKUP, --to")  # fmt: skip
        cloud_backups.copy(stack, backup, to, output)
        return
    from core.operations.backups.copying import copy_to
    from core.operations.backups.taking import catalogue_of

    settings = load_settings()
    place = Path(to).absolute() if to else settings.backups_copy_path
    if place is None:
        raise typer.BadParameter("name a folder, best on another disk, or set BACKUPS_COPY_PATH", param_hint="--to")
    catalogue = catalogue_of(settings)
    known = [one.id for one in catalogue.believed().backups()]
    if not known or (backup is not None and backup not in known):
        raise UnknownBackup(f"there is no backup {backup or 'yet'}: `cloudbill backup list` names them")
    copied = copy_to(place, catalogue)
    if output is Format.JSON:
        _print_json({"folder": str(place), "files": copied, "backups": known})
        return
    typer.echo(f"{copied} files were copied to {place}: {len(known)} backups are there, with the log they need.")
    typer.echo(f"They open with the same key; BACKUPS_PATH={place} reads them.")


@app.command(name="open")
def open_backup(
    backup: Annotated[str, typer.Argument(help="An application backup's name.")],
    into: Annotated[Path, typer.Option("--into", metavar="FOLDER", help="A folder that does not exist yet.")],
    identity: Identity = None,
) -> None:
    """Unpack an application backup, for your eyes alone: it holds secrets."""
    from core.operations.backups.application import open_application

    names = open_application(settings_with(identity), backup, into=into)
    for name in names:
        typer.echo(name)
    typer.echo(f"{len(names)} files in {into}")


@app.command(name="list")
def list_backups(stack: Stack = None, output: Output = Format.TEXT) -> None:
    """List backups and the instants that can be reached. Exit code 1 when the catalogue cannot be believed."""
    if stack:
        cloud_backups.list_all(stack, output)
        return
    from core.operations.backups.taking import catalogue_of

    catalogue = catalogue_of(load_settings())
    contents = catalogue.read()
    found = windows(contents)
    if output is Format.JSON:
        _print_json(_listed(contents, found))
    else:
        for backup in contents.backups():
            typer.echo(_line(backup, found))
        if not contents.backups():
            typer.echo(f"No backups in {catalogue.folder}: `cloudbill backup create` makes one.")
        elif found:
            typer.echo(f"Restorable: {describe(found)}")
    for _, detail in contents.faults:
        typer.echo(f"cloudbill: the catalogue cannot be believed: {detail}", err=True)
    if contents.faults:
        raise typer.Exit(1)


@app.command(name="verify")
def verify_command(
    backup: Annotated[str | None, typer.Argument(help="Only this one, and the log it needs.")] = None,
    identity: Identity = None,
    stack: Stack = None,
    output: Output = Format.TEXT,
) -> None:
    """Check every file, what is inside and the log, without restoring. Exit code 1 when anything is wrong.

    Of a stack: what its cloud tells of state, encryption, key, copies and window; a cloud opens no backup.
    """
    only_here(stack, identity=identity)
    if stack:
        if backup:
            raise typer.BadParameter(
                f"cannot be chosen: all that {stack} has is looked at together", param_hint="BACKUP"
            )
        cloud_backups.verify(stack, output)
        return
    from core.operations.backups.verification import Looked, verify

    looked = Looked()
    findings = list(verify(settings_with(identity), wanted=backup, looked=looked))
    if output is Format.JSON:
        document = {"verified": not findings, "findings": [asdict(finding) for finding in findings]}
        _print_json({**document, "backups": looked.backups, "segments": looked.segments, "opened": looked.opened})
    else:
        for finding in findings:
            typer.echo(str(finding))
        depth = "opened and read" if looked.opened else "not opened: the private key is not here"
        seen = f"{looked.backups} backups, {looked.segments} segments of the log, {depth}"
        typer.echo(f"{f'{len(findings)} findings' if findings else 'ok'}: {seen}")
    if findings:
        raise typer.Exit(1)


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    stack: Stack = None,
    output: Output = Format.TEXT,
) -> None:
    """Drop what no instant of BACKUP_RETENTION needs; the newest base backup always stays.

    Of a stack: our own snapshots past its database's retention, never an automated, a foreign or a last one.
    """
    if stack:
        cloud_backups.prune(stack, output, dry_run=dry_run)
        return
    from core.operations.backups.pruning import prune as drop
    from core.operations.backups.retention import freed, to_drop
    from core.operations.backups.taking import catalogue_of

    settings, now = load_settings(), wall_now()
    if dry_run:
        contents = catalogue_of(settings).believed()
        dropped = to_drop(contents, now=now, retention=settings.backup_retention)
    else:
        dropped = drop(settings, now=now)
    backups = [entry.id for entry in dropped if isinstance(entry, Backup)]
    if output is Format.JSON:
        _print_json({"backups": backups, "entries": len(dropped), "bytes": freed(dropped), "dryRun": dry_run})
    else:
        verb = "would go" if dry_run else "went"
        typer.echo(f"{len(backups)} backups and {len(dropped) - len(backups)} pieces of the log {verb}.")
        typer.echo(f"{_size(freed(dropped))} {'would be' if dry_run else 'are'} free.")


@app.command()
def key() -> None:
    """Show the public keys that backups are sealed to, and where the private one lies."""
    from core.operations.backups.keys import Keys, name_of

    keys = Keys(load_settings())
    for recipient in keys.recipients():
        typer.echo(f"{recipient}  (called {name_of(recipient)})")
    if keys.identity_path.exists():
        typer.echo(f"The private key is {keys.identity_path}: keep a copy of it away from this machine.")
    else:
        typer.echo("No private key is kept here: give it with --identity when restoring.")


@app.command(hidden=True)
def watch() -> None:
    """Stream the log, take backups when they are due, prune; until SIGTERM. `make up` runs this."""
    from core.foundation.telemetry import configure_logs
    from core.operations.backups.watching import Watch

    settings, stop = load_settings(), threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    configure_logs(settings)
    Watch(settings).run(stop)


def settings_with(identity: Path | None) -> Settings:
    """The settings, with another file of the private key. Raises UnknownBackup where there is none."""
    if identity is None:
        return load_settings()
    if not identity.is_file():
        raise UnknownBackup(f"there is no private key in {identity}: give the file that holds AGE-SECRET-KEY-1…")
    return load_settings(backup_identity_path=identity)


def plain(backup: Backup) -> dict[str, Any]:
    """As JSON shows it."""
    return {
        "id": backup.id,
        "kind": backup.kind,
        "reason": backup.reason,
        "startedAt": backup.started_at,
        "finishedAt": backup.finished_at,
        "bytes": backup.size,
        "plainBytes": backup.plain_size,
        "sha256": backup.sha256,
        "keys": backup.keys,
        "version": backup.version or None,
        "file": backup.file,
    }


def _listed(contents: Contents, found: list[Window]) -> dict[str, Any]:
    ends = {window.backup.id: window for window in found}
    backups: list[dict[str, Any]] = []
    for backup in contents.backups():
        window = ends.get(backup.id)
        reach = {"restorableUntil": window.end, "missing": window.missing} if window else {}
        backups.append({**plain(backup), **reach})
    return {
        "backups": backups,
        "restorableFrom": min((window.start for window in found), default=None),
        "restorableUntil": max((window.end for window in found), default=None),
        "faults": [{"check": check, "detail": detail} for check, detail in contents.faults],
    }


def _line(backup: Backup, found: list[Window]) -> str:
    window = next((window for window in found if window.backup.id == backup.id), None)
    until = f"  log until {window.end:%Y-%m-%d %H:%M:%S}Z" if window and window.end > window.start else ""
    hole = f" (then {window.missing} is missing)" if window and window.missing else ""
    return f"{backup.id}  {backup.kind:<11} {_size(backup.size):>9}  {backup.reason}{until}{hole}"


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count < 2**30 else f"{count / 2**30:.2f} GB"


def _print_json(document: Any) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
