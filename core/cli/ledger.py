"""`cloudbill ledger`: recompute the ledger and hold it against the signed heads."""

import asyncio
import time
from contextlib import suppress
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import orjson
import typer
from redis.exceptions import RedisError

from core.billing.ledger.heads import Heads
from core.billing.ledger.signing import load_signing_keys
from core.billing.ledger.verification import standing
from core.billing.ledger.verification.findings import Finding
from core.billing.ledger.verification.verify import Verified, verify
from core.foundation.cache import create_cache
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.settings import Settings, SettingsInvalid, load_settings

app = typer.Typer(no_args_is_help=True)


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


@app.callback()
def group() -> None:
    """Verify the ledger and its chain."""


@app.command(name="verify")
def verify_command(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant (its tenantId).")] = None,
    output: Annotated[
        Format, typer.Option("--format", help="text: a line a finding; json: one document.")
    ] = Format.TEXT,
) -> None:
    """Recompute sums, versions, balances, floors, holds, charges and chain. Exit code 1 when anything is wrong."""
    if not asyncio.run(_verify(tenant, output)):
        raise typer.Exit(1)


async def _verify(tenant: str | None, output: Format) -> bool:
    settings = load_settings()
    heads = Heads(settings.heads_path, load_signing_keys(settings))
    database = Database(settings)
    verified, started = Verified(), time.monotonic()
    try:
        if output is Format.JSON:
            typer.echo('{"findings":[', nl=False)
        async for finding in verify(database, heads, slug=tenant, verified=verified):
            _show(finding, output, first=verified.findings == 1)
        if tenant is None:
            await _remember(settings, verified, time.monotonic() - started)
    finally:
        await database.dispose()
    if output is Format.JSON:
        summary = {**asdict(verified), "verified": verified.findings == 0}
        del summary["findings"]
        typer.echo("]," + orjson.dumps(summary).decode().removeprefix("{"))
    else:
        seen = f"{verified.tenants} tenants, {verified.transactions} transactions in {verified.blocks} blocks"
        typer.echo(f"{'ok' if not verified.findings else f'{verified.findings} findings'}: {seen}")
    return verified.findings == 0


async def _remember(settings: Settings, verified: Verified, seconds: float) -> None:
    # The overview shows it. Without a cache there is nothing to show it to.
    with suppress(SettingsInvalid, RedisError, OSError):
        cache = create_cache(settings)
        try:
            found = standing.Standing(wall_now(), verified.findings, verified.transactions, round(seconds, 3))
            await standing.remember(cache, found)
        finally:
            await cache.aclose()


def _show(finding: Finding, output: Format, *, first: bool) -> None:
    # Printed as they are found: what is wrong with a long ledger may be long too.
    if output is Format.TEXT:
        typer.echo(str(finding))
    else:
        typer.echo(("" if first else ",") + "\n" + orjson.dumps(asdict(finding)).decode(), nl=False)
