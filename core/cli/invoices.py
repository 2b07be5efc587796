"""`cloudbill invoices`: recompute every final invoice; see and let go customers that the run set aside."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from redis.exceptions import RedisError
from sqlalchemy import text

from core.billing.invoices import parking, running
from core.billing.invoices.recomputing import standing
from core.billing.invoices.recomputing.recompute import Drift, Recomputed, recompute_all
from core.cli.formats import Format
from core.foundation.cache import create_cache
from core.foundation.clock import tenant_now, wall_now
from core.foundation.database import Database
from core.foundation.errors import InvalidInput
from core.foundation.settings import Settings, SettingsInvalid, load_settings
from core.identity.errors import TenantNotFound

app = typer.Typer(no_args_is_help=True)

Output = Annotated[Format, typer.Option("--format", help="text for people; json: one document.")]


@app.callback()
def group() -> None:
    """Recompute invoices, run what is due, look at what the run set aside."""


@app.command(name="recompute")
def recompute_command(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant (its tenantId).")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Work every final invoice out anew from raw events and price versions. Exit code 1 when one differs."""
    result = asyncio.run(_recompute(tenant, output))
    if result.drifted:
        raise typer.Exit(1)


@app.command(name="run")
def run_command(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the work.")] = 1,
    output: Output = Format.TEXT,
) -> None:
    """Renew and bill what is due for every tenant now, beside the workers that do; safe to stop and to start again."""
    tenants, seen = _run_shared(workers) if workers > 1 else asyncio.run(_run())
    typer.echo(orjson.dumps({"tenants": tenants, "seen": seen}) if output is Format.JSON else f"{seen} seen")


@app.command(name="parked")
def parked_command(output: Output = Format.TEXT) -> None:
    """List customers that the run set aside, and why."""
    rows = asyncio.run(_parked())
    if output is Format.JSON:
        typer.echo(orjson.dumps(rows).decode())
    else:
        for row in rows:
            typer.echo("  ".join(row.values()))
        typer.echo(f"{len(rows)} parked")


@app.command(name="replay")
def replay_command(
    tenant: Annotated[str, typer.Argument(help="The tenant (its tenantId).")],
    customer: Annotated[str, typer.Argument(help="The customer's id.")],
    allow: Annotated[bool, typer.Option(help="This once past the safety bound it was parked for.")] = False,
) -> None:
    """Let the run take a parked customer up again."""
    try:
        customer_id = UUID(customer)
    except ValueError:
        raise InvalidInput("customer", "must be a UUID, as `cloudbill invoices parked` lists it") from None
    asyncio.run(_replay(tenant, customer_id, allow))
    typer.echo("The run takes it up again.")


async def _recompute(tenant: str | None, output: Format) -> Recomputed:
    settings = load_settings()
    database = Database(settings)
    result = Recomputed()
    drifts: list[Drift] = []
    try:
        if tenant is not None:
            await _tenant_id(database, tenant)
        async for drift in recompute_all(database, result=result, slug=tenant):
            if output is Format.TEXT:
                typer.echo(str(drift))
            else:
                drifts.append(drift)
        if tenant is None:
            await _remember(settings, result)
    finally:
        await database.dispose()
    if output is Format.JSON:
        document: dict[str, Any] = {
            "recomputed": result.recomputed,
            "drifted": result.drifted,
            "parked": result.parked,
            "drifts": [
                {
                    "tenant": drift.tenant,
                    "invoice": drift.invoice,
                    "invoiceId": str(drift.invoice_id),
                    "line": drift.line,
                    "cause": drift.cause,
                    "detail": drift.detail,
                }
                for drift in drifts
            ],
        }
        typer.echo(orjson.dumps(document).decode())
    else:
        typer.echo(f"{result.recomputed} recomputed, {result.drifted} drifted, {result.parked} parked")
    return result


async def _remember(settings: Settings, result: Recomputed) -> None:
    # The console shows it. Without a cache there is nothing to show it from.
    with suppress(SettingsInvalid, RedisError, OSError):
        cache = create_cache(settings)
        try:
            await standing.remember(cache, standing.Standing.of(result, at=wall_now()))
        finally:
            await cache.aclose()


async def _run() -> tuple[int, int]:
    database = Database(load_settings())
    try:
        tenants = await running.tenants_due(database, now=wall_now())
        return len(tenants), sum([await running.run_tenant(database, tenant_id) for tenant_id in tenants])
    finally:
        await database.dispose()


def _run_shared(workers: int) -> tuple[int, int]:
    """Each process takes what no other has. Exit code 1 where one of them failed: what it did stands."""
    command = [sys.executable, "-m", "core.cli.main", "invoices", "run", "--format", "json"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(workers)]
    answers = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise typer.Exit(1)
    told = [orjson.loads(answer) for answer in answers]
    return max(one["tenants"] for one in told), sum(one["seen"] for one in told)


async def _parked() -> list[dict[str, str]]:
    database = Database(load_settings())
    try:
        async with database.reading() as session:
            rows = (await session.execute(_PARKED)).all()
    finally:
        await database.dispose()
    return [
        {
            "tenant": row.slug,
            "customer": str(row.customer_id),
            "code": row.code,
            "parkedAt": row.parked_at.isoformat(),
            "detail": row.detail,
        }
        for row in rows
    ]


async def _replay(slug: str, customer_id: UUID, allow: bool) -> None:
    database = Database(load_settings())
    try:
        tenant_id = await _tenant_id(database, slug)
        async with database.tenant(tenant_id) as session:
            now = await tenant_now(session, tenant_id)
            await parking.let_go(session, tenant_id=tenant_id, customer_id=customer_id, by=None, allow=allow, now=now)
    finally:
        await database.dispose()


async def _tenant_id(database: Database, slug: str) -> UUID:
    async with database.reading() as session:
        tenant_id = await session.scalar(text("SELECT id FROM tenants WHERE slug = :slug"), {"slug": slug})
    if tenant_id is None:
        raise TenantNotFound
    return tenant_id


_PARKED = text("""
SELECT t.slug, p.customer_id, p.code, p.parked_at, p.detail FROM parked_customers p JOIN tenants t ON t.id = p.tenant_id
WHERE p.resolved_at IS NULL ORDER BY p.parked_at
""")
