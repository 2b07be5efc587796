"""`cloudbill failover`: another server takes the primary's place, here or in a stack's cloud."""

from dataclasses import asdict
from typing import Annotated, Any

import orjson
import typer

from core.cli.formats import Format
from core.foundation.settings import load_settings
from core.operations.failover.grounds import Ground, HereGround
from core.operations.failover.planning import Check
from core.operations.failover.planning import plan as make_plan
from core.operations.failover.running import CATCH_UP_SECONDS, WRITERS_SECONDS, Failover

app = typer.Typer(no_args_is_help=True)

Stack = Annotated[
    str | None,
    typer.Option("--stack", metavar="NAME", help="Of a deployed stack (prod, prod-gcp, …) instead of this machine."),
]
To = Annotated[str | None, typer.Option("--to", metavar="NAME", help="Which standby; the one least behind otherwise.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Output = Annotated[Format, typer.Option("--format", help="text or json.")]


Record = Annotated[
    str | None,
    typer.Option("--record", metavar="NAME", help="With --stack: the installation's name, to be led elsewhere."),
]
LeadsTo = Annotated[
    str | None, typer.Option("--leads-to", metavar="HOST", help="With --record: where the services stand now.")
]


@app.callback()
def group() -> None:
    """Another server takes the primary's place."""


@app.command()
def plan(to: To = None, stack: Stack = None, output: Output = Format.TEXT) -> None:
    """Say what would happen, what would be lost and what is not ready; change nothing."""
    found = make_plan(_ground(stack), to=to)
    if output is Format.JSON:
        document = {**asdict(found), "is_ready": found.is_ready}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo(f"{found.primary} at {found.endpoint} ({found.standing.state}) -> {found.standby or 'nobody'}")
        for check in found.checks:
            typer.echo(_line(check))
        for number, step in enumerate(found.steps, 1):
            typer.echo(f"  {number}. {step}")
        typer.echo(f"Lost: {found.loss}.")
        typer.echo(f"Runbook: {found.runbook}")
    if not found.is_ready:
        raise typer.Exit(1)


@app.command()
def run(
    to: To = None,
    stack: Stack = None,
    old_is_off: Annotated[
        bool,
        typer.Option("--old-is-off", help="You have seen to it that the old primary is off and stays off."),
    ] = False,
    writers: Annotated[
        float, typer.Option("--writers", metavar="SECONDS", help="How long to wait for writers under way.")
    ] = WRITERS_SECONDS,
    record: Record = None,
    leads_to: LeadsTo = None,
    catch_up: Annotated[
        float, typer.Option("--catch-up", metavar="SECONDS", help="How long to wait for the standby.")
    ] = CATCH_UP_SECONDS,
    yes: Yes = False,
    output: Output = Format.TEXT,
) -> None:
    """Fail over, or go on with a failover that was stopped."""
    record = _both(record, leads_to, stack)
    failover = _failover(
        stack, output, old_is_off=old_is_off, writers=writers, catch_up=catch_up, record=record, leads_to=leads_to
    )
    if not yes and not typer.confirm("Close the primary, and let a standby take its place?"):
        raise typer.Exit(1)
    _told(failover.run(to=to), output)


@app.command()
def back(
    stack: Stack = None,
    record: Record = None,
    leads_to: LeadsTo = None,
    yes: Yes = False,
    output: Output = Format.TEXT,
) -> None:
    """Make the old primary a standby of the new one, then let it take its place again.

    In a cloud a new replica is made where the old primary stands, which takes minutes; that one stays fenced.
    """
    failover = _failover(stack, output, record=_both(record, leads_to, stack), leads_to=leads_to)
    if not yes and not typer.confirm("Make the old primary anew from the present one, and go back to it?"):
        raise typer.Exit(1)
    _told(failover.back(), output)


@app.command()
def abort(stack: Stack = None) -> None:
    """End a failover that was stopped before anybody was promoted; the old primary serves again."""
    typer.echo(_failover(stack, Format.TEXT).abort())


def _both(record: str | None, leads_to: str | None, stack: str | None) -> str | None:
    if (record is None) != (leads_to is None) or (record and not stack):
        raise typer.BadParameter("--record and --leads-to belong together, and to --stack")
    return record


def _ground(stack: str | None, say: Any = None, *, record: str | None = None, leads_to: str | None = None) -> Ground:
    settings = load_settings()
    if stack is None:
        return HereGround(settings, say=say)
    from core.cli.cloud_failover import ground_of
    from core.operations.clouds.base import silently

    return ground_of(settings, stack, record=record, leads_to=leads_to, say=say or silently)


def _failover(
    stack: str | None,
    output: Format,
    *,
    old_is_off: bool = False,
    writers: float = WRITERS_SECONDS,
    catch_up: float = CATCH_UP_SECONDS,
    record: str | None = None,
    leads_to: str | None = None,
) -> Failover:
    def say(words: str) -> None:
        typer.echo(words, err=output is Format.JSON)

    return Failover(
        _ground(stack, say, record=record, leads_to=leads_to),
        old_is_off=old_is_off,
        writers_seconds=writers,
        catch_up_seconds=catch_up,
        say=say,
    )


def _told(document: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    steps = document["steps"]
    typer.echo(f"{document['given']['to']} serves at {steps['promoted']['result']['endpoint']}.")
    lost = steps["caught_up"]["result"]
    typer.echo("Nothing was lost." if lost["lost_bytes"] == 0 else f"Its state is that of {lost['state_of']}.")
    typer.echo("Next: cloudbill recovery release   (its worker waits until what the provider did is known)")


def _line(check: Check) -> str:
    mark = "ok " if check.holds else "NO " if check.is_needed else "-- "
    return f"{mark} {check.name}: {check.detail}" + (f"; {check.mend}" if check.mend and not check.holds else "")
