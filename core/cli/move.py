"""`cloudbill move`: a running installation moved to another PostgreSQL, with a pause of seconds and a way back."""

import logging
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.backup import Output
from core.cli.formats import Format
from core.cli.move_asked import ends_of, fingerprints_of, record_of
from core.cli.move_told import print_json, show_report, standing
from core.cli.transfer import PublicKey
from core.foundation.clock import wall_now
from core.foundation.settings import Settings, load_settings
from core.operations.transfer.beside import fingerprints, to_line
from core.operations.transfer.documents import own_public_keys, parse_public_key, public_key_id
from core.operations.transfer.moving import certificate, ending, preflight
from core.operations.transfer.moving.accompanying import Beside, look_beside, look_keys
from core.operations.transfer.moving.errors import MoveError, MoveRefused, WrongPhase
from core.operations.transfer.moving.journal import ENDED, Journal, find, journals
from core.operations.transfer.moving.mover import Choices, Mover, Stopped
from core.operations.transfer.moving.servers import explaining

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str | None, typer.Option("--id", metavar="MOVE", help="Which move, where there are several.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=32, help="How many chunks and indexes at a time.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.callback()
def group() -> None:
    """Move a running installation to another PostgreSQL, and back."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # a line that broke is told by us, with the server's name


@app.command()
def start(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            envvar="MOVE_FROM_URL",
            metavar="URL",
            help="The mover's login on the side that serves, or `here`.",
        ),
    ] = "",
    target: Annotated[
        str,
        typer.Option(
            "--to",
            envvar="MOVE_TO_URL",
            metavar="URL",
            help="The mover's login on a migrated, empty database, or `here`.",
        ),
    ] = "",
    target_owner: Annotated[
        str,
        typer.Option(
            "--to-owner", envvar="MOVE_TO_OWNER_URL", metavar="URL", help="The login that migrated the target."
        ),
    ] = "",
    jobs: Jobs = 2,
    chunk_mb: Annotated[float, typer.Option(help="Size of a chunk.", min=0.001, max=1024)] = 16,
    preflight_only: Annotated[bool, typer.Option("--preflight-only", help="Look, and change nothing.")] = False,
    wait_before_switch: Annotated[
        bool, typer.Option("--wait-before-switch", help="Follow until `cloudbill move switch`.")
    ] = False,
    exit_after_switch: Annotated[
        bool, typer.Option("--exit-after-switch", help="Do not stay to keep the old side up to date.")
    ] = False,
    from_stack: Annotated[str | None, typer.Option(help="Its stack (or recorded graph), to price egress.")] = None,
    to_stack: Annotated[str | None, typer.Option(help="The other stack, to price both running side by side.")] = None,
    source_cache: Annotated[
        str,
        typer.Option("--from-redis", envvar="MOVE_FROM_REDIS_URL", metavar="URL", help="Its Redis, or `here`."),
    ] = "",
    target_cache: Annotated[
        str,
        typer.Option("--to-redis", envvar="MOVE_TO_REDIS_URL", metavar="URL", help="The target's, or `here`."),
    ] = "",
    record: Annotated[
        str | None, typer.Option("--record", metavar="NAME", help="The installation's name, led to the target.")
    ] = None,
    leads_to: Annotated[
        str | None, typer.Option("--leads-to", metavar="HOST", help="With --record: where the target's services are.")
    ] = None,
    record_stack: Annotated[
        str | None, typer.Option(help="With --record: the stack whose cloud keeps the zone; else that of --from-stack.")
    ] = None,
    from_keys: Annotated[
        str, typer.Option(envvar="MOVE_FROM_KEYS", help="What `cloudbill move keys` says with the source's settings.")
    ] = "",
    to_keys: Annotated[
        str, typer.Option(envvar="MOVE_TO_KEYS", help="What `cloudbill move keys` says with the target's settings.")
    ] = "",
    keep_hours: Annotated[float, typer.Option(help="How long the old side is kept after the switch.")] = 24,
    yes: Yes = False,
    output: Output = Format.TEXT,
) -> None:
    """Look at both sides, then copy, follow, compare, switch, and keep the old side up to date for a rollback."""
    from core.operations.transfer.moving.preview import preview

    settings = load_settings()
    ends = ends_of(settings, source, target, target_owner)
    beside = Beside(
        source_cache=settings.cache_url if source_cache == "here" else source_cache,
        target_cache=settings.cache_url if target_cache == "here" else target_cache,
        record=record_of(record, leads_to, record_stack or from_stack),
    )
    keys = (fingerprints_of(from_keys, "--from-keys"), fingerprints_of(to_keys, "--to-keys"))
    with explaining():
        report = preflight.look(ends)
    beside = look_beside(report, beside)
    look_keys(report, ends, settings, source=keys[0], target=keys[1], target_is_here=target == "here")
    ahead = preview(
        report.source_bytes,
        from_stack=from_stack,
        to_stack=to_stack,
        keep_hours=Decimal(str(keep_hours)),
        today=wall_now().date(),
    )
    if output is Format.JSON:
        print_json({**report.to_json(), "preview": ahead.to_json()})
    else:
        show_report(report, ends)
        for line in ahead.lines():
            typer.echo(line)
    if report.blocked:
        raise MoveRefused(
            f"{len(report.blocked)} things have to be mended first: "
            + "; ".join(f"{one.side}, {one.what}: {one.detail}" for one in report.blocked)
        )
    if preflight_only:
        return
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Move {ends.source.place} to {ends.target.place}?"):
        raise typer.Exit(1)
    journal = Journal.create(settings.cloudbill_home, ends, beside=beside.to_json())
    typer.echo(f"move {journal.id} ({journal.folder})")
    choices = Choices(
        jobs=jobs,
        chunk_bytes=int(chunk_mb * 2**20),
        waits_before_switch=wait_before_switch,
        ends_after_switch=exit_after_switch,
    )
    journal.note(choices=[choices.jobs, choices.chunk_bytes])
    _work(settings, journal, choices)


@app.command()
def resume(
    move_id: Id = None,
    wait_before_switch: Annotated[
        bool, typer.Option("--wait-before-switch", help="Follow until `cloudbill move switch`.")
    ] = False,
    exit_after_switch: Annotated[
        bool, typer.Option("--exit-after-switch", help="Do not stay to keep the old side up to date.")
    ] = False,
) -> None:
    """Go on where it stopped; after the switch, keep the old side up to date."""
    settings = load_settings()
    journal = find(settings.cloudbill_home, move_id)
    if journal.phase in ENDED:
        raise WrongPhase(f"the move {journal.id} has ended ({journal.phase})")
    if journal.phase == "rolling back":
        _roll_back(settings, journal)
        return
    if journal.phase == "aborting":
        raise WrongPhase("it was being given up: `cloudbill move abort` again")
    jobs, chunk_bytes = journal.document.get("choices", [2, 16 * 2**20])
    choices = Choices(
        jobs=jobs, chunk_bytes=chunk_bytes, waits_before_switch=wait_before_switch, ends_after_switch=exit_after_switch
    )
    _work(settings, journal, choices)


@app.command()
def status(
    move_id: Id = None,
    every: Annotated[bool, typer.Option("--all", help="List all moves of this machine.")] = False,
    output: Output = Format.TEXT,
) -> None:
    """Say how far it is, what it waits for, and what it keeps on the source."""
    home = load_settings().cloudbill_home
    if every:
        for journal in journals(home):
            typer.echo(f"{journal.id}  {journal.phase:<13} {journal.document['from']} → {journal.document['to']}")
        return
    journal = find(home, move_id)
    document = standing(journal)
    if output is Format.JSON:
        print_json(document)
        return
    typer.echo(f"move {journal.id}: {journal.phase}; {document['from']} → {document['to']}")
    typer.echo(f"worked on by process {document['worker']}" if document["worker"] else "nobody works on it")
    for name, value in document["now"].items():
        if value not in (None, "", "phase"):
            typer.echo(f"  {name}: {value}")
    for slot in document["slots"]:
        typer.echo(f"  slot {slot['name']} on the {slot['side']}: {slot['says']}")
    beside: dict[str, dict[str, Any]] = document["beside"] or {}
    for what in ("redis", "record"):
        if found := beside.get(what):
            typer.echo(f"  {what}: {', '.join(f'{name} {value}' for name, value in found.items())}")
    for line in document["warnings"]:
        typer.echo(f"  warning: {line}")


@app.command()
def switch(move_id: Id = None) -> None:
    """Let a move that waits before its switch go on."""
    journal = find(load_settings().cloudbill_home, move_id)
    if journal.phase not in ("preparing", "copying", "rebuilding", "following"):
        raise WrongPhase(f"the move {journal.id} is {journal.phase}: there is nothing to switch")
    journal.ask("switch")
    typer.echo("It switches as soon as both sides agree.")


@app.command()
def stop(move_id: Id = None) -> None:
    """Ask the process that works on it to end; the move stays where it is."""
    journal = find(load_settings().cloudbill_home, move_id)
    _stop(journal)
    typer.echo("Nobody works on it now. `cloudbill move resume` goes on.")


@app.command()
def abort(move_id: Id = None, yes: Yes = False) -> None:
    """Give it up: the source serves and is clean, the target is as it was."""
    settings = load_settings()
    journal = find(settings.cloudbill_home, move_id)
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Give up the move {journal.id}?"):
        raise typer.Exit(1)
    if journal.phase not in ENDED:
        _stop(journal)
        journal = Journal(journal.folder)
    with journal.claimed(), explaining():
        ending.abort(journal, journal.ends(), typer.echo)


@app.command()
def rollback(move_id: Id = None, yes: Yes = False) -> None:
    """Let the old side serve again, with every write that the new one took."""
    settings = load_settings()
    journal = find(settings.cloudbill_home, move_id)
    if journal.phase not in ("switched", "rolling back"):
        raise WrongPhase(f"the move {journal.id} is {journal.phase}: only a switched one is rolled back")
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Let {journal.document['from']} serve again?"):
        raise typer.Exit(1)
    _stop(journal)
    _roll_back(settings, Journal(journal.folder))


@app.command()
def finish(move_id: Id = None, yes: Yes = False) -> None:
    """End a switched move: the old side is not kept up to date any more."""
    journal = find(load_settings().cloudbill_home, move_id)
    if not yes and sys.stdin.isatty() and not typer.confirm("Give up the way back?"):
        raise typer.Exit(1)
    _stop(journal)
    journal = Journal(journal.folder)
    with journal.claimed(), explaining():
        ending.finish(journal, journal.ends(), typer.echo)
    typer.echo(f"finished; the certificate stays in {journal.folder}")


@app.command()
def keys() -> None:
    """Say which keys this installation works with, by their fingerprints, for --from-keys and --to-keys."""
    typer.echo(to_line(fingerprints(load_settings())))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A certificate.", exists=True, dir_okay=False)],
    public_key: PublicKey = None,
    output: Output = Format.TEXT,
) -> None:
    """Check a certificate, without either server: that it was not altered, by whom it is, that both sides agree."""
    believed = own_public_keys(load_settings())
    try:
        believed += [parse_public_key(key) for key in public_key or []]
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--public-key") from None
    document = certificate.verify(file, believed=believed)
    if output is Format.JSON:
        print_json(document)
        return
    typer.echo(f"holds: {document['from']} and {document['to']} agree for {len(document['tenants'])} tenants")
    typer.echo(f"root {document['roots']['to']}, signed with ledger key {public_key_id(believed[0])}")


def _work(settings: Settings, journal: Journal, choices: Choices) -> None:
    try:
        with explaining():
            Mover(settings, journal, choices, _say).run()
    except (Stopped, KeyboardInterrupt):
        journal.answered("stop")
        typer.echo("stopped; `cloudbill move resume` goes on, `cloudbill move status` says where it is")


def _roll_back(settings: Settings, journal: Journal) -> None:
    try:
        with explaining():
            Mover(settings, journal, Choices(), _say).roll_back()
    except (Stopped, KeyboardInterrupt):
        journal.answered("stop")
        typer.echo("stopped; `cloudbill move rollback` goes on")
        return
    typer.echo(f"{journal.document['from']} serves again")


def _stop(journal: Journal, seconds: float = 60) -> None:
    if not journal.worked_on:
        return
    journal.ask("stop")
    give_up_at = time.monotonic() + seconds
    while journal.worked_on:
        if time.monotonic() > give_up_at:
            raise MoveError(f"the process that works on the move {journal.id} did not end within {seconds:.0f} s")
        time.sleep(0.1)
    journal.answered("stop")


def _say(words: str) -> None:
    typer.echo(f"{wall_now():%H:%M:%S} {words}")
    sys.stdout.flush()
