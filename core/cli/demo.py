"""`cloudbill demo create`: twelve tenants with ninety days of business, made by calls of the API."""

import asyncio
import sys
import time
from typing import Annotated

import typer

from core.foundation.clock import wall_now
from core.foundation.settings import load_settings
from core.operations.demo.create import create_demo, demo_password
from core.operations.demo.profiles import PROFILES

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Create the demo installation."""


@app.command()
def create(
    url: Annotated[str | None, typer.Option(help="The API's address.", show_default="this installation's")] = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="For `up`: say nothing when it is there, show no sign-in.")
    ] = False,
) -> None:
    """Create the demo, or go on with one that was broken off. It needs the Stripe simulator or a test key."""
    settings = load_settings()
    address = url or f"http://127.0.0.1:{settings.port}"
    started = time.monotonic()
    made = asyncio.run(create_demo(settings, address=address, now=wall_now(), progress=_Progress()))
    if made:
        typer.echo(f"{len(PROFILES)} tenants with 90 days each, made in {time.monotonic() - started:.0f} s.")
    elif not if_missing:
        typer.echo("The demo is there already.")
    if not if_missing:  # what `up` runs goes into a log, where no password belongs
        owner = f"{PROFILES[0].owner.split()[-1].lower()}@{PROFILES[0].slug}.example"
        typer.echo(f"Each tenant's owner signs in with one password: {owner} / {demo_password(settings)}")


class _Progress:
    """A line that is rewritten on a terminal, and a new one every tenth otherwise."""

    def __init__(self) -> None:
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        percent = 100 * done // total
        step = 1 if sys.stdout.isatty() else 10
        if percent // step == self._shown:
            return
        self._shown = percent // step
        end = "\r" if sys.stdout.isatty() and percent < 100 else "\n"
        sys.stdout.write(f"{percent:3d} % of {total} tenant days{end}")
        sys.stdout.flush()
