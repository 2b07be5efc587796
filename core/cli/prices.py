"""`cloudbill prices`: the price lists that estimates are made with."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from core.cli.grids import TableFormat, show
from core.foundation.clock import wall_now
from core.operations.costs.price_sources import AWS_URL, GOOGLE_URL, REFERENCE, Sources
from core.operations.costs.price_sources import refresh as refresh_prices
from core.operations.costs.showing import SNAPSHOTS, prices_grid, write_prices

app = typer.Typer(no_args_is_help=True)


class Cloud(StrEnum):
    """Whose prices."""

    AWS = "aws"
    GCP = "gcp"


@app.callback()
def prices() -> None:
    """The price lists that estimates are made with."""


@app.command()
def refresh(
    cloud: Annotated[Cloud | None, typer.Option(help="Without it: both.")] = None,
    region: Annotated[
        str | None, typer.Option(help="Without it: the clouds' first regions, us-east-1 and us-central1.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the dated snapshot; without it only what changed is shown.")
    ] = False,
    output: Annotated[TableFormat, typer.Option("--format", help="A table, JSON or Markdown.")] = TableFormat.TABLE,
    folder: Annotated[Path, typer.Option(help="Where the snapshots are.", show_default=False)] = SNAPSHOTS,
    aws_url: Annotated[str, typer.Option(envvar="CLOUDBILL_AWS_PRICES_URL", help="Of the AWS Price List.")] = AWS_URL,
    google_url: Annotated[
        str, typer.Option(envvar="CLOUDBILL_GOOGLE_PRICES_URL", help="Of the Google Cloud Billing Catalog.")
    ] = GOOGLE_URL,
    google_key: Annotated[
        str | None, typer.Option(envvar="GOOGLE_BILLING_API_KEY", help="An API key, for Google's catalog.")
    ] = None,
) -> None:
    """Read the clouds' own price lists and show what changed: old, new, percent.

    A half answer, a missing price or another unit is refused, and no snapshot is changed. A region without a snapshot
    gets one with --write.
    """
    if region and cloud is None:
        raise typer.BadParameter("whose region is it? Add --cloud aws or --cloud gcp", param_hint="--region")
    sources = Sources(aws_url=aws_url, google_url=google_url, google_key=google_key)
    found = [
        refresh_prices(one.value, region or REFERENCE[one], sources=sources, today=wall_now().date(), folder=folder)
        for one in ([cloud] if cloud else list(Cloud))
    ]
    if output is TableFormat.JSON:
        document = {"refreshed": [one.to_dict() for one in found]}
        show(prices_grid(found[0]), document, output.value)
    else:
        for one in found:
            show(prices_grid(one), {}, output.value)
    for one in found:
        if write:
            typer.echo(f"cloudbill: wrote {write_prices(one.prices, folder)}", err=True)
        elif one.changes:
            typer.echo(f"cloudbill: {one.prices.cloud} {one.prices.region} is not written: add --write", err=True)
