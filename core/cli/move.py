"""`cloudbill move`: a running installation moved to another PostgreSQL, with a pause of seconds and a way back."""

import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from core.cli.backup import Output
from core.cli.formats import Format
from core.cli.transfer import PublicKey
from core.foundation.clock import wall_now
from core.foundation.settings import Settings, load_settings
from core.operations.transfer.documents import own_public_keys, parse_public_key, public_key_id
from core.operations.transfer.moving import certificate, ending, marks, preflight
from core.operations.transfer.moving.errors import MoveError, MoveRefused, WrongPhase
from core.operations.transfer.moving.holder import Holder
from core.operations.transfer.moving.journal import ENDED, Ends, Journal, find, journals
from core.operations.transfer.moving.mover import Choices, Mover, Stopped
from core.operations.transfer.moving.preflight import Report

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str | None, typer.Option("--id", metavar="MOVE", help="Which move, where there are several.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=32, help="How many chunks and indexes at a time.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.callback()
def group() -> None:
    """Move a running installation to another PostgreSQL, and back."""


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
    keep_hours: Annotated[float, typer.Option(help="How long the old side is kept after the switch.")] = 24,
    yes: Yes = False,
    output: Output = Format.TEXT,
) -> None:
    """Look at both sides, then copy, follow, compare, switch, and keep the old side up to date for a rollback."""
    from core.operations.transfer.moving.preview import preview

    settings = load_settings()
    ends = _ends(settings, source, target, target_owner)
    report = preflight.look(ends)
    ahead = preview(
        report.source_bytes,
        from_stack=from_stack,
        to_stack=to_stack,
        keep_hours=Decimal(str(keep_hours)),
        today=wall_now().date(),
    )
    if output is Format.JSON:
        _print_json({**report.to_json(), "preview": ahead.to_json()})
    else:
        _show_report(report, ends)
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
    journal = Journal.create(settings.cloudbill_home, ends)
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
    document = _standing(journal)
    if output is Format.JSON:
        _print_json(document)
        return
    typer.echo(f"move {journal.id}: {journal.phase}; {document['from']} → {document['to']}")
    typer.echo(f"worked on by process {document['worker']}" if document["worker"] else "nobody works on it")
    for name, value in document["now"].items():
        if value not in (None, "", "phase"):
            typer.echo(f"  {name}: {value}")
    for slot in document["slots"]:
        typer.echo(f"  slot {slot['name']} on the {slot['side']}: {slot['says']}")
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
    with journal.claimed():
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
    with journal.claimed():
        ending.finish(journal, journal.ends(), typer.echo)
    typer.echo(f"finished; the certificate stays in {journal.folder}")


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
        _print_json(document)
        return
    typer.echo(f"holds: {document['from']} and {document['to']} agree for {len(document['tenants'])} tenants")
    typer.echo(f"root {document['roots']['to']}, signed with ledger key {public_key_id(believed[0])}")


def _work(settings: Settings, journal: Journal, choices: Choices) -> None:
    mover = Mover(settings, journal, choices, _say)
    try:
        mover.run()
    except (Stopped, KeyboardInterrupt):
        journal.answered("stop")
        typer.echo("stopped; `cloudbill move resume` goes on, `cloudbill move status` says where it is")


def _roll_back(settings: Settings, journal: Journal) -> None:
    try:
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


def _ends(settings: Settings, source: str, target: str, target_owner: str) -> Ends:
    if not source or not target:
        raise typer.BadParameter("give --from and --to (or MOVE_FROM_URL and MOVE_TO_URL)", param_hint="--from/--to")
    if target == "here" and not target_owner:
        target_owner = settings.owner_url
    if not target_owner:
        raise typer.BadParameter(
            "the target's owner takes indexes off and puts them on: give --to-owner (or MOVE_TO_OWNER_URL)",
            param_hint="--to-owner",
        )
    here = settings.mover_url if "here" in (source, target) else ""
    return Ends.of(here if source == "here" else source, here if target == "here" else target, target_owner)


def _standing(journal: Journal) -> dict[str, Any]:
    now = journal.shown()
    worked = journal.worked_on
    document: dict[str, Any] = {
        "id": str(journal.id),
        "phase": journal.phase,
        "from": journal.document["from"],
        "to": journal.document["to"],
        "worker": (journal.folder / "lock").read_text("utf-8").strip() if worked else None,
        "holder": Holder(journal).pid,
        "now": now if worked else {},
        "pauseSeconds": journal.document.get("pauseSeconds"),
        "certificate": journal.document.get("certificate"),
        "slots": [],
        "warnings": [],
    }
    if journal.phase in ENDED:
        return document
    ends = journal.ends()
    for endpoint, name in ((ends.source, journal.name), (ends.target, journal.back)):
        try:
            with endpoint.connect("status") as connection:
                found = marks.slot_standing(connection, name)
        except MoveError as error:
            document["warnings"].append(error.detail)
            continue
        if found is None:
            continue
        kept = found["keepsBytes"] or 0
        read = "read" if found["active"] else "nobody reads it"
        says = f"keeps {kept / 1e6:.1f} MB of log, {found['walStatus']}, {read}"
        document["slots"].append({"name": name, "side": endpoint.side, "says": says, **found})
        if found["walStatus"] == "lost":
            document["warnings"].append(f"the slot on the {endpoint.side} is lost: abort, then start anew")
        elif not worked:
            document["warnings"].append(
                f"the slot {name} keeps log on the disk of the {endpoint.side} while nobody works on the move: "
                "`cloudbill move resume`, or abort or finish it"
            )
    return document


def _show_report(report: Report, ends: Ends) -> None:
    typer.echo(f"{ends.source} ({report.source_version}) → {ends.target} ({report.target_version})")
    for finding in report.findings:
        sign = {"ok": "ok    ", "warns": "warns ", "blocks": "BLOCKS"}[finding.state]
        typer.echo(f"  {sign} {finding.side:<7} {finding.what}: {finding.detail}")


def _say(words: str) -> None:
    typer.echo(f"{wall_now():%H:%M:%S} {words}")
    sys.stdout.flush()


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str).decode())
