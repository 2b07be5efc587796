"""`cloudbill recovery`: what a restored copy waits for, and letting it go."""

import asyncio
import getpass
from datetime import UTC
from typing import Annotated

import orjson
import typer

from core.billing.payments.gateway import close_providers
from core.cli.backup import Output
from core.cli.formats import Format
from core.cli.restore import parse_target
from core.foundation.database import Database
from core.foundation.settings import load_settings
from core.operations.recovery import holding
from core.operations.recovery.holding import Hold, hold_copy
from core.operations.recovery.releasing import Released, release_all

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """The worker of a restored copy waits; see why, and let it go."""


@app.command()
def status(output: Output = Format.TEXT) -> None:
    """Say whether the worker is held, and why."""

    async def read() -> list[Hold]:
        database = Database(load_settings())
        try:
            return await holding.list_open(database)
        finally:
            await database.dispose()

    holds = asyncio.run(read())
    if output is Format.JSON:
        document = {"held": bool(holds), "holds": [{"reason": h.reason, "stateOf": h.state_of} for h in holds]}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
        return
    for hold in holds:
        typer.echo(f"The worker is held: {hold.reason}, with the state of {hold.state_of:%Y-%m-%d %H:%M:%S}Z.")
    typer.echo("`cloudbill recovery release` catches up and lets it go." if holds else "Nothing is held.")


@app.command(name="hold")
def put_hold(
    state_of: Annotated[
        str, typer.Option("--state-of", metavar="TIME", help="The instant of its state: 2026-11-21T20:18:32Z.")
    ],
    reason: Annotated[str, typer.Option(help="Why; it is shown until it is released.")] = "restored in the cloud",
) -> None:
    """Hold the worker of a copy that a cloud restored, before it is put in place. DATABASE_URL is the copy's owner."""
    at = parse_target(state_of)
    if isinstance(at, str):
        raise typer.BadParameter("must be an instant, such as 2026-11-21T20:18:32Z", param_hint="--state-of")
    at = at.astimezone(UTC)
    if not hold_copy(load_settings().owner_url, reason=reason, state_of=at):
        raise typer.BadParameter(
            "this database's schema knows no holds: is DATABASE_URL the copy's, and is it migrated?",
            param_hint="DATABASE_URL",
        )
    typer.echo(f"Held: {reason}, with the state of {at:%Y-%m-%d %H:%M:%S}Z. `cloudbill recovery release` lets it go.")


@app.command()
def release(output: Output = Format.TEXT) -> None:
    """Fetch what the payment provider did since, then let the worker go; it stays held when that fails."""

    async def let_go() -> Released | None:
        settings = load_settings()
        database = Database(settings)
        try:
            return await release_all(database, settings, by=getpass.getuser())
        finally:
            await close_providers()
            await database.dispose()

    released = asyncio.run(let_go())
    if output is Format.JSON:
        document = {
            "released": released.holds if released else 0,
            "events": released.events if released else 0,
            "numbersSkipped": released.numbers if released else 0,
        }
        typer.echo(orjson.dumps(document).decode())
    elif released is None:
        typer.echo("Nothing is held.")
    else:
        typer.echo(
            f"Released. {released.events} events of the payment provider were fetched; evidence {released.evidence}."
        )
        if released.numbers:
            typer.echo(
                f"{released.numbers} numbers of invoices and credit notes that may have been issued in the lost time "
                "were skipped; each has a row that says why."
            )
        typer.echo(
            "What they say of purchases that this copy does not know is parked: `cloudbill jobs list`, and the console."
        )
