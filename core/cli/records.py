"""`cloudbill records`: verify the audit log, find card data, remove what is over its time, erase again in a copy."""

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer

from core.cli.formats import Format
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.settings import load_settings
from core.operations.records.repeating import repeat_erasures
from core.operations.records.retention.removing import Removed, remove_over_time
from core.operations.records.scanning import scan_database, scan_files
from core.operations.records.sealing import audit_heads, verify_all

app = typer.Typer(no_args_is_help=True)
FormatOption = Annotated[Format, typer.Option("--format", help="text: a line a finding; json: one document.")]


@app.command(name="verify")
def verify_command(output: FormatOption = Format.TEXT) -> None:
    """Recompute the audit log's chain and hold it against the signed heads. Exit code 1 when anything is wrong."""
    found = asyncio.run(_verify())
    _tell(found, output)


@app.command(name="scan")
def scan_command(
    logs: Annotated[
        list[Path] | None, typer.Option(help="Files to look into, too.", exists=True, dir_okay=False)
    ] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Look for card numbers in all texts of the database, and in logs. Exit code 1 when there is one."""
    found = asyncio.run(_scan())
    found += [{"place": one.place, "found": one.shown} for one in scan_files(logs or [])]
    _tell(found, output)


@app.command(name="repeat-erasures")
def repeat_erasures_command() -> None:
    """Erase again whoever was erased: in a restored or moved copy, before it serves."""
    typer.echo(f"{asyncio.run(_repeat())} erased again")


@app.command(name="retention")
def retention_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Remove records that are over their time, as the worker does each night; never books or invoices."""
    found = asyncio.run(_remove(dry_run=dry_run))
    if output is Format.JSON:
        shown = [
            {"tenantId": one.tenant, "kind": one.kind, "records": one.records, "before": one.before.isoformat()}
            for one in found
        ]
        typer.echo(orjson.dumps({"dryRun": dry_run, "removed": shown}).decode())
        return
    for one in found:
        typer.echo(f"{one.tenant or 'installation'}: {one.records} of {one.kind} from before {one.before:%Y-%m-%d}")
    total = sum(one.records for one in found)
    typer.echo(f"{total} records {'would be removed' if dry_run else 'removed'}")


async def _remove(*, dry_run: bool) -> list[Removed]:
    settings = load_settings()
    database = Database(settings)
    try:
        removing = remove_over_time(database, settings, wall=wall_now(), dry_run=dry_run)
        return [one async for one in removing]
    finally:
        await database.dispose()


async def _verify() -> list[dict[str, str]]:
    settings = load_settings()
    database = Database(settings)
    try:
        return [
            {"place": f"{finding.tenant_id} {finding.row}", "found": finding.detail}
            async for finding in verify_all(database, audit_heads(settings))
        ]
    finally:
        await database.dispose()


async def _scan() -> list[dict[str, str]]:
    database = Database(load_settings())
    try:
        return [{"place": one.place, "found": one.shown} async for one in scan_database(database)]
    finally:
        await database.dispose()


async def _repeat() -> int:
    settings = load_settings()
    database = Database(settings)
    try:
        return await repeat_erasures(database, settings, now=wall_now())
    finally:
        await database.dispose()


def _tell(found: list[dict[str, str]], output: Format) -> None:
    if output is Format.JSON:
        typer.echo(orjson.dumps({"findings": found}).decode())
    else:
        for one in found:
            typer.echo(f"{one['place']}: {one['found']}")
        typer.echo("ok" if not found else f"{len(found)} findings")
    if found:
        raise typer.Exit(1)
