"""`cloudbill drill`: restore for practice, verify the money, measure, and keep the evidence."""

import asyncio
import signal
from enum import StrEnum
from types import FrameType
from typing import Annotated, NoReturn

import orjson
import typer

from core.cli.backup import Identity, Output, settings_with
from core.cli.formats import Format
from core.foundation.database import Database
from core.foundation.settings import load_settings
from core.operations.recovery import evidence
from core.operations.recovery.drilling import Drill, run_drill
from core.operations.recovery.progress import Progress
from core.operations.recovery.targets import RPO_SECONDS, RTO_SECONDS

app = typer.Typer(no_args_is_help=True)


class Scenario(StrEnum):
    """What is practised."""

    PITR = "pitr"
    SNAPSHOT = "snapshot"
    DROPPED_TABLE = "dropped-table"
    REGION_LOSS = "region-loss"


@app.callback()
def group() -> None:
    """Practise recovery on a scratch server; what runs is only read."""


@app.command()
def run(
    scenario: Annotated[
        Scenario,
        typer.Option(
            help="pitr: the newest instant; snapshot: the newest base backup; dropped-table: back to before a DROP; "
            "region-loss: the newest instant, from the copies in BACKUPS_COPY_PATH alone."
        ),
    ] = Scenario.PITR,
    identity: Identity = None,
    output: Output = Format.TEXT,
) -> None:
    """Restore, start the application on the copy, verify, measure. Exit code 1 when it failed."""

    def say(words: str) -> None:
        if output is Format.TEXT:
            typer.echo(words)

    signal.signal(signal.SIGTERM, _end)
    drill = run_drill(settings_with(identity), scenario.value, say=Progress(say))
    if output is Format.JSON:
        document = {**drill.document(), "evidence": drill.evidence}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
    else:
        _show(drill)
    if not drill.passed:
        raise typer.Exit(1)


@app.command(name="list")
def list_drills(output: Output = Format.TEXT) -> None:
    """The evidence kept of drills, newest first; exit code 1 when its chain does not hold."""

    async def read() -> tuple[list[evidence.Piece], list[str]]:
        settings = load_settings()
        database = Database(settings)
        try:
            pieces = await evidence.list_pieces(database, kind="drill")
            return pieces, [fault async for fault in evidence.check(database, settings)]
        finally:
            await database.dispose()

    pieces, faults = asyncio.run(read())
    if output is Format.JSON:
        drills = [
            {"number": piece.number, "recordedAt": piece.recorded_at, "hash": piece.hash, "document": piece.document}
            for piece in pieces
        ]
        document = {"drills": drills, "faults": faults}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
    else:
        for piece in pieces:
            found = piece.document
            outcome = "passed" if found["passed"] else f"failed ({found['error'] or 'findings'})"
            typer.echo(
                f"{piece.number:>4}  {piece.recorded_at:%Y-%m-%d %H:%M}Z  {found['scenario']:<13} {outcome}  "
                f"RPO {found['rpo_seconds']} s  RTO {found['rto_seconds']} s  {found['checked']['entries']} entries"
            )
        if not pieces:
            typer.echo("No drill was run yet: `cloudbill drill run`.")
    for fault in faults:
        typer.echo(f"cloudbill: {fault}", err=True)
    if faults:
        raise typer.Exit(1)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """A job that is cancelled has a few seconds: enough to ask for the end of its copy."""
    raise SystemExit(128 + number)


def _show(drill: Drill) -> None:
    checked = drill.checked
    for name, seconds in drill.steps.items():
        typer.echo(f"  {name:<10} {seconds:8.1f} s")
    for finding in checked.findings:
        typer.echo(f"  finding: {finding}")
    if drill.error:
        typer.echo(f"  error: {drill.error}")
    seen = f"{checked.tenants} tenants, {checked.entries} ledger entries, {checked.accounts} balances compared"
    seen += f", {checked.invoices} invoices recomputed"
    typer.echo(f"{'passed' if drill.passed else 'FAILED'}: {seen}, {drill.database_bytes / 2**20:.0f} MB")
    rpo, rto = RPO_SECONDS, RTO_SECONDS[drill.place]
    typer.echo(f"RPO measured {_seconds(drill.rpo_seconds)} (target {rpo} s)")
    typer.echo(f"RTO measured {_seconds(drill.rto_seconds)} (target {rto} s)")
    typer.echo(f"Evidence {drill.evidence}: `cloudbill drill list`")


def _seconds(measured: float | None) -> str:
    return "nothing" if measured is None else f"{measured:.1f} s"
