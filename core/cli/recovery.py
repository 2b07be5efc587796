"""`cloudbill recovery`: what a restored copy waits for, and letting it go."""

import asyncio
import getpass

import orjson
import typer

from core.billing.payments.gateway import close_providers
from core.cli.backup import Output
from core.cli.formats import Format
from core.foundation.database import Database
from core.foundation.settings import load_settings
from core.operations.recovery import holding
from core.operations.recovery.holding import Hold
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
        document = {"released": released.holds if released else 0, "events": released.events if released else 0}
        typer.echo(orjson.dumps(document).decode())
    elif released is None:
        typer.echo("Nothing is held.")
    else:
        typer.echo(
            f"Released. {released.events} events of the payment provider were fetched; evidence {released.evidence}."
        )
        typer.echo(
            "What they say of purchases that this copy does not know is parked: `cloudbill jobs list`, and the console."
        )
